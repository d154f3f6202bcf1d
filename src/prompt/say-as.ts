import type { SayAs } from './playlist.ts';

/** A part of a text: words, or a code in it. */
export type TextPiece = { readonly phrase: string } | { readonly code: string };

/** One character of a code, or the silence (ms) before the next one. */
export type SpelledPart = { readonly character: string } | { readonly pauseMs: number };

/** What people put between the digits of one number. */
const BETWEEN = '[ .\\-\u2010-\u2015\u00a0\u2009\u202f\u200c\u200d]?';
/** What may stand between digits that are one code all the same, to whoever reads on: anything but words. */
const APART = '[^\\p{L}\\p{Nd}]{0,6}';
/** So many digits are a code, whatever was asked for: nobody says 482910 as a number, and no provider is to see it. */
const CODE_DIGITS = 4;
const NUMBER = `\\p{Nd}(?:${BETWEEN}\\p{Nd})*`;
const [NO_WORD_BEFORE, NO_WORD_AFTER] = ['(?<![\\p{L}\\p{Nd}])', '(?![\\p{L}\\p{Nd}])'];
/** Capitals with digits among them: no word in ordinary writing. */
const MIXED = `${NO_WORD_BEFORE}(?=[0-9]*[A-Z])(?=[A-Z]*[0-9])[A-Z0-9]{${CODE_DIGITS},}${NO_WORD_AFTER}`;
/** Capitals or digits or both. */
const CAPITALS = `${NO_WORD_BEFORE}[A-Z0-9]{2,}${NO_WORD_AFTER}`;

const HIDDEN_CODES = new RegExp(`${MIXED}|\\p{Nd}(?:${APART}\\p{Nd}){${CODE_DIGITS - 1},}`, 'gu');
const ALL_NUMBERS = new RegExp(`${MIXED}|${NUMBER}`, 'gu');
const ALL_CODES = new RegExp(`${CAPITALS}|${NUMBER}`, 'gu');

/**
 * The codes of a text and the words around them. With `digits` and `pairs` every number is one, with `nato` also
 * what is written in capitals (`KQX`). Without them four digits and more are one where there are no words between
 * them, however they are written: such a code is never a phrase. What has capitals and digits (`K7QX`) always is one.
 * Digits of other scripts become ASCII, and what stands between the characters of a code is dropped.
 */
export function codesIn(text: string, sayAs?: SayAs): readonly TextPiece[] {
  const pattern = sayAs === undefined ? HIDDEN_CODES : sayAs === 'nato' ? ALL_CODES : ALL_NUMBERS;
  const pieces: TextPiece[] = [];
  let at = 0;
  for (const found of text.matchAll(pattern)) {
    pieces.push(...phraseOf(text.slice(at, found.index)), { code: asciiOf(found[0]) });
    at = found.index + found[0].length;
  }
  return [...pieces, ...phraseOf(text.slice(at))];
}

/** Nothing, where there is nothing to be said. */
function phraseOf(text: string): readonly TextPiece[] {
  return /[\p{L}\p{N}]/u.test(text) ? [{ phrase: text.trim().replaceAll(/\s+/gu, ' ') }] : [];
}

function asciiOf(code: string): string {
  return Array.from(code, (char) =>
    /\p{Nd}/u.test(char) ? String(valueOf(char)) : /[A-Z]/.test(char) ? char : '',
  ).join('');
}

/** Digits of every script come in runs of ten from zero to nine (Unicode, general category Nd). */
function valueOf(digit: string): number {
  const point = digit.codePointAt(0) ?? 0;
  let first = point;
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--;
  return (point - first) % 10;
}

/**
 * A code character by character, slowly enough to be written down: `digitPauseMs` between two of them. With
 * `pairs` half of it inside a pair and twice as much between two pairs.
 */
export function spell(code: string, sayAs: SayAs, digitPauseMs: number): readonly SpelledPart[] {
  return Array.from(code).flatMap((character, index): SpelledPart[] => {
    if (index === 0) return [{ character }];
    const share = sayAs === 'pairs' ? (index % 2 === 0 ? 2 : 0.5) : 1;
    return [{ pauseMs: Math.round(digitPauseMs * share) }, { character }];
  });
}

/** Whether a code can be said so: digits always, letters only as words. */
export function canSay(code: string, sayAs: SayAs): boolean {
  return (sayAs === 'nato' ? /^[0-9A-Z]+$/ : /^[0-9]+$/).test(code);
}
