import { describe, expect, it } from 'vitest';
import { keyTemplateFor } from '../../../src/prompt/key-templates.ts';
import { checkTemplate, partsOf, spokenDigits, templateFor } from '../../../src/prompt/templates.ts';
import { LANGUAGES, SCRIPTS } from './languages.ts';

/** Where something has to follow the key. */
const MID_SENTENCE = ['fa', 'hi', 'ja', 'ko', 'tr'];

describe.each(LANGUAGES)('the sentences for keys in %s', (language) => {
  const template = keyTemplateFor(language);

  it('can be used, with the key where the language wants it', () => {
    const [words, keys] = [templateFor(language), template];
    if (words === undefined || keys === undefined) throw new Error('there are none');
    checkTemplate({ ...words, ...keys });
    const { before, after } = partsOf(keys.press, '{key}');
    expect(before).not.toBe('');
    expect(after !== '').toBe(MID_SENTENCE.includes(language));
  });

  it('are in its own script, without digits', () => {
    for (const sentence of Object.values(template ?? {})) {
      const text = sentence.replace('{key}', '');
      expect(text).toMatch(SCRIPTS[language] ?? /\p{Script=Latin}/u);
      expect(text).not.toMatch(/\p{Nd}/u);
      expect(text).toBe(text.normalize('NFC'));
      if (SCRIPTS[language] !== undefined) expect(text).not.toMatch(/\p{Script=Latin}/u);
      else expect(text).not.toMatch(/[^\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u);
    }
  });
});

describe('the sentences for keys', () => {
  /** Words that sound like a digit and are not spelled like one. */
  const ALIKE: Readonly<Record<string, readonly string[]>> = {
    de: ['ein', 'eine', 'einen', 'zwo'],
    en: ['to', 'too', 'for', 'won', 'ate', 'once', 'oh'],
    fr: ['une', 'cet', 'cette', 'si'],
    it: ['un', 'una'],
    pt: ['uma', 'duas'],
    es: ['un', 'una'],
    ru: ['раз', 'одна', 'две'],
  };

  it.each(Object.keys(ALIKE))('hold no word in %s that is a digit or sounds like one', (language) => {
    const digits = [...Object.values(spokenDigits(language)), ...(ALIKE[language] ?? [])];
    const said = Object.values(keyTemplateFor(language) ?? {})
      .join(' ')
      .replace('{key}', '')
      .toLowerCase();
    expect((said.match(/\p{L}+/gu) ?? []).filter((word) => digits.includes(word))).toEqual([]);
  });

  it('go by language', () => {
    expect(keyTemplateFor('en-ZA')).toBe(keyTemplateFor('en'));
    expect(keyTemplateFor('no')).toBe(keyTemplateFor('nb'));
    for (const locale of ['xx', '', 'constructor', '__proto__', 'de_DE']) {
      expect(keyTemplateFor(locale)).toBeUndefined();
    }
  });
});
