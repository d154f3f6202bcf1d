import { opendir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { CLIP_NAMES, type ClipName, clipKind, isClipName } from '../prompt/sound-set.ts';

/** Recordings for clips: the files, from the folder given, that follow one another in each. */
export type Recordings = ReadonlyMap<ClipName, readonly string[]>;

/**
 * Where the recordings of Asterisk (and of the packages `asterisk-core-sounds-*-wav`) have what we need. Nothing of
 * theirs says what a greeting says; `goodbye` fits, and "thank you" can stand for it.
 */
const ASTERISK_GOODBYES = ['vm-goodbye', 'auth-thankyou'];

/** Where recordings may lie, below the folder that was given; nothing else is looked into. */
const SUBFOLDERS: ReadonlySet<string> = new Set(['digits', 'phonetic', 'letters']);
/** The largest collections of recordings have some thousand. */
const MAX_NAMES = 20_000;

/** The names under which a clip is looked for, the first choice first. */
function namesOf(clip: ClipName): readonly string[] {
  switch (clipKind(clip)) {
    case 'digit':
      return [clip, `digits/${clip}`];
    case 'letter':
      // What Asterisk has in `letters` is the letter's own name: not a word, but better than nothing.
      return [clip, `phonetic/${clip}_p`, `letters/${clip}`];
    case 'phrase':
      return clip === 'goodbye' ? [clip, ...ASTERISK_GOODBYES] : [clip];
  }
}

/** Whether a recording says only the name of the letter. */
export function isLetterName(file: string): boolean {
  return /(^|[\\/])letters[\\/]/i.test(file);
}

/**
 * What is in a folder for each clip, by name or as a map says, which goes first.
 *
 * @throws {RangeError} where there is far more in it than recordings
 */
export async function findRecordings(folder: string, map: Recordings): Promise<Recordings> {
  const names = await namesIn(folder);
  const files = new Map(names.map((file) => [file.toLowerCase(), file]));
  const found = new Map<ClipName, readonly string[]>();
  for (const clip of CLIP_NAMES) {
    const named = namesOf(clip).flatMap((name) => files.get(`${name}.wav`) ?? []);
    const chosen = map.get(clip) ?? named.slice(0, 1);
    if (chosen.length > 0)
      found.set(
        clip,
        chosen.map((file) => join(folder, file)),
      );
  }
  return found;
}

/** By alphabet: of the folder, and of the folders in it where recordings may lie. */
async function namesIn(folder: string): Promise<readonly string[]> {
  const names: string[] = [];
  const folders = [''];
  for (const path of folders) {
    let count = 0;
    for await (const entry of await opendir(join(folder, path))) {
      if (++count > MAX_NAMES) {
        throw new RangeError(`there are more than ${MAX_NAMES} files in ${join(folder, path)}`);
      }
      if (!entry.isDirectory()) names.push(join(path, entry.name));
      else if (path === '' && SUBFOLDERS.has(entry.name.toLowerCase())) folders.push(entry.name);
    }
  }
  return names.toSorted();
}

/**
 * Reads a map: YAML, a clip and its file or list of files a line.
 *
 * @throws {SyntaxError} where it is none, or names something that is no clip
 */
export async function readMap(file: string): Promise<Recordings> {
  const content: unknown = parseYaml(await readFile(file, 'utf8'));
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new SyntaxError('the map must hold lines like "greeting: hello.wav"');
  }
  return new Map(
    Object.entries(content).map(([clip, value]) => {
      if (!isClipName(clip)) throw new SyntaxError(`the map names ${clip}, which is no clip`);
      const files: unknown[] = [value].flat();
      if (files.length === 0 || !files.every((name) => typeof name === 'string')) {
        throw new SyntaxError(`the map must give a file or a list of files for ${clip}`);
      }
      return [clip, files] as const;
    }),
  );
}

function parseYaml(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new SyntaxError('the map is no YAML', { cause: error });
  }
}
