import type { Pcm } from './pcm.ts';
import { amplitude, cut, faded, speechLevels } from './trim.ts';

const FULL_SCALE = 32_768;
/** Level of the speech, below full scale: what telephone networks expect of a speaker close by. */
const LEVEL_DBFS = -20;
const PEAK_DBFS = -3;
const CEILING = FULL_SCALE * amplitude(PEAK_DBFS);
/** What is softer than this is no recording of speech, and is not made louder without end. */
const MAX_GAIN_DB = 40;
/** Over this time before and after a peak the limiter turns down and up again: no click, no distortion. */
const LIMITER_MS = 4;
/** The limiter takes a little of the level; once more brings it back. */
const ROUNDS = 4;
const CLOSE_DB = 0.05;
/** Offset from which on it is taken away: a sound card's, not the mean of a short clip. */
const MIN_OFFSET = 0.002 * FULL_SCALE;

/** Level of the speech frames in dB below full scale, at most 0; -Infinity for silence. */
export function speechDbfs(pcm: Pcm): number {
  return decibels(speechRms(pcm));
}

/** The highest sample in dB below full scale; -Infinity for silence. */
export function peakDbfs({ samples }: Pcm): number {
  return decibels(peakOf(samples));
}

function decibels(level: number): number {
  return 20 * Math.log10(level / FULL_SCALE);
}

function speechRms(pcm: Pcm): number {
  const levels = speechLevels(pcm);
  if (levels.length === 0) return 0;
  return Math.sqrt(levels.reduce((sum, level) => sum + level * level, 0) / levels.length);
}

function peakOf(samples: ArrayLike<number>): number {
  let peak = 0;
  for (let i = 0; i < samples.length; i++) peak = Math.max(peak, Math.abs(samples[i] ?? 0));
  return peak;
}

/**
 * Speech at -20 dBFS (root mean square of the frames in which somebody speaks) and no peak above -3 dBFS. Peaks
 * that would be higher are turned down softly. Silence stays as it is, and nothing becomes more than 40 dB louder.
 */
export function levelled(pcm: Pcm): Pcm {
  const rms = speechRms(pcm);
  if (rms === 0) return pcm;
  const most = amplitude(MAX_GAIN_DB);
  let gain = Math.min(most, (FULL_SCALE * amplitude(LEVEL_DBFS)) / rms);
  let result = amplified(pcm, gain);
  for (let round = 1; round < ROUNDS; round++) {
    const missingDb = LEVEL_DBFS - speechDbfs(result);
    if (Math.abs(missingDb) < CLOSE_DB) break;
    gain = Math.min(most, gain * amplitude(missingDb));
    result = amplified(pcm, gain);
  }
  return result;
}

function amplified({ samples, sampleRate }: Pcm, gain: number): Pcm {
  if (peakOf(samples) * gain <= CEILING) {
    return { sampleRate, samples: samples.map((sample) => Math.round(sample * gain)) };
  }
  const gains = limiterGains(samples, gain, Math.round((sampleRate * LIMITER_MS) / 1000));
  return {
    sampleRate,
    // Towards zero, so that rounding does not lift a peak above the ceiling.
    samples: samples.map((sample, i) => Math.trunc(sample * gain * (gains[i] ?? 1))),
  };
}

/**
 * The factor for each sample: over `reach` samples around a peak what this peak needs, then the mean over the same
 * reach, which is smooth and nowhere higher than what the peak itself needs.
 */
function limiterGains(samples: Int16Array, gain: number, reach: number): Float64Array {
  const needed = new Float64Array(samples.length + 2 * reach).fill(1);
  for (let i = 0; i < samples.length; i++) {
    const level = Math.abs(samples[i] ?? 0) * gain;
    if (level <= CEILING) continue;
    for (let at = i; at <= i + 2 * reach; at++) needed[at] = Math.min(needed[at] ?? 1, CEILING / level);
  }
  const width = 2 * reach + 1;
  const gains = new Float64Array(samples.length);
  let sum = 0;
  for (let at = 0; at < needed.length; at++) {
    sum += needed[at] ?? 1;
    if (at >= width) sum -= needed[at - width] ?? 1;
    if (at >= width - 1) gains[at - width + 1] = sum / width;
  }
  return gains;
}

/** Without the constant that a bad sound card adds, which would pass for sound. */
function withoutOffset(pcm: Pcm): Pcm {
  if (pcm.samples.length === 0) return pcm;
  const mean = pcm.samples.reduce((sum, sample) => sum + sample, 0) / pcm.samples.length;
  if (Math.abs(mean) < MIN_OFFSET) return pcm;
  const clamp = (value: number): number => Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(value)));
  return { ...pcm, samples: pcm.samples.map((sample) => clamp(sample - mean)) };
}

/**
 * A recording or a synthesised clip as all clips are: 40 ms of silence at both ends with fades, speech at
 * -20 dBFS, peaks below -3 dBFS. Silence alone becomes empty.
 */
export function finished(pcm: Pcm): Pcm {
  return faded(levelled(cut(withoutOffset(pcm))));
}
