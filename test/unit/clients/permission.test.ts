import { describe, expect, it } from 'vitest';
import { SCOPES } from '../../../src/clients/client.ts';
import { hasScope, mayShowCli, mayUseTemplate } from '../../../src/clients/permission.ts';
import { clientWith } from '../../support/client.ts';

describe('hasScope', () => {
  it.each(SCOPES)('%s opens itself, and that of an operator everything', (scope) => {
    for (const asked of SCOPES) {
      const opens = scope === asked || scope === 'operator';
      expect([asked, hasScope(clientWith({ scopes: [scope] }), asked)]).toEqual([asked, opens]);
    }
  });

  it('no scope opens nothing', () => {
    expect(SCOPES.some((scope) => hasScope(clientWith({ scopes: [] }), scope))).toBe(false);
  });
});

describe('mayShowCli', () => {
  it.each<[readonly string[] | null, string, boolean]>([
    [null, '+4930123456', true],
    [['+4930123456'], '+4930123456', true],
    [['+4930123456'], '4930123456', false],
    [['+4930123456'], '+49301234567', false],
    [[], '+4930123456', false],
  ])('with the list %j, %s: %s', (clis, cli, may) => {
    expect(mayShowCli(clientWith({ clis }), cli)).toBe(may);
  });
});

describe('mayUseTemplate', () => {
  it.each<[readonly string[] | null, string, boolean]>([
    [null, 'anything {code}', true],
    [['Your code: {code}'], 'Your code: {code}', true],
    [['Your code: {code}'], 'your code: {code}', false],
    [['Your code: {code}'], 'Your code: {code} ', false],
    [[], 'Your code: {code}', false],
  ])('with the list %j, %s: %s', (templates, text, may) => {
    expect(mayUseTemplate(clientWith({ templates }), text)).toBe(may);
  });
});
