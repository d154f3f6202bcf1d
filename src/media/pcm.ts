/** Linear audio, mono, 16 bits a sample. */
export interface Pcm {
  /** Samples a second: 8000 or 16000 in this product. */
  readonly sampleRate: number;
  readonly samples: Int16Array;
}

/** Length of a piece of audio in milliseconds, rounded down. */
export function durationMs(pcm: Pcm): number {
  return Math.floor((pcm.samples.length * 1000) / pcm.sampleRate);
}
