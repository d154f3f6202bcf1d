/**
 * Codes that the harness gives out itself, so that it can search for them. Three of four are of ten digits, the
 * fourth of letters and digits.
 */
export const CODE_LENGTH = 10;

const LETTERS = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
/** How far around the present a number of ten digits may be taken from a time: seconds, or the end of milliseconds. */
const DAY_MS = 86_400_000;
const ONE_IN = 4;

export interface ChaosCode {
  readonly code: string;
  /** What the request says of it; letters are spelled. */
  readonly sayAs: 'digits' | 'nato';
}

/** A code that is not among those that were taken, and is added to them. @param now epoch milliseconds */
export function nextCode(index: number, random: () => number, now: number, taken: Set<string>): ChaosCode {
  const sayAs = index % ONE_IN === 0 ? 'nato' : 'digits';
  for (;;) {
    const code = sayAs === 'nato' ? spelled(random) : digits(random);
    if (taken.has(code) || (sayAs === 'nato' ? !/[A-Z]/.test(code) : isTime(code, now))) continue;
    taken.add(code);
    return { code, sayAs };
  }
}

function digits(random: () => number): string {
  return Array.from({ length: CODE_LENGTH }, () => Math.floor(random() * 10)).join('');
}

function spelled(random: () => number): string {
  return Array.from({ length: CODE_LENGTH }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join('');
}

function isTime(code: string, now: number): boolean {
  const value = Number(code);
  return Math.abs(value * 1000 - now) < DAY_MS || Math.abs(value - (now % 10 ** CODE_LENGTH)) < DAY_MS;
}
