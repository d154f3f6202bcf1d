import type { SayAs } from './playlist.ts';

/** A part of a text: words, or a code in it. */
export type TextPiece = { readonly phrase: string } | { readonly code: string };

/** One character of a code, or the silence (ms) before the next one. */
export type SpelledPart = { readonly character: string } | { readonly pauseMs: number };

/** What people put between the digits of a code, one at a time. */
const BETWEEN = '[ .\\-\u2010-\u2015\u00a0\u2009\u202f\u200c\u200d]?';
/** A number of this length is a code, whatever was asked for: nobody says 482910 as a number, and no provider is to see it. */
const CODE_DIGITS = 4;

const ALL_DIGITS = new RegExp(`\\p{Nd}(?:${BETWEEN}\\p{Nd})*`, 'gu');
const LONG_NUMBERS = new RegExp(`\\p{Nd}(?:${BETWEEN}\\p{Nd}){${CODE_DIGITS - 1},}`, 'gu');
/** Capitals and digits: a word in ordinary writing is neither. */
const CODES = new RegExp(
  `(?<![\\p{L}\\p{Nd}])[A-Z0-9]{2,}(?![\\p{L}\\p{Nd}])|\\p{Nd}(?:${BETWEEN}\\p{Nd})*`,
  'gu',
);

/**
 * The codes of a text and the words around them. With `digits` and `pairs` every number is one, with `nato` also
 * what is written in capitals and digits (`K7QX`); without them only numbers of four digits and more. Digits of
 * other scripts become ASCII, and what stands between the digits of one code is dropped.
 */
export function codesIn(text: string, sayAs?: SayAs): readonly TextPiece[] {
  const pattern = sayAs === undefined ? LONG_NUMBERS : sayAs === 'nato' ? CODES : ALL_DIGITS;
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
