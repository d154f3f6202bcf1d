import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { finished, peakDbfs, speechDbfs } from '../media/loudness.ts';
import { durationMs, type Pcm } from '../media/pcm.ts';
import { resample } from '../media/resample.ts';
import { trimmed } from '../media/trim.ts';
import { parseWav, WavError } from '../media/wav.ts';
import { type ClipName, clipKind } from '../prompt/sound-set.ts';

const NARROW_RATE = 8000;
/** What a set is kept at: a telephone hears nothing above 8 kHz, and a wideband one hears this. */
const WIDE_RATE = 16_000;
const MAX_FILE_BYTES = 50_000_000;
/** Between two recordings that make one sentence. */
const JOINT_MS = 150;
/** Samples in a row at full scale: a recording that was too loud for its recorder. */
const CLIPPED_RUN = 3;
const FULL_SCALE = 32_700;

/** How long a clip is where it is what it should be, milliseconds. */
const LENGTHS_MS = { digit: [250, 1200], letter: [250, 1600], phrase: [300, 8000] } as const;
/** Further from the level of all sets than this, a clip is heard to be softer or louder than the others. */
const LEVEL_DBFS = -20;
const LEVEL_TOLERANCE_DB = 3;

export type ClipProblem = 'clipped' | 'quiet' | 'loud' | 'short' | 'long';

/** What can be measured in a recording. */
export interface Measured {
  readonly ms: number;
  readonly sampleRate: number;
  /** Of the speech, one decimal. */
  readonly speechDbfs: number;
  readonly peakDbfs: number;
}

/**
 * Reads a recording.
 *
 * @throws {WavError} where there is no such file, or nothing in it that can be used
 */
export async function readRecording(file: string): Promise<Pcm> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) throw new WavError('there is no such file');
  // To open a pipe or a device can take for ever, and do things already.
  if (!found.isFile()) throw new WavError(`it is ${kindOf(found)} and no file`);
  if (found.size > MAX_FILE_BYTES) throw new WavError(`it is larger than ${MAX_FILE_BYTES / 1e6} MB`);
  const pcm = parseWav(await readFile(file));
  if (pcm.sampleRate < NARROW_RATE) throw new WavError(`${pcm.sampleRate} Hz are too few: at least 8000`);
  if (!Number.isFinite(peakDbfs(pcm))) throw new WavError('it is silent');
  return pcm;
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}

/** A clip of a set from one recording, or from several that follow one another. */
export function clipFrom(recordings: readonly Pcm[]): Pcm {
  const narrow = recordings.every(({ sampleRate }) => sampleRate === NARROW_RATE);
  const sampleRate = narrow ? NARROW_RATE : WIDE_RATE;
  const parts = recordings.map((recording) => resample(recording, sampleRate));
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return finished(first);
  const pause = new Int16Array((JOINT_MS * sampleRate) / 1000);
  const samples = parts.flatMap((part) => [...trimmed(part).samples, ...pause]);
  return finished({ sampleRate, samples: Int16Array.from(samples) });
}

export function measured(pcm: Pcm): Measured {
  const tenths = (value: number): number => Math.round(value * 10) / 10;
  return {
    ms: durationMs(pcm),
    sampleRate: pcm.sampleRate,
    speechDbfs: tenths(speechDbfs(pcm)),
    peakDbfs: tenths(peakDbfs(pcm)),
  };
}

/** Whether it was recorded too loud: what is cut off then does not come back. */
export function isClipped({ samples }: Pcm): boolean {
  let run = 0;
  for (const sample of samples) {
    run = Math.abs(sample) >= FULL_SCALE ? run + 1 : 0;
    if (run === CLIPPED_RUN) return true;
  }
  return false;
}

/** What is not as it should be in a clip of a set. */
export function problemsOf(name: ClipName, pcm: Pcm): readonly ClipProblem[] {
  const [shortest, longest] = LENGTHS_MS[clipKind(name)];
  const ms = durationMs(pcm);
  const aboveDb = speechDbfs(pcm) - LEVEL_DBFS;
  const all: Readonly<Record<ClipProblem, boolean>> = {
    clipped: isClipped(pcm),
    quiet: aboveDb < -LEVEL_TOLERANCE_DB,
    loud: aboveDb > LEVEL_TOLERANCE_DB,
    short: ms < shortest,
    long: ms > longest,
  };
  return (Object.keys(all) as ClipProblem[]).filter((problem) => all[problem]);
}
