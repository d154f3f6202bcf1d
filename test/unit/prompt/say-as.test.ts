import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canSay, codesIn, spell } from '../../../src/prompt/say-as.ts';

describe('codesIn', () => {
  it.each([
    ['Your code is 123456', 'digits', [{ phrase: 'Your code is' }, { code: '123456' }]],
    ['Your code is 1 2 3-4 5.6.', 'digits', [{ phrase: 'Your code is' }, { code: '123456' }]],
    ['In 5, 10 minutes', 'digits', [{ phrase: 'In' }, { code: '5' }, { code: '10' }, { phrase: 'minutes' }]],
    ['In 10 minutes', undefined, [{ phrase: 'In 10 minutes' }]],
    [
      'Code 4829, valid 10 minutes',
      undefined,
      [{ phrase: 'Code' }, { code: '4829' }, { phrase: ', valid 10 minutes' }],
    ],
    ['Code ٤٨٢٩١٠', undefined, [{ phrase: 'Code' }, { code: '482910' }]],
    ['Code ４８２９', 'pairs', [{ phrase: 'Code' }, { code: '4829' }]],
    ['Code \u{1d7ec}\u{1d7ed}\u{1d7d8}\u{1d7d9}', undefined, [{ phrase: 'Code' }, { code: '0101' }]],
    ['4\u200c8\u200c2\u200c9', undefined, [{ code: '4829' }]],
    ['Code K7QX now', 'nato', [{ phrase: 'Code' }, { code: 'K7QX' }, { phrase: 'now' }]],
    ['Code K7QX now', 'digits', [{ phrase: 'Code' }, { code: 'K7QX' }, { phrase: 'now' }]],
    ['Code K7QX now', undefined, [{ phrase: 'Code' }, { code: 'K7QX' }, { phrase: 'now' }]],
    ['In the MP3 of COVID', undefined, [{ phrase: 'In the MP3 of COVID' }]],
    ['482\n910', undefined, [{ code: '482910' }]],
    ['4, 8, 2, 9', undefined, [{ code: '4829' }]],
    ['(482) - 910', undefined, [{ code: '482910' }]],
    ['4\u200b8\u2026 2 / 9', undefined, [{ code: '4829' }]],
    ['ÄK7', 'nato', [{ phrase: 'ÄK' }, { code: '7' }]],
    ['  Two \n words  ', undefined, [{ phrase: 'Two words' }]],
    [' . ', undefined, []],
    ['', 'digits', []],
  ] as const)('%j as %s', (text, sayAs, expected) => {
    expect(codesIn(text, sayAs)).toEqual(expected);
  });

  it('lets no run of four digits or more into a phrase, whatever is around it', () => {
    const digit = fc.constantFrom(...'0123456789٠١٢٣٤٥٦٧٨٩०१२३४५६७८९');
    const between = fc
      .array(fc.constantFrom(...' \n\t.,-/()\u00a0\u2013\u2026\u200b\u200d'), { maxLength: 5 })
      .map((parts) => parts.join(''));
    const code = fc
      .array(fc.tuple(digit, between), { minLength: 4, maxLength: 10 })
      .map((parts) => parts.map(([one, gap], i) => (i === parts.length - 1 ? one : one + gap)).join(''));
    const sayAs = fc.constantFrom(undefined, 'digits', 'pairs', 'nato');
    fc.assert(
      fc.property(fc.string(), code, fc.string(), sayAs, (before, digits, after, how) => {
        const phrases = codesIn(`${before} | ${digits} | ${after}`, how).flatMap((piece) =>
          'phrase' in piece ? [piece.phrase] : [],
        );
        for (const phrase of phrases) expect(phrase).not.toMatch(/\p{Nd}(?:[^\p{L}\p{Nd}]{0,6}\p{Nd}){3}/u);
      }),
    );
  });
});

describe('spell', () => {
  it('says character by character, with a pause between two', () => {
    expect(spell('407', 'digits', 400)).toEqual([
      { character: '4' },
      { pauseMs: 400 },
      { character: '0' },
      { pauseMs: 400 },
      { character: '7' },
    ]);
    expect(spell('', 'digits', 400)).toEqual([]);
  });

  it('sets pairs off from one another', () => {
    const pauses = spell('48291', 'pairs', 400).flatMap((part) => ('pauseMs' in part ? [part.pauseMs] : []));
    expect(pauses).toEqual([200, 800, 200, 800]);
  });
});

describe('canSay', () => {
  it('takes letters as words only', () => {
    expect(canSay('123', 'pairs')).toBe(true);
    expect(canSay('A1', 'digits')).toBe(false);
    expect(canSay('A1', 'nato')).toBe(true);
    expect(canSay('Ä1', 'nato')).toBe(false);
    expect(canSay('', 'digits')).toBe(false);
  });
});
