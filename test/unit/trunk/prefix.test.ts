import { describe, expect, it } from 'vitest';
import { resultPrefix, servedPrefix } from '../../../src/trunk/prefix.ts';
import { someTrunk } from '../../support/records.ts';

function trunkFor(...prefixes: readonly string[]) {
  return someTrunk({ prefixes: prefixes.map((prefix) => ({ prefix })) });
}

describe('servedPrefix', () => {
  it.each([
    [['+49', '+4930', '+493'], '+4930123456', '+4930'],
    [['+', '+1'], '+4930123456', '+'],
    [['+1'], '+4930123456', undefined],
    [[], '+4930123456', '+'],
    [['+1'], 'sip:anna@phone.example', '+'],
  ])('of %j for %s is %s', (prefixes, to, expected) => {
    expect(servedPrefix(trunkFor(...prefixes), to)?.prefix).toBe(expected);
  });
});

describe('resultPrefix', () => {
  it.each([
    [['+'], '+4930123456', '+49'],
    [[], '+12125550123', '+1'],
    [['+4930'], '+4930123456', '+4930'],
    [['+4'], '+4930123456', '+49'],
    [['+1'], '+4930123456', '+49'],
    [[], '+99912345678', '+'],
    [[], 'sip:anna@phone.example', '+'],
  ])('of %j for %s is %s', (prefixes, to, expected) => {
    expect(resultPrefix(trunkFor(...prefixes), to)).toBe(expected);
  });

  it('is the country where the trunk is not configured any more', () => {
    expect(resultPrefix(undefined, '+4930123456')).toBe('+49');
  });
});
