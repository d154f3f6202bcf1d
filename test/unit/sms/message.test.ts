import { describe, expect, it } from 'vitest';
import { templateFor } from '../../../src/prompt/templates.ts';
import { Secret } from '../../../src/secret.ts';
import { measure } from '../../../src/sms/measure.ts';
import { fits, messageOf } from '../../../src/sms/message.ts';
import { ownText } from '../../../src/sms/own-texts.ts';

const CODE = new Secret('493817');
const said = (template: string | null, locale = 'en-US') => messageOf(template, CODE, locale).reveal();

const LANGUAGES =
  'ar bg ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nb nl pl pt ro ru sk sl sv tr uk vi zh';

describe('the text of a message', () => {
  it('has the code in each of its places', () => {
    expect(said('Code {code}, once more {code}')).toBe('Code 493817, once more 493817');
  });

  it('takes nothing of a template for more than text', () => {
    expect(said('$& {code} $1 {CODE} {key}\n@a.example #493')).toBe(
      '$& 493817 $1 {CODE} {key}\n@a.example #493',
    );
    expect(messageOf('{code}', new Secret('$&'), 'en').reveal()).toBe('$&');
  });

  it('does not go without its code, and then says nothing of itself', () => {
    expect(() => said('my own words')).toThrow(RangeError);
    expect(() => said('my own words')).not.toThrow(/own/);
  });

  it('prints as a secret', () => {
    expect(String(messageOf(null, CODE, 'de'))).not.toContain('493817');
    expect(JSON.stringify({ body: messageOf(null, CODE, 'de') })).not.toContain('493817');
  });

  it.each(LANGUAGES.split(' '))('speaks %s in one message, with the code once', (language) => {
    expect(templateFor(language)).toBeDefined();
    const text = ownText(language);
    expect(text.split('{code}')).toHaveLength(2);
    expect(measure(said(null, language)).segments).toBe(1);
    if (language !== 'en') expect(text).not.toBe(ownText('en'));
  });

  it.each([
    ['de-AT', '493817 ist Ihr Code.'],
    ['no', '493817 er koden din.'],
    ['iw', '493817 הוא קוד האימות שלך.'],
    ['tlh', '493817 is your code.'],
    ['en-GB', '493817 is your code.'],
  ])('is in the language of %s, or in English', (locale, text) => {
    expect(said(null, locale)).toBe(text);
  });
});

describe('whether a text fits', () => {
  it('goes by the messages that a trunk sends as one', () => {
    const two = new Secret('a'.repeat(306));
    expect([1, 2, 3].map((most) => fits(two, most))).toEqual([false, true, true]);
  });

  it('bounds the bytes too, whatever the trunk takes', () => {
    expect(fits(new Secret('码'.repeat(213)), 8)).toBe(true);
    expect(fits(new Secret('码'.repeat(214)), 8)).toBe(false);
  });
});
