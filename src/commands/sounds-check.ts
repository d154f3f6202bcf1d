import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Recogniser } from '../lab/recogniser.ts';
import { peakDbfs } from '../media/loudness.ts';
import type { Pcm } from '../media/pcm.ts';
import { resample } from '../media/resample.ts';
import { WavError } from '../media/wav.ts';
import {
  type ClipName,
  clipKind,
  isSetLocale,
  type Lacking,
  lacking,
  lackingFor,
} from '../prompt/sound-set.ts';
import type { Screen } from './screen.ts';
import { type ClipProblem, measured, problemsOf, readRecording } from './sounds-clip.ts';
import { clipsInFolder } from './sounds-set-folder.ts';

/** Silence around a digit that is compared: digits are heard alone. */
const AROUND_SAMPLES = 2400;
const SAMPLE_RATE = 8000;

/** One thing about a clip that is not as it should be. */
export interface ClipFinding {
  readonly clip: ClipName;
  /** `alike`: it may be taken for another digit; `broken`: it cannot be read and counts as lacking. */
  readonly problem: ClipProblem | 'alike' | 'broken';
  /** The figure behind it, in a few words. */
  readonly detail: string;
}

export interface SetReport {
  /** `it/carlo` */
  readonly set: string;
  readonly clips: number;
  readonly lacking: Lacking;
  readonly findings: readonly ClipFinding[];
}

export interface CheckReport {
  readonly folder: string;
  /** Whether there are sets and each of them has what it needs. */
  readonly usable: boolean;
  readonly sets: readonly SetReport[];
}

/** Looks at every set of a sounds folder, also those that the service would not choose. */
export async function checkSounds(folder: string): Promise<CheckReport> {
  const sets: SetReport[] = [];
  for (const locale of (await foldersIn(folder)).filter(isSetLocale)) {
    for (const voice of await foldersIn(join(folder, locale))) {
      sets.push(await checkSet(`${locale}/${voice}`, join(folder, locale, voice)));
    }
  }
  const usable = sets.length > 0 && sets.every((set) => set.lacking.required.length === 0);
  return { folder, usable, sets };
}

async function checkSet(set: string, folder: string): Promise<SetReport> {
  const names = await clipsInFolder(folder);
  const clips = new Map<ClipName, Pcm>();
  const findings: ClipFinding[] = [];
  for (const clip of names) {
    try {
      clips.set(clip, await readRecording(join(folder, `${clip}.wav`)));
    } catch (error) {
      if (!(error instanceof WavError)) throw error;
      findings.push({ clip, problem: 'broken', detail: error.message });
    }
  }
  for (const [clip, pcm] of clips) {
    for (const problem of problemsOf(clip, pcm))
      findings.push({ clip, problem, detail: detailOf(problem, pcm) });
  }
  findings.push(...alikeDigits(clips));
  return { set, clips: clips.size, lacking: lacking(clips.keys()), findings };
}

function detailOf(problem: ClipProblem, pcm: Pcm): string {
  const { ms, speechDbfs } = measured(pcm);
  switch (problem) {
    case 'clipped':
      return `peaks at ${Math.round(peakDbfs(pcm) * 10) / 10} dBFS`;
    case 'quiet':
    case 'loud':
      return `speech at ${speechDbfs} dBFS`;
    case 'short':
    case 'long':
      return `${ms} ms`;
  }
}

/** The digits in which the lab's recogniser hears another digit of the set. */
function alikeDigits(clips: ReadonlyMap<ClipName, Pcm>): ClipFinding[] {
  const digits = new Map(
    [...clips]
      .filter(([name]) => clipKind(name) === 'digit')
      .map(([name, pcm]) => [name, resample(pcm, SAMPLE_RATE)]),
  );
  return [...digits].flatMap(([clip, { samples }]) => {
    const others = new Map([...digits].filter(([name]) => name !== clip));
    if (others.size === 0) return [];
    const alone = new Int16Array(samples.length + 2 * AROUND_SAMPLES);
    alone.set(samples, AROUND_SAMPLES);
    const heard = new Recogniser(others).recognise({ sampleRate: SAMPLE_RATE, samples: alone });
    return heard.items.map((item): ClipFinding => {
      return { clip, problem: 'alike', detail: `sounds like ${item.clip}: correlation ${item.score}` };
    });
  });
}

async function foldersIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .toSorted();
}

export function showCheck({ folder, sets }: CheckReport, screen: Screen): void {
  if (sets.length === 0) screen.verdict(false, `there are no sets in ${folder}`);
  for (const { set, clips, lacking: lacks, findings } of sets) {
    const { required } = lacks;
    screen.verdict(
      required.length === 0,
      `${set}: ${clips} clips${required.length === 0 ? '' : `; lacks ${required.join(', ')}`}`,
    );
    const [letters, keys] = [lackingFor('letters', lacks), lackingFor('keys', lacks)];
    if (letters.length > 0)
      screen.line(`      without letters (${letters.join(', ')}): no codes with letters`);
    if (keys.length > 0) screen.line(`      without ${keys.join(', ')}: cannot ask for keys`);
    for (const { clip, problem, detail } of findings) {
      screen.line(`      ${screen.paint('yellow', `${clip}: ${problem}`)}, ${detail}`);
    }
  }
}
