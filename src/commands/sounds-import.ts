import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { formatWav, WavError } from '../media/wav.ts';
import {
  CLIP_NAMES,
  type ClipName,
  clipKind,
  type Lacking,
  lacking,
  lackingFor,
} from '../prompt/sound-set.ts';
import type { Screen } from './screen.ts';
import { clipFrom, isClipped, type Measured, measured, problemsOf, readRecording } from './sounds-clip.ts';
import { findRecordings, isLetterName, readMap } from './sounds-recordings.ts';
import { clipsInFolder, readSetFiles, writeSetFolder } from './sounds-set-folder.ts';

export interface ImportOptions {
  /** Where the recordings are. */
  readonly from: string;
  /** The sounds folder that gets the set. */
  readonly into: string;
  readonly locale: string;
  readonly voice: string;
  /** A file that says which recording is which clip. */
  readonly map?: string;
  /** The folder of a set that gives the phrases that are not there. */
  readonly phrasesFrom?: string;
  /** Whether to write a set that lacks something it cannot be used without. */
  readonly allowIncomplete: boolean;
  /** Whether it may take the place of a set that is there. */
  readonly replace: boolean;
}

/** What became of one clip. */
export interface ImportedClip {
  readonly clip: ClipName;
  /** The recordings, from the folder given, or the set that it was taken from. */
  readonly from: readonly string[];
  /** What was recorded and what was made of it; null where it was not used, or taken as it is. */
  readonly before: Measured | null;
  readonly after: Measured | null;
  /** What whoever recorded it should know. */
  readonly notes: readonly string[];
}

export interface ImportReport {
  /** `it/carlo` */
  readonly set: string;
  readonly folder: string;
  readonly written: boolean;
  readonly clips: readonly ImportedClip[];
  readonly lacking: Lacking;
  /** Why nothing was written. */
  readonly refused: string | null;
}

/** The import cannot begin: a folder or a file is missing or makes no sense. The message is for people. */
export class ImportError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ImportError';
  }
}

interface Made {
  readonly report: ImportedClip;
  /** The WAV file; null where the recording cannot be used. */
  readonly bytes: Uint8Array | null;
}

/**
 * Makes a set from recordings: trims, levels, and writes all of it or nothing.
 *
 * @throws {ImportError}
 */
export async function importSet(options: ImportOptions): Promise<ImportReport> {
  const { from, into, locale, voice } = options;
  const recordings = await recordingsOf(options);
  const own: Made[] = [];
  // One after another: recordings are large.
  for (const [clip, clipFiles] of recordings) own.push(await makeClip(clip, clipFiles, from));
  const made = [...own, ...(await borrowed(own, options))];
  const files = filesOf(made);
  const folder = join(into, locale, voice);
  const lacks = lacking(files.keys());
  const refused = await refusal(lacks, files.size, folder, options);
  if (refused === null) await write(options, files);
  return {
    set: `${locale}/${voice}`,
    folder,
    written: refused === null,
    clips: made.map(({ report }) => report).toSorted((a, b) => placeOf(a.clip) - placeOf(b.clip)),
    lacking: lacks,
    refused,
  };
}

function filesOf(made: readonly Made[]): Map<ClipName, Uint8Array> {
  return new Map(
    made.flatMap(({ report, bytes }) => (bytes === null ? [] : [[report.clip, bytes] as const])),
  );
}

function placeOf(clip: ClipName): number {
  return CLIP_NAMES.indexOf(clip);
}

async function recordingsOf({ from, map }: ImportOptions): Promise<ReadonlyMap<ClipName, readonly string[]>> {
  const folder = await stat(from).catch(() => undefined);
  if (folder?.isDirectory() !== true) throw new ImportError(`There is no folder ${from}.`);
  try {
    const found = await findRecordings(from, map === undefined ? new Map() : await readMap(map));
    if (found.size === 0) throw new ImportError(`There are no recordings in ${from}: 0.wav … 9.wav.`);
    return found;
  } catch (error) {
    if (error instanceof ImportError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ImportError(`The recordings cannot be read: ${reason}.`, { cause: error });
  }
}

async function makeClip(clip: ClipName, files: readonly string[], folder: string): Promise<Made> {
  const from = files.map((file) => relative(folder, file));
  try {
    const recorded = await Promise.all(files.map(readRecording));
    const pcm = clipFrom(recorded);
    if (pcm.samples.length === 0) throw new WavError('nobody speaks in it');
    const notes = [
      ...(recorded.some(isClipped) ? ['the recording is clipped'] : []),
      ...(clipKind(clip) === 'letter' && from.some(isLetterName)
        ? ["it says the letter's name, no word"]
        : []),
      ...problemsOf(clip, pcm).map((problem) => `it is too ${problem}`),
    ];
    const before = recorded.length === 1 ? recorded.map(measured)[0] : undefined;
    const report = { clip, from, before: before ?? null, after: measured(pcm), notes };
    return { report, bytes: formatWav(pcm) };
  } catch (error) {
    if (!(error instanceof WavError)) throw error;
    const notes = [`it cannot be used: ${error.message}`];
    return { report: { clip, from, before: null, after: null, notes }, bytes: null };
  }
}

/** The phrases that are lacking, as another set has them; each with what that set says after the code. */
async function borrowed(own: readonly Made[], { phrasesFrom }: ImportOptions): Promise<Made[]> {
  if (phrasesFrom === undefined) return [];
  const there = await clipsInFolder(phrasesFrom);
  if (there.length === 0) throw new ImportError(`There is no set ${phrasesFrom}.`);
  const usable = [...filesOf(own).keys()];
  const { required, optional } = lacking(usable);
  const phrases = [...required, ...optional].filter((clip) => clipKind(clip) === 'phrase');
  const wanted = there.filter((clip) =>
    phrases.some((phrase) => clip === phrase || clip === `${phrase}-end`),
  );
  const files = await readSetFiles(
    phrasesFrom,
    wanted.filter((clip) => !usable.includes(clip)),
  );
  const set = `${basename(join(phrasesFrom, '..'))}/${basename(phrasesFrom)}`;
  return [...files].map(([clip, bytes]) => {
    const notes = ['taken as it is: another voice says it'];
    return { report: { clip, from: [`${set}/${clip}.wav`], before: null, after: null, notes }, bytes };
  });
}

/** Why nothing is to be written; null where all is well. */
async function refusal(
  { required }: Lacking,
  clips: number,
  folder: string,
  { allowIncomplete, replace }: ImportOptions,
): Promise<string | null> {
  const isComplete = required.length === 0;
  if (!isComplete && !allowIncomplete) return 'the set is not complete';
  if (clips === 0) return 'no recording can be used';
  const there = await clipsInFolder(folder);
  const wasComplete = there.length > 0 && lacking(there).required.length === 0;
  if (wasComplete && !isComplete) return 'a complete set is there already';
  if (!replace && (await holdsAnything(folder))) return `${folder} is there already: --replace overwrites it`;
  return null;
}

async function holdsAnything(folder: string): Promise<boolean> {
  return (await readdir(folder).catch((): string[] => [])).length > 0;
}

async function write(
  { into, locale, voice }: ImportOptions,
  files: ReadonlyMap<ClipName, Uint8Array>,
): Promise<void> {
  try {
    await writeSetFolder(into, locale, voice, files);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ImportError(`The set cannot be written: ${reason}.`, { cause: error });
  }
}

/** Says clip by clip what was done. */
export function showImport(report: ImportReport, screen: Screen): void {
  screen.heading(report.set);
  for (const { clip, from, before, after, notes } of report.clips) {
    const made = after === null ? '' : `: ${before === null ? '' : `${figures(before)} → `}${figures(after)}`;
    screen.line(`  ${clip.padEnd(12)} ${from.join(' + ')}${made}`);
    for (const note of notes) screen.line(`  ${''.padEnd(12)} ${screen.paint('yellow', note)}`);
  }
  const { required } = report.lacking;
  if (required.length > 0) screen.verdict(false, `lacks ${required.join(', ')}`);
  const [letters, keys] = [lackingFor('letters', report.lacking), lackingFor('keys', report.lacking)];
  for (const [clips, what] of [
    [letters, 'codes with letters cannot be said'],
    [keys, 'it cannot ask for keys'],
  ] as const) {
    if (clips.length > 0) screen.line(`  ${screen.paint('gray', `without ${clips.join(', ')}: ${what}`)}`);
  }
  screen.verdict(
    report.written,
    report.written ? `written to ${report.folder}` : `nothing is written: ${report.refused}`,
  );
}

function figures({ ms, speechDbfs, sampleRate }: Measured): string {
  return `${ms} ms, ${speechDbfs} dBFS, ${sampleRate} Hz`;
}
