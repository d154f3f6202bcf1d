import { describe, expect, it } from 'vitest';
import { templateComplaint, templatePlaylist } from '../../../src/prompt/text-template.ts';
import { Secret } from '../../../src/secret.ts';

const said = { locale: 'en-US', gender: null, sayAs: 'digits', repeat: 2 } as const;

describe('templatePlaylist', () => {
  it.each([
    ['Your code is {code}.', ['Your code is', 'pause', 'CODE']],
    ['{code} is your code', ['CODE', 'is your code']],
    ['{code}', ['CODE']],
    ['Code: {code}. Again: {code}!', ['Code:', 'pause', 'CODE', 'Again:', 'pause', 'CODE']],
    [' … {code} … ', ['CODE']],
  ])('reads %j', (template, items) => {
    const playlist = templatePlaylist({ ...said, template }, new Secret('4711'));
    expect(
      playlist.items.map((item) => {
        if ('tts' in item) return item.tts;
        return 'digits' in item ? item.digits.replace('4711', 'CODE') : 'pause';
      }),
    ).toEqual(items);
    expect(playlist.repeat).toBe(2);
  });

  it('says all of it in one language, with one kind of voice', () => {
    const { items } = templatePlaylist(
      { ...said, gender: 'male', template: 'Code {code}' },
      new Secret('4711'),
    );
    for (const item of items.filter((one) => !('pauseMs' in one))) {
      expect(item).toMatchObject({ locale: 'en-US', gender: 'male' });
    }
  });
});

describe('templateComplaint', () => {
  it.each(['{code}', 'Dein Code:\n{code}', `${'x'.repeat(994)}{code}`])('takes %j', (template) => {
    expect(templateComplaint(template)).toBeUndefined();
  });

  it.each([
    ['no place', /\{code\}/],
    ['%token', /\{code\}/],
    ['{code}\u0007', /control/],
    [`${'x'.repeat(995)}{code}`, /1000/],
  ])('refuses %j', (template, why) => {
    expect(templateComplaint(template)).toMatch(why);
  });
});
