/**
 * A text as the search for codes reads it: the same characters in fewer shapes. The three strings are equally long;
 * what a character becomes has the same place in all of them.
 */
export interface CodeText {
  /** Digits of all scripts as ASCII. */
  readonly plain: string;
  /** Those and what else stands for a digit: circled, superscript, Roman; letters of other shapes as ASCII. */
  readonly shaped: string;
  /** Those and Han numerals. Only a run of four is a code: one alone is a word. */
  readonly wide: string;
  /** Where in the text each of the places begins, and after the last one its end. */
  readonly begins: readonly number[];
}

/** In the place of what is a part of a word: a letter, and none that a code has. */
const WORD = 'ä';
/** In the place of what can stand between digits. */
const GAP = '·';

const HAN = new Map<string, string>(
  ['〇零', '一壱壹', '二弐贰貳', '三参叁叄', '四肆', '五伍', '六陆陸', '七柒', '八捌', '九玖'].flatMap(
    (shapes, value) => Array.from(shapes, (shape) => [shape, String(value)] as const),
  ),
);

/** Numerals without a compatibility decomposition (Unicode, NFKC) in runs: the first and last, and its value. */
const RUNS: readonly (readonly [first: number, last: number, value: number])[] = [
  [0x1369, 0x1371, 1], // Ethiopic
  [0x2160, 0x216b, 1], // Roman, large and small
  [0x2170, 0x217b, 1],
  [0x24eb, 0x24f4, 11], // in circles of all kinds
  [0x24f5, 0x24fe, 1],
  [0x24ff, 0x24ff, 0],
  [0x2776, 0x277f, 1],
  [0x2780, 0x2789, 1],
  [0x278a, 0x2793, 1],
  [0x3021, 0x3029, 1], // Hangzhou
  [0x1d360, 0x1d368, 1], // counting rods
  [0x1f10b, 0x1f10b, 0],
  [0x1f10c, 0x1f10c, 0],
];

/** A time of day: its letters are those of no code. */
const HALF_DAY = /(?<![\p{L}\p{Nd}])\d{1,2}(?:[:.]\d{2})?\s?([ap](?:\.\s?)?m)(?![\p{L}\p{Nd}])/giu;
const APOSTROPHE = /(?<=\p{L})['\u2019](?=\p{L})/gu;

/** Reads a text for `codesIn`. */
export function codeTextOf(text: string): CodeText {
  const [plain, shaped, wide]: [string[], string[], string[]] = [[], [], []];
  const begins: number[] = [];
  let at = 0;
  for (const character of withoutTimes(text)) {
    const place = shapesOf(character);
    plain.push(place[0]);
    shaped.push(place[1]);
    wide.push(place[2]);
    for (let i = 0; i < place[0].length; i++) begins.push(at);
    at += character.length;
  }
  begins.push(text.length);
  return { plain: plain.join(''), shaped: shaped.join(''), wide: wide.join(''), begins };
}

/** The same length; apostrophes and the letters of "5 p.m." become parts of words. */
function withoutTimes(text: string): string {
  return text
    .replaceAll(APOSTROPHE, WORD)
    .replaceAll(HALF_DAY, (whole, half: string) => whole.slice(0, -half.length) + WORD.repeat(half.length));
}

/** Plain, shaped, wide. */
function shapesOf(character: string): readonly [string, string, string] {
  if (/[\x20-\x7e]/.test(character)) return [character, character, character];
  if (/\s/.test(character)) return [' ', ' ', ' '];
  if (/\p{Nd}/u.test(character)) return same(String(digitOf(character)));
  const han = HAN.get(character) ?? HAN.get(character.normalize('NFKC').replaceAll(/[()]/g, ''));
  if (han !== undefined) return [WORD, WORD, han];
  if (/\p{N}/u.test(character)) {
    const value = numeralOf(character);
    return value === '' ? same(GAP) : [WORD.repeat(value.length), value, value];
  }
  const simple = character.normalize('NFKC');
  if (/^[A-Za-z]$/.test(simple)) return [/\p{L}/u.test(character) ? WORD : GAP, simple, simple];
  if (!/\p{L}/u.test(character)) return same(character);
  // Marks of stress and length (modifier letters) are parts of words, and no words themselves.
  return same(/\p{Lm}/u.test(character) ? GAP : WORD);
}

function same(shape: string): readonly [string, string, string] {
  return [shape, shape, shape];
}

/** ASCII; empty for what is no whole number, such as a fraction. */
function numeralOf(character: string): string {
  const point = character.codePointAt(0) ?? 0;
  const run = RUNS.find(([first, last]) => point >= first && point <= last);
  if (run !== undefined) return String(run[2] + point - run[0]);
  const simple = character.normalize('NFKC');
  return /[\u2044/]/.test(simple)
    ? ''
    : Array.from(simple)
        .filter((one) => /[0-9]/.test(one))
        .join('');
}

/** Digits of every script come in runs of ten from zero to nine (Unicode, general category Nd). */
function digitOf(digit: string): number {
  const point = digit.codePointAt(0) ?? 0;
  let first = point;
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--;
  return (point - first) % 10;
}
