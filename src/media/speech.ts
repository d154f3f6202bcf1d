import type { Pcm } from './pcm.ts';

/**
 * What is said in a call: audio in parts, one after another. The parts are the clips themselves, shared by all
 * calls that say them, so that a call costs a list and not a recording: never change their samples.
 */
export interface Speech {
  /** Samples a second. */
  readonly sampleRate: number;
  /** Audio, or a number of samples of silence. */
  readonly parts: readonly SpeechPart[];
}

export type SpeechPart = Int16Array | number;

function partLength(part: SpeechPart): number {
  return typeof part === 'number' ? part : part.length;
}

/** Length in milliseconds, rounded down. */
export function speechMs(speech: Speech): number {
  const samples = speech.parts.reduce<number>((sum, part) => sum + partLength(part), 0);
  return Math.floor((samples * 1000) / speech.sampleRate);
}

/** The same in one buffer of its own. */
export function joined(speech: Speech): Pcm {
  const samples = new Int16Array(speech.parts.reduce<number>((sum, part) => sum + partLength(part), 0));
  let at = 0;
  for (const part of speech.parts) {
    if (typeof part !== 'number') samples.set(part, at);
    at += partLength(part);
  }
  return { sampleRate: speech.sampleRate, samples };
}
