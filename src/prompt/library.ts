import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pcm } from '../media/pcm.ts';
import { resample } from '../media/resample.ts';
import { parseWav, WavError } from '../media/wav.ts';
import { CLIP_RATE } from './clip.ts';
import { nearestLocale } from './locale.ts';
import { SoundFiles } from './sound-files.ts';
import {
  CLIP_NAMES,
  type ClipName,
  clipKind,
  isSetLocale,
  lacking,
  lackingFor,
  type SetSkill,
} from './sound-set.ts';

/** A clip is a word or a sentence: a larger file is not one. */
const MAX_CLIP_BYTES = 5_000_000;

/** The sounds are missing, incomplete or broken; the message says which file, for whoever installs them. */
export class SoundsError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SoundsError';
  }
}

/**
 * All prerecorded sets in memory, and any other sound of the folder on demand. Samples are at 8000 Hz and shared by
 * all calls that play them: never change them.
 */
export class PromptLibrary {
  readonly #sets: ReadonlyMap<string, SoundSet>;
  readonly #files: SoundFiles;

  private constructor(sets: ReadonlyMap<string, SoundSet>, files: SoundFiles) {
    this.#sets = sets;
    this.#files = files;
  }

  /**
   * Reads `<folder>/<locale>/<voice>/<clip>.wav`. A locale that has no voice of the given name, or any locale
   * where none is given, speaks with its first complete voice by alphabet. Folders that are not named like a
   * locale hold files of the operator's own and are not looked into.
   *
   * @throws {SoundsError} where there is no locale, no locale has the voice, a locale has no complete set or the
   * chosen one is not complete, or a clip is no usable WAV.
   */
  static async load(folder: string, voice?: string): Promise<PromptLibrary> {
    const locales = (await folders(folder)).filter(isSetLocale);
    const sets = await Promise.all(locales.map((locale) => loadLocale(folder, locale, voice)));
    const found = new Map(sets.flatMap((set) => (set === undefined ? [] : [[set.locale, set] as const])));
    if (found.size === 0) throw new SoundsError(`there are no sounds in ${folder}`);
    if (voice !== undefined && ![...found.values()].some((set) => set.voice === voice)) {
      throw new SoundsError(`no locale in ${folder} has the voice ${voice}`);
    }
    return new PromptLibrary(found, await SoundFiles.open(folder));
  }

  /** BCP 47, as the folders are named, by alphabet. */
  locales(): string[] {
    return [...this.#sets.keys()];
  }

  /** The locale that is spoken where `requested` was asked for; undefined where nothing of that language is there. */
  resolveLocale(requested: string): string | undefined {
    return nearestLocale(requested, this.locales());
  }

  /** Name of the voice that speaks a locale: the folder of its set. */
  voice(locale: string): string {
    return this.#set(locale).voice;
  }

  /** Whether the set of a locale can say all that it needs for this. */
  has(locale: string, skill: SetSkill): boolean {
    return lackingFor(skill, lacking(this.#set(locale).names())).length === 0;
  }

  /** One clip of a locale; undefined where its set does not hold it. */
  samples(locale: string, name: ClipName): Int16Array | undefined {
    return this.#set(locale).clip(name)?.samples;
  }

  /** The clips of a locale by name, to compare a recording with: digits and phrases, the letters if they matter. */
  clips(locale: string, letters = false): ReadonlyMap<string, Pcm> {
    const set = this.#set(locale);
    const names = set.names().filter((name) => letters || clipKind(name) !== 'letter');
    return new Map(
      names.flatMap((name) => {
        const clip = set.clip(name);
        return clip === undefined ? [] : [[name, clip] as const];
      }),
    );
  }

  /**
   * Any sound below the folder, with or without `.wav`: `en-US/slt/greeting`, `custom/welcome.wav`. The same object
   * as long as the file does not change and is in use.
   *
   * @throws {PromptError} file_not_found, also for what is outside of the folder; not_audio; too_long: more than
   * 60 s or 20 MB.
   */
  file(path: string): Promise<Int16Array> {
    return this.#files.read(path);
  }

  #set(locale: string): SoundSet {
    const set = this.#sets.get(locale);
    if (set === undefined) throw new Error('there are no sounds for this locale: resolve it first');
    return set;
  }
}

/** The clips of one voice. Each is brought to 8000 Hz when it is first played: a start does not wait for all. */
class SoundSet {
  readonly locale: string;
  readonly voice: string;
  readonly #recorded: Map<ClipName, Pcm>;

  constructor(locale: string, voice: string, recorded: Map<ClipName, Pcm>) {
    this.locale = locale;
    this.voice = voice;
    this.#recorded = recorded;
  }

  names(): ClipName[] {
    return [...this.#recorded.keys()];
  }

  clip(name: ClipName): Pcm | undefined {
    const recorded = this.#recorded.get(name);
    if (recorded === undefined) return undefined;
    const clip = resample(recorded, CLIP_RATE);
    if (clip !== recorded) this.#recorded.set(name, clip);
    return clip;
  }
}

/** Names of the folders in a folder by alphabet, without hidden ones: a set that is being written is one. */
async function folders(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .toSorted();
  } catch (error) {
    throw new SoundsError(`the sounds in ${path} cannot be read`, { cause: error });
  }
}

/** The set that a locale speaks with; undefined where its folder is empty. */
async function loadLocale(
  folder: string,
  locale: string,
  voice: string | undefined,
): Promise<SoundSet | undefined> {
  const present = await folders(join(folder, locale));
  const wanted = present.includes(voice ?? '') ? present.filter((name) => name === voice) : present;
  let incomplete: SoundsError | undefined;
  for (const name of wanted) {
    const path = join(folder, locale, name);
    const clips = clipsIn(await readdir(path));
    const { required } = lacking(clips);
    if (required.length === 0) return new SoundSet(locale, name, await loadClips(path, clips));
    incomplete ??= new SoundsError(`the sounds in ${path} are incomplete: ${required.join(', ')} missing`);
  }
  if (incomplete !== undefined) throw incomplete;
  return undefined;
}

function clipsIn(files: readonly string[]): readonly ClipName[] {
  return CLIP_NAMES.filter((name) => files.includes(`${name}.wav`));
}

async function loadClips(folder: string, names: readonly ClipName[]): Promise<Map<ClipName, Pcm>> {
  const clips = names.map(async (name) => [name, await loadClip(join(folder, `${name}.wav`))] as const);
  return new Map(await Promise.all(clips));
}

async function loadClip(file: string): Promise<Pcm> {
  const { size } = await stat(file);
  if (size > MAX_CLIP_BYTES) throw new SoundsError(`${file} is larger than ${MAX_CLIP_BYTES} bytes`);
  try {
    const pcm = parseWav(await readFile(file));
    if (pcm.samples.length === 0) throw new WavError('there is no sound in it');
    return pcm;
  } catch (error) {
    if (error instanceof WavError) throw new SoundsError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}
