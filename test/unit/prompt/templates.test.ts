import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkTemplate,
  NATO_WORDS,
  partsOf,
  spokenDigits,
  spokenLetters,
  templateFor,
} from '../../../src/prompt/templates.ts';
import { LANGUAGES, SCRIPTS } from './languages.ts';

/** Where the code stands inside of a sentence, or something has to follow it. */
const MID_SENTENCE = ['fa', 'hi', 'hu', 'ja', 'ko', 'tr'];

describe.each(LANGUAGES)('the template for %s', (language) => {
  const template = templateFor(language);

  it('can be used', () => {
    expect(template).toBeDefined();
    if (template === undefined) return;
    checkTemplate(template);
    expect(partsOf(template.greeting).before).not.toBe('');
    expect(partsOf(template.again).before).not.toBe('');
    const after = [template.greeting, template.again].map((text) => partsOf(text).after);
    expect(after.some((text) => text !== '')).toBe(MID_SENTENCE.includes(language));
  });

  it('is in its own script, without digits', () => {
    const text = Object.values(template ?? {})
      .join(' ')
      .replaceAll('{code}', '');
    expect(text).toMatch(SCRIPTS[language] ?? /\p{Script=Latin}/u);
    expect(text).not.toMatch(/\p{Nd}/u);
    expect(text).toBe(text.normalize('NFC'));
    // None of another script by mistake: a Latin "a" in a Cyrillic word is read as nonsense.
    if (SCRIPTS[language] !== undefined) expect(text).not.toMatch(/\p{Script=Latin}/u);
    else expect(text).not.toMatch(/[^\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u);
  });
});

describe('the words for digits', () => {
  it.each(['de', 'en', 'es', 'fr', 'it', 'pt', 'ru'])(
    'are ten different ones in %s, and no template says one',
    (language) => {
      const words = Object.values(spokenDigits(language));
      expect(new Set(words).size).toBe(10);
      const said = Object.values(templateFor(language) ?? {})
        .join(' ')
        .toLowerCase();
      const inTemplate = said.match(/\p{L}+/gu) ?? [];
      expect(inTemplate.filter((word) => words.includes(word))).toEqual([]);
    },
  );

  it('are by language, and the digits themselves elsewhere', () => {
    expect(spokenDigits('pt-PT')['6']).toBe('seis');
    expect(spokenDigits('en-GB')['0']).toBe('zero');
    expect(spokenDigits('sw')).toEqual(
      Object.fromEntries(Array.from('0123456789', (digit) => [digit, digit])),
    );
  });
});

describe('the NATO alphabet', () => {
  it('has a word for every letter, which begins with it', () => {
    expect(Object.keys(NATO_WORDS).join('')).toBe('ABCDEFGHIJKLMNOPQRSTUVWXYZ');
    for (const [letter, word] of Object.entries(NATO_WORDS)) expect(word[0]).toBe(letter);
    expect(spokenLetters('it')).toBe(NATO_WORDS);
  });

  it('is in the script of the language where voices read no other', () => {
    expect(Object.keys(spokenLetters('ru'))).toEqual(Object.keys(NATO_WORDS));
    expect(Object.values(spokenLetters('ru-RU')).join('')).toMatch(/^[\p{Script=Cyrillic}-]+$/u);
  });
});

describe('templateFor', () => {
  it('goes by language', () => {
    expect(templateFor('en-ZA')).toBe(templateFor('en'));
    expect(templateFor('zh-Hant-TW')).toBe(templateFor('zh'));
    expect(templateFor('no')).toBe(templateFor('nb'));
    expect(templateFor('nn-NO')).toBe(templateFor('nb'));
    expect(templateFor('iw')).toBe(templateFor('he'));
  });

  it.each(['xx', 'eng', '', 'constructor', '__proto__', 'de_DE', 'd'])('knows nothing for %j', (locale) => {
    expect(templateFor(locale)).toBeUndefined();
  });
});

describe('partsOf', () => {
  it.each([
    ['Your code is: {code}', 'Your code is:', ''],
    ['Your code is {code}.', 'Your code is', ''],
    ['コードは、{code}、です。', 'コードは、', 'です。'],
    ['{code} kodunu giriniz.', '', 'kodunu giriniz.'],
    ['{code}', '', ''],
    ['Press {key}. {code}', 'Press {key}.', ''],
    ['A: {code}! Enter it.', 'A:', 'Enter it.'],
    ['कोड {code} है।', 'कोड', 'है।'],
  ])('of %j', (text, before, after) => {
    expect(partsOf(text)).toEqual({ before, after });
  });

  it.each(['', 'no place', '{code} and {code}', '{Code}', '{ code }'])('refuses %j', (text) => {
    expect(() => partsOf(text)).toThrow(RangeError);
    expect(() => partsOf(text)).toThrow(/\{code\} must be in it exactly once, and is there [02] times/);
  });

  it('refuses what is too long to be spoken', () => {
    expect(() => partsOf(`${'a'.repeat(1001)}{code}`)).toThrow(/more than 1000/);
  });

  it('loses no word', () => {
    const word = fc.stringMatching(/^[a-zé ]{0,20}$/);
    fc.assert(
      fc.property(word, word, (before, after) => {
        expect(partsOf(`${before}{code}${after}`)).toEqual({ before: before.trim(), after: after.trim() });
      }),
    );
  });
});

describe('checkTemplate', () => {
  const good = { greeting: 'Hi, {code}', again: 'Again, {code}', goodbye: 'Bye.' };

  it.each([
    [{ ...good, greeting: 'Secret words' }, /^greeting: \{code\} must be in it exactly once/],
    [{ ...good, again: '{code}{code} secret' }, /^again: .*2 times/],
    [{ ...good, goodbye: 'Secret {code}' }, /^goodbye: \{code\} must not be in it/],
    [{ ...good, goodbye: ' … ' }, /^goodbye: it says nothing/],
    [{ ...good, goodbye: 'secret '.repeat(200) }, /^goodbye: .*1000/],
    [{ ...good, press: 'Secret words' }, /^press: \{key\} must be in it exactly once/],
    [{ ...good, press: 'Secret {key} {code}' }, /^press: \{code\} must not be in it/],
    [{ ...good, enter: 'Secret {code}' }, /^enter: \{code\} must not be in it/],
    [{ ...good, confirmed: 'Secret {key}' }, /^confirmed: \{key\} must not be in it/],
    [{ ...good, confirmed: '!' }, /^confirmed: it says nothing/],
  ])('says which sentence is wrong, and not what it says', (template, message) => {
    expect(() => checkTemplate(template)).toThrow(RangeError);
    expect(() => checkTemplate(template)).toThrow(message);
    expect(() => checkTemplate(template)).not.toThrow(/secret/i);
  });

  it('lets a good one pass', () => {
    expect(() => checkTemplate(good)).not.toThrow();
    const keys = { press: 'Press {key}', enter: 'Enter it.', confirmed: 'Thanks.' };
    expect(() => checkTemplate({ ...good, ...keys })).not.toThrow();
    expect(() => checkTemplate({ ...good, press: undefined })).not.toThrow();
  });
});
