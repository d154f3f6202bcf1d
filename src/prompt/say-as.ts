import { type CodeText, codeTextOf } from './code-text.ts';
import { mixedCodes, type Span } from './mixed-code.ts';
import type { SayAs } from './playlist.ts';

/** A part of a text: words, or a code in it. */
export type TextPiece = { readonly phrase: string } | { readonly code: string };

/** One character of a code, or the silence (ms) before the next one. */
export type SpelledPart = { readonly character: string } | { readonly pauseMs: number };

/** What people put between the digits of one number. */
const BETWEEN = '[ .\\-\u2010-\u2015\u200c\u200d\u00b7]?';
/** What may stand between digits that are one code all the same, to whoever reads on: anything but words. */
const APART = '[^\\p{L}\\p{Nd}]*';
/** So many digits are a code, whatever was asked for: nobody says 482910 as a number, and no provider is to see it. */
const CODE_DIGITS = 4;
const HIDDEN_CODES = new RegExp(`[0-9](?:${APART}[0-9]){${CODE_DIGITS - 1},}`, 'gu');
const NUMBERS = new RegExp(`[0-9](?:${BETWEEN}[0-9])*`, 'gu');
/** Capitals or digits or both, and numbers. */
const CAPITALS = new RegExp(`(?<![\\p{L}\\p{Nd}])[A-Z0-9]{2,}(?![\\p{L}\\p{Nd}])|${NUMBERS.source}`, 'gu');

/**
 * The codes of a text and the words around them. With `digits` and `pairs` every number is one, with `nato` also
 * what is written in capitals (`KQX`). Without them four digits and more are one where there are no words between
 * them, however they are written and however far apart: digits of all scripts, circled, superscript, Roman and Han
 * ones. Such a code is never a phrase, nor are letters and digits that take turns (`K7QX`, `k-7-q-x`, `K7Q X9P`).
 * Digits and letters become ASCII, letters capitals, and what stands between the characters of a code is dropped.
 *
 * Not recognised: digits in words ("four, eight"), Roman numerals in letters ("IV"), letters alone, letters and
 * digits that look like a name (`ab12`, `covid-19`, `abcd4z`: a third of the random codes in small letters), groups of
 * them apart by blanks of which one has no digit or no letter (`ABC 12D`), digits with words between them, and letters
 * of other scripts than Latin.
 */
export function codesIn(text: string, sayAs?: SayAs): readonly TextPiece[] {
  const read = codeTextOf(text);
  const searches: readonly Search[] = [
    { shape: 'shaped', find: mixedCodes },
    { shape: 'wide', find: (wide) => spansOf(HIDDEN_CODES, wide), unlessPlain: sayAs !== undefined },
    ...(sayAs === undefined ? [] : [NUMBERS_OF[sayAs]]),
  ];
  return piecesOf(text, read, { from: 0, to: read.plain.length }, searches);
}

interface Search {
  readonly shape: 'plain' | 'shaped' | 'wide';
  readonly find: (shape: string) => readonly Span[];
  /** Plain digits are left to the next search, which takes each number by itself. */
  readonly unlessPlain?: boolean;
}

const NUMBERS_OF: Readonly<Record<SayAs, Search>> = {
  digits: { shape: 'plain', find: (plain) => spansOf(NUMBERS, plain) },
  pairs: { shape: 'plain', find: (plain) => spansOf(NUMBERS, plain) },
  nato: { shape: 'plain', find: (plain) => spansOf(CAPITALS, plain) },
};

/** What the first search finds between these places, and what the others find around that. */
function piecesOf(
  text: string,
  read: CodeText,
  { from, to }: Span,
  [search, ...others]: readonly Search[],
): readonly TextPiece[] {
  if (search === undefined) return phraseOf(text.slice(read.begins[from], read.begins[to]));
  const pieces: TextPiece[] = [];
  let at = from;
  for (const span of search.find(read[search.shape].slice(from, to))) {
    const [begin, end] = [from + span.from, from + span.to];
    const code = read[search.shape].slice(begin, end);
    if (search.unlessPlain === true && code === read.plain.slice(begin, end)) continue;
    pieces.push(...piecesOf(text, read, { from: at, to: begin }, others), { code: codeOf(code) });
    at = end;
  }
  return [...pieces, ...piecesOf(text, read, { from: at, to }, others)];
}

function spansOf(pattern: RegExp, shape: string): readonly Span[] {
  return Array.from(shape.matchAll(pattern), ({ 0: found, index }) => ({
    from: index,
    to: index + found.length,
  }));
}

/** Nothing, where there is nothing to be said. */
function phraseOf(text: string): readonly TextPiece[] {
  if (!/[\p{L}\p{N}]/u.test(text)) return [];
  // What modified the last character of a code has nothing left to modify.
  const words = text.replace(/^\p{M}+/u, '').trim();
  return [{ phrase: words.replaceAll(/\s+/gu, ' ') }];
}

function codeOf(found: string): string {
  return found.replaceAll(/[^A-Za-z0-9]/g, '').toUpperCase();
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
