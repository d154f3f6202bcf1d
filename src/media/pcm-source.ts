import type { Pcm } from './pcm.ts';

/** Linear audio, mono, 16 bits a sample, that is read piece by piece. */
export interface PcmSource {
  /** Samples a second. */
  readonly sampleRate: number;
  /** In samples. */
  readonly length: number;
  /** Samples from `from` to before `to`, both within the length. They are not to be changed. */
  read(from: number, to: number): Int16Array;
}

export function sourceOf({ sampleRate, samples }: Pcm): PcmSource {
  return { sampleRate, length: samples.length, read: (from, to) => samples.subarray(from, to) };
}
