import { Fft } from '../../src/lab/fft.ts';
import type { Pcm } from '../../src/media/pcm.ts';

const SIZE = 256;
const HOP = SIZE / 2;
const HOP_MS = HOP / 8;
const FFT = new Fft(SIZE);
/** Hann: a tone that begins or ends within the window does not look like another one. */
const WINDOW = Float64Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
/** What `tone` of legs.ts is made with. */
const AMPLITUDE = 8000;

export interface ToneHeard {
  /** For how long it was heard, to within some 20 ms at each of its ends. */
  readonly ms: number;
  /** How loud it was at its loudest 32 ms, as a share of the loudness of `tone`. */
  readonly loudest: number;
}

/**
 * How much of a tone a recording at 8000 Hz holds.
 *
 * @param hz a multiple of 31.25
 */
export function toneIn({ samples }: Pcm, hz: number): ToneHeard {
  const bin = (hz * SIZE) / 8000;
  let windows = 0;
  let loudest = 0;
  for (let at = 0; at + SIZE <= samples.length; at += HOP) {
    const re = Float64Array.from(WINDOW, (weight, i) => weight * (samples[at + i] ?? 0));
    const im = new Float64Array(SIZE);
    FFT.forward(re, im);
    // Half of the tone lies at the negative frequency, and the window takes half of it.
    const share = (4 * Math.hypot(re[bin] ?? 0, im[bin] ?? 0)) / SIZE / AMPLITUDE;
    if (share > 0.5) windows++;
    loudest = Math.max(loudest, share);
  }
  return { ms: windows * HOP_MS, loudest };
}
