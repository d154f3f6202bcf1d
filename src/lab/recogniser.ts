import type { Pcm } from '../media/pcm.ts';
import { MatchedFilter } from './matched-filter.ts';
import { speechBand } from './speech-band.ts';

const SAMPLE_RATE = 8000;

export interface HeardItem {
  /** Name of the clip: a digit or a phrase. */
  readonly clip: string;
  /** Where the clip begins and ends in the recording, milliseconds. */
  readonly atMs: number;
  readonly endMs: number;
  /** How well the audio fits the clip: 1 is the clip itself at any volume. */
  readonly score: number;
}

/** What was said in a recording, in order. */
export interface Heard {
  readonly items: readonly HeardItem[];
  /** All digits in order. */
  readonly digits: string;
  /** The digits between phrases or long gaps: one entry a repetition. */
  readonly groups: readonly string[];
  /** From the end of each item to the beginning of the next one: one fewer than items. */
  readonly gapsMs: readonly number[];
}

/**
 * A piece of audio is a clip from this correlation on.
 *
 * Measured with the slt set. Too high to be taken for another: a clip for another clip at most 0.47 (6 in
 * "again"), 0.60 for a digit cut off after 160 ms (8 in 0), 0.54 in other sentences of the same voice, 0.48 in
 * those of other voices, 0.22 in tones, below 0.2 in noise. Low enough to be heard, the lowest of many: G.711
 * 0.99, resampled by half a sample 0.97, white noise at 15 dB 0.82, 5 % of the packets lost 0.69 (one in a
 * hundred below 0.83), 10 % lost 0.65.
 */
const THRESHOLD = 0.65;

/** Between two samples a correlation is higher than at either; what is below this at both does not reach the threshold. */
const NEARLY = 0.9 * THRESHOLD;

/**
 * Silence that belongs to a digit on both sides: digits are said one by one, and a piece of running speech that
 * resembles one is not a digit.
 */
const ISOLATION_MS = 120;

/** Loudness in the band (of 32768) below which nothing is speech: the idle noise of a codec. */
const FLOOR_RMS = 20;

/** Digits further apart belong to two repetitions: the pause after a code and an unheard phrase are longer. */
const LONG_GAP_MS = 2500;

/** Items may overlap by this part of the shorter one. */
const OVERLAP = 0.2;

/**
 * A hold tears a digit in two, and each part may be enough to be heard. The parts of one digit lie in different
 * places of its clip: they have less than this in common, while two whole ones have nearly all.
 */
const TORN_IN_COMMON = 0.5;
const SLICE_MS = 40;
/** Part of a clip's energy below which a slice of it counts as silent. */
const SILENT_SLICE = 0.001;
/** Part of the energy to be expected from which on a slice was heard. */
const HEARD_SLICE = 0.1;

interface Template {
  readonly clip: string;
  /** Silence before the clip, in samples. */
  readonly before: number;
  /** Samples of the clip alone. */
  readonly clipLength: number;
  /** The clip in the speech band with its silence around it; its energy is 1. */
  readonly wave: Float64Array;
}

interface Peak {
  readonly template: Template;
  /** First sample of the template in the padded signal. */
  readonly at: number;
  readonly score: number;
}

/** Tells which clips of a sound set are in a recording, from the audio alone, by normalised cross-correlation. */
export class Recogniser {
  readonly #longest: number;
  readonly #filters: readonly MatchedFilter<Template>[];

  /**
   * @param clips the clips by name, at 8 kHz; names of one digit are digits, all others phrases.
   * @throws {RangeError} for another sample rate, an empty or silent clip, or no clips at all.
   */
  constructor(clips: ReadonlyMap<string, Pcm>) {
    if (clips.size === 0) throw new RangeError('there are no clips to recognise');
    const templates = [...clips].map(([clip, pcm]) => toTemplate(clip, pcm));
    this.#longest = Math.max(...templates.map((template) => template.wave.length));
    this.#filters = MatchedFilter.of(templates);
  }

  /** @throws {RangeError} where the recording is not at 8 kHz. */
  recognise(pcm: Pcm): Heard {
    if (pcm.sampleRate !== SAMPLE_RATE) throw new RangeError('the recording must be at 8000 Hz');
    // Silence around it, so that a clip that begins or ends with the recording is compared whole.
    const signal = speechBand(pcm.samples, this.#longest, this.#longest);
    const peaks = withoutTwins(withoutOverlaps(this.#peaks(signal)), signal);
    const items = peaks.map((peak) => this.#toItem(peak));
    return {
      items,
      digits: items.map((item) => (isDigit(item) ? item.clip : '')).join(''),
      groups: toGroups(items),
      gapsMs: items.slice(1).map((item, i) => item.atMs - (items[i]?.endMs ?? 0)),
    };
  }

  #toItem({ template, at, score }: Peak): HeardItem {
    const start = at + template.before - this.#longest;
    const toMs = (samples: number): number => Math.round((samples * 1000) / SAMPLE_RATE);
    return {
      clip: template.clip,
      atMs: toMs(start),
      endMs: toMs(start + template.clipLength),
      score: Math.min(1, Math.round(score * 1000) / 1000),
    };
  }

  #peaks(signal: Float64Array): Peak[] {
    const finder = new PeakFinder(runningEnergy(signal));
    for (const filter of this.#filters) {
      filter.correlate(signal, (...correlation) => finder.scan(...correlation));
    }
    return finder.peaks;
  }
}

/** Collects where a correlation is highest and high enough. */
class PeakFinder {
  readonly peaks: Peak[] = [];
  readonly #energy: Float64Array;

  constructor(energy: Float64Array) {
    this.#energy = energy;
  }

  scan(template: Template, correlation: Float64Array, start: number, count: number): void {
    const { length } = template.wave;
    const floor = FLOOR_RMS * FLOOR_RMS * template.clipLength;
    const last = Math.min(count, this.#energy.length - length - start);
    for (let i = 0; i < last; i++) {
      const value = correlation[i] ?? 0;
      if (value <= 0) continue;
      const energy = (this.#energy[start + i + length] ?? 0) - (this.#energy[start + i] ?? 0);
      if (energy < floor || value * value < NEARLY * NEARLY * energy) continue;
      const before = correlation[i - 1] ?? 0;
      const after = correlation[i + 1] ?? 0;
      if (value < before || value < after) continue;
      const score = betweenSamples(before, value, after) / Math.sqrt(energy);
      if (score >= THRESHOLD) this.peaks.push({ template, at: start + i, score });
    }
  }
}

function toTemplate(clip: string, pcm: Pcm): Template {
  if (pcm.sampleRate !== SAMPLE_RATE) throw new RangeError(`clip ${clip} must be at 8000 Hz`);
  const before = isDigit({ clip }) ? (ISOLATION_MS * SAMPLE_RATE) / 1000 : 0;
  const wave = speechBand(pcm.samples, before, before);
  const norm = Math.sqrt(energyOf(wave));
  if (norm === 0) throw new RangeError(`clip ${clip} is silent`);
  return { clip, before, clipLength: pcm.samples.length, wave: wave.map((value) => value / norm) };
}

/** At index i the energy of all samples before i. */
function runningEnergy(signal: Float64Array): Float64Array {
  const sums = new Float64Array(signal.length + 1);
  let sum = 0;
  for (let i = 0; i < signal.length; i++) {
    const value = signal[i] ?? 0;
    sum += value * value;
    sums[i + 1] = sum;
  }
  return sums;
}

/** Height of the parabola through a highest sample and its neighbours. */
function betweenSamples(before: number, highest: number, after: number): number {
  const curvature = before - 2 * highest + after;
  return curvature < 0 ? highest - (before - after) ** 2 / (8 * curvature) : highest;
}

/** The best peak of every place, in order of time. */
function withoutOverlaps(peaks: readonly Peak[]): Peak[] {
  const kept: Peak[] = [];
  for (const peak of peaks.toSorted((a, b) => b.score - a.score)) {
    if (!kept.some((other) => overlap(peak, other))) kept.push(peak);
  }
  return kept.toSorted((a, b) => startOf(a) - startOf(b));
}

/** Of two parts of one torn clip the better one. */
function withoutTwins(peaks: readonly Peak[], signal: Float64Array): Peak[] {
  const kept: Peak[] = [];
  for (const peak of peaks) {
    const last = kept.at(-1);
    if (last?.template !== peak.template || inCommon(last, peak, signal) >= TORN_IN_COMMON) kept.push(peak);
    else if (peak.score > last.score) kept[kept.length - 1] = peak;
  }
  return kept;
}

/** The part of the slices heard in either place that was heard in both. */
function inCommon(a: Peak, b: Peak, signal: Float64Array): number {
  const inB = heardSlices(b, signal);
  const slices = heardSlices(a, signal).map((heard, i) => [heard, inB[i] === true]);
  const both = slices.filter(([heardA, heardB]) => heardA && heardB).length;
  const either = slices.filter(([heardA, heardB]) => heardA || heardB).length;
  return both / Math.max(1, either);
}

/** For each slice of the clip that is not silent itself, whether there was sound in its place. */
function heardSlices({ template, at }: Peak, signal: Float64Array): boolean[] {
  const length = (SLICE_MS * SAMPLE_RATE) / 1000;
  let volume = 0;
  for (const [i, value] of template.wave.entries()) volume += value * (signal[at + i] ?? 0);
  const heard: boolean[] = [];
  for (let start = 0; start < template.wave.length; start += length) {
    const expected = energyOf(template.wave.subarray(start, start + length));
    if (expected < SILENT_SLICE) continue;
    const energy = energyOf(signal.subarray(at + start, at + start + length));
    heard.push(energy > HEARD_SLICE * volume * volume * expected);
  }
  return heard;
}

function energyOf(wave: Float64Array): number {
  return wave.reduce((sum, value) => sum + value * value, 0);
}

function startOf(peak: Peak): number {
  return peak.at + peak.template.before;
}

function overlap(a: Peak, b: Peak): boolean {
  const endOf = (peak: Peak): number => startOf(peak) + peak.template.clipLength;
  const shared = Math.min(endOf(a), endOf(b)) - Math.max(startOf(a), startOf(b));
  return shared > OVERLAP * Math.min(a.template.clipLength, b.template.clipLength);
}

function isDigit({ clip }: { readonly clip: string }): boolean {
  return /^\d$/.test(clip);
}

function toGroups(items: readonly HeardItem[]): string[] {
  const groups: string[] = [];
  let last: HeardItem | undefined;
  for (const item of items) {
    const goesOn = last !== undefined && isDigit(last) && item.atMs - last.endMs <= LONG_GAP_MS;
    last = item;
    if (!isDigit(item)) continue;
    if (goesOn) groups.push((groups.pop() ?? '') + item.clip);
    else groups.push(item.clip);
  }
  return groups;
}
