import type { SpeechPart } from '../media/speech.ts';

/** Parts of a prompt, and where the codes are in them. */
export interface MarkedParts {
  readonly parts: readonly SpeechPart[];
  /** For every time that a code is said: the ends of its characters, in samples from the first part. */
  readonly codes: readonly (readonly number[])[];
}

/** One after another; what is no `MarkedParts` says no code. */
export function inSequence(pieces: readonly (SpeechPart | MarkedParts)[]): MarkedParts {
  const parts: SpeechPart[] = [];
  const codes: (readonly number[])[] = [];
  let at = 0;
  for (const piece of pieces) {
    const marked = typeof piece === 'object' && 'codes' in piece ? piece : { parts: [piece], codes: [] };
    const start = at;
    codes.push(...marked.codes.map((ends) => ends.map((end) => start + end)));
    for (const part of marked.parts) {
      parts.push(part);
      at += typeof part === 'number' ? part : part.length;
    }
  }
  return { parts, codes };
}
