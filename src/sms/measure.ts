import type { TextAlphabet } from './alphabet.ts';
import { alphabetOf, septetsOf } from './alphabet.ts';

/** How long a text is to the networks that carry it. */
export interface TextMeasure {
  readonly alphabet: TextAlphabet;
  /** Septets, or 16-bit units. */
  readonly units: number;
  /** Messages that it is sent and charged as; 0 for no text at all. */
  readonly segments: number;
  /** In UTF-8, as it leaves us. */
  readonly bytes: number;
}

/** Units of a message alone, and of each of several: these begin with a header (3GPP TS 23.040 §9.2.3.24.1). */
const ROOM: Readonly<Record<TextAlphabet, { readonly alone: number; readonly each: number }>> = {
  gsm7: { alone: 160, each: 153 },
  ucs2: { alone: 70, each: 67 },
};

/**
 * Length and number of messages of a text. What belongs together stays together: neither an escape with its character
 * nor a surrogate pair is parted, so that some messages are one unit short.
 */
export function measure(text: string): TextMeasure {
  const alphabet = alphabetOf(text);
  const sizes = Array.from(text, (character) =>
    alphabet === 'gsm7' ? (septetsOf(character) ?? 0) : character.length,
  );
  const units = sizes.reduce((sum, size) => sum + size, 0);
  const { alone, each } = ROOM[alphabet];
  const segments = units <= alone ? Math.min(1, units) : parts(sizes, each);
  return { alphabet, units, segments, bytes: Buffer.byteLength(text) };
}

function parts(sizes: readonly number[], room: number): number {
  let count = 1;
  let used = 0;
  for (const size of sizes) {
    if (used + size > room) {
      count += 1;
      used = 0;
    }
    used += size;
  }
  return count;
}
