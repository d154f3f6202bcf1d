import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canSay, codesIn, spell } from '../../../src/prompt/say-as.ts';
import { cpuMs } from '../../support/cpu-time.ts';

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
      .array(fc.constantFrom(...' \n\t.,-/()\u00a0\u2013\u2026\u200b\u200d'), { maxLength: 30 })
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
        for (const phrase of phrases) expect(phrase).not.toMatch(/\p{Nd}(?:[^\p{L}\p{Nd}]*\p{Nd}){3}/u);
      }),
    );
  });
});

describe('a code that is written oddly', () => {
  it.each([
    ['4       8       2       9       1       0', '482910'],
    ['482       910', '482910'],
    ['4........8........2........9', '4829'],
    ['4 ------- 8 ------- 2 ------- 9', '4829'],
    [`4${' . '.repeat(200)}829`, '4829'],
    ['④⑧②⑨①⓪', '482910'],
    ['⁴⁸²⁹¹⁰', '482910'],
    ['₄₈₂₉', '4829'],
    ['❹❽❷❾', '4829'],
    ['⑴⑵⑶⒋', '1234'],
    ['四八二九一零', '482910'],
    ['四、八、二、〇', '4820'],
    ['肆捌贰玖', '4829'],
    ['四8二9', '4829'],
    ['ⅣⅧⅡⅨ', '4829'],
    ['ⅳ ⅷ ⅱ ⅸ', '4829'],
    ['4ˑ8ˑ2ˑ9ˑ1ˑ0', '482910'],
    ['4️⃣8️⃣2️⃣9️⃣', '4829'],
    ['4½8½2½9', '4829'],
    ['Ｋ７ＱＸ9', 'K7QX9'],
    ['Ⓚ⑦ⓆⓍ', 'K7QX'],
    ['K⁷QX', 'K7QX'],
    ['\u{1d40a}7\u{1d410}X', 'K7QX'],
    ['K-7-Q-X', 'K7QX'],
    ['k 7 q x', 'K7QX'],
    ['K . . . . . . 7 . . . . . . Q . . . . . . X', 'K7QX'],
    ['4 8 2 a 9 1 0', '482A910'],
    ['K7-QX', 'K7QX'],
    ['k7q-x9p', 'K7QX9P'],
    ['K7Q X9P', 'K7QX9P'],
    ['k7q   x9p', 'K7QX9P'],
    ['ABC-123', 'ABC123'],
    ['abc4Z8Q', 'ABC4Z8Q'],
    ['k7qx', 'K7QX'],
    ['kRqXw7', 'KRQXW7'],
    ['4x8x2x9', '4X8X2X9'],
    ['48h29m', '48H29M'],
  ])('%j is one, whatever was asked for', (code, characters) => {
    for (const sayAs of [undefined, 'digits', 'pairs', 'nato'] as const) {
      const pieces = codesIn(`Your code is: ${code} - thanks`, sayAs);
      const said = pieces.flatMap((piece) => ('code' in piece ? [piece.code] : []));
      expect(pieces[0]).toEqual({ phrase: 'Your code is:' });
      expect(pieces.at(-1)).toEqual({ phrase: '- thanks' });
      expect(said.join('')).toBe(characters);
      expect(pieces).toHaveLength(said.length + 2);
    }
  });

  it('is found behind another one', () => {
    expect(codesIn('K7Q9 4 8 2 1')).toEqual([{ code: 'K7Q9' }, { code: '4821' }]);
  });

  it.each([
    'In the MP3, on MP3s, in B2B and B2C',
    'COVID-19, F-16 and UTF-8',
    'Open 24/7 with Wi-Fi 6 E',
    'At 5 p.m., at 9:30 a.m. or 10 AM - 5 PM',
    'From 9 a.m.–5 p.m.',
    'It takes 2h30m, or 10min, or 100km',
    'The 1st, 2nd and 21st of May',
    'A 4x4 of 12x8 from 9to5',
    'A flat of 100m2, or 50 m²',
    'For 10 EUR and 20 USD, or 3,50 €',
    "I'm 2 5",
    'de 5 a 7 o 9',
    'I 2 3 a',
    'e.g. 5, 7',
    'Gate B12, seat 4A',
    'Vitamins B6 B12',
    'Take 2-in-1 or 9-to-5',
    '三个月 一二三',
    '一石二鳥、三人四',
    '1½ or 2½ hours',
    'Version 2.0.1',
    'iPhone15s, mp3player, McDonalds2',
    'Chapters IV, V and VI',
  ])('and %j holds none', (text) => {
    expect(codesIn(text)).toEqual([{ phrase: text }]);
  });

  it('is found in time', () => {
    for (const part of ['a1 ', '1 ', 'a-', 'a1-', '1a', 'A B 1 ', ' ', '一', "a'"]) {
      const text = part.repeat(1000 / part.length);
      const ms = cpuMs(() => {
        codesIn(text);
        codesIn(`${text}!`, 'nato');
      });
      expect(ms).toBeLessThan(500);
    }
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
