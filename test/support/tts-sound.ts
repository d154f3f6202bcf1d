import type { Pcm } from '../../src/media/pcm.ts';
import { resample } from '../../src/media/resample.ts';

const RATE = 8000;
/** Where the formants of speech are, as far as a telephone carries them. */
const BANDS_HZ = Array.from({ length: 16 }, (_, i) => 250 * (3400 / 250) ** (i / 15));
const SLICES = 10;
const WINDOW = 200;
const MIN_PITCH_HZ = 60;
const MAX_PITCH_HZ = 400;

/** How a word sounds whatever its length and loudness: the strength of each band in each tenth of it. */
export function soundOf(pcm: Pcm): Float64Array {
  const samples = spokenPart(resample(pcm, RATE).samples);
  const powers: number[] = [];
  for (let slice = 0; slice < SLICES; slice++) {
    const begin = Math.floor((slice * samples.length) / SLICES);
    const end = Math.max(begin + WINDOW, Math.floor(((slice + 1) * samples.length) / SLICES));
    for (const hz of BANDS_HZ) powers.push(meanPower(samples.subarray(begin, end), hz));
  }
  // What is 40 dB below the loudest band is not heard.
  const floor = Math.max(...powers) / 10_000;
  const levels = powers.map((one) => Math.log(floor + one));
  const mean = levels.reduce((sum, one) => sum + one, 0) / levels.length;
  return Float64Array.from(levels, (one) => one - mean);
}

/** How far two of them are apart. */
export function distance(a: Float64Array, b: Float64Array): number {
  return Math.sqrt(a.reduce((sum, one, i) => sum + (one - (b[i] ?? 0)) ** 2, 0));
}

/** The pitch of a voice, Hz: the median of its voiced parts. */
export function pitchOf(pcm: Pcm): number {
  const samples = resample(pcm, RATE).samples;
  const frame = 400;
  const pitches: number[] = [];
  for (let at = 0; at + 2 * frame <= samples.length; at += frame) {
    const [hz, clarity] = framePitch(samples.subarray(at, at + 2 * frame));
    if (clarity > 0.6) pitches.push(hz);
  }
  return pitches.toSorted((a, b) => a - b)[Math.floor(pitches.length / 2)] ?? Number.NaN;
}

export function secondsOf({ samples, sampleRate }: Pcm): number {
  return samples.length / sampleRate;
}

/** Seconds from the first to the last sound. */
export function spokenSeconds(pcm: Pcm): number {
  return spokenPart(pcm.samples).length / pcm.sampleRate;
}

function spokenPart(samples: Int16Array): Int16Array {
  const peak = samples.reduce((max, one) => Math.max(max, Math.abs(one)), 0);
  const loud = (one: number): boolean => Math.abs(one) > peak / 30;
  return samples.subarray(samples.findIndex(loud), samples.findLastIndex(loud) + 1);
}

/** Over the width of a band, since a hiss is strong here and weak there by chance. */
function meanPower(samples: Int16Array, hz: number): number {
  let total = 0;
  let count = 0;
  for (let at = 0; at + WINDOW <= samples.length; at += WINDOW / 4) {
    for (const part of [0.94, 1, 1.06]) {
      total += power(samples.subarray(at, at + WINDOW), hz * part);
      count++;
    }
  }
  return count === 0 ? 0 : total / count;
}

/** Power at one frequency, in a Hann window. */
function power(samples: Int16Array, hz: number): number {
  let [re, im] = [0, 0];
  const step = (2 * Math.PI * hz) / RATE;
  for (const [i, sample] of samples.entries()) {
    const windowed = sample * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / samples.length));
    re += windowed * Math.cos(step * i);
    im += windowed * Math.sin(step * i);
  }
  return (re * re + im * im) / samples.length;
}

/** The lag at which a frame is most like itself, as a frequency, and how much that is. */
function framePitch(samples: Int16Array): [hz: number, clarity: number] {
  let best: [number, number] = [0, 0];
  const half = samples.length / 2;
  for (let lag = Math.floor(RATE / MAX_PITCH_HZ); lag <= RATE / MIN_PITCH_HZ; lag++) {
    let [both, first, second] = [0, 1, 1];
    for (let i = 0; i < half; i++) {
      const [a, b] = [samples[i] ?? 0, samples[i + lag] ?? 0];
      both += a * b;
      first += a * a;
      second += b * b;
    }
    const clarity = both / Math.sqrt(first * second);
    // A multiple of the period fits as well: the first one counts.
    if (clarity > best[1] + 0.02) best = [RATE / lag, clarity];
  }
  return best;
}
