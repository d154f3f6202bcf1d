import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pcm } from '../media/pcm.ts';
import { resample } from '../media/resample.ts';
import type { Speech, SpeechPart } from '../media/speech.ts';
import { parseWav, WavError } from '../media/wav.ts';
import type { Secret } from '../secret.ts';
import { nearestLocale } from './locale.ts';
import { type ClipName, DIGIT_CLIPS, PHRASE_CLIPS, type Playlist, type PlaylistItem } from './otp-prompt.ts';

/** The rates at which clips are kept, Hz. */
export type PromptRate = 8000 | 16_000;

type Clips = ReadonlyMap<ClipName, Int16Array>;
type Voice = Readonly<Record<PromptRate, Clips>>;

const CLIP_NAMES: readonly ClipName[] = [...DIGIT_CLIPS, ...PHRASE_CLIPS];
/** A clip is a word or a sentence: a larger file is not one. */
const MAX_CLIP_BYTES = 5_000_000;

/** The sounds are missing, incomplete or broken; the message says which file, for whoever installs them. */
export class SoundsError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SoundsError';
  }
}

/** All prerecorded sounds in memory, and the rendering of a playlist to one buffer of audio. */
export class PromptLibrary {
  readonly #voices: ReadonlyMap<string, Voice>;

  private constructor(voices: ReadonlyMap<string, Voice>) {
    this.#voices = voices;
  }

  /**
   * Reads `<folder>/<locale>/<voice>/<clip>.wav`. A locale that has no voice of the given name, or any locale
   * where none is given, speaks with its first voice by alphabet.
   *
   * @throws {SoundsError} where there is no locale, no locale has the voice, a set is incomplete or a file is no
   * usable WAV.
   */
  static async load(folder: string, voice?: string): Promise<PromptLibrary> {
    const voices = new Map<string, Voice>();
    let found = voice === undefined;
    for (const locale of await folders(folder)) {
      const present = await folders(join(folder, locale));
      const chosen = present.find((name) => name === voice) ?? present[0];
      if (chosen === undefined) continue;
      found ||= chosen === voice;
      voices.set(locale, await loadVoice(join(folder, locale, chosen)));
    }
    if (voices.size === 0) throw new SoundsError(`there are no sounds in ${folder}`);
    if (!found) throw new SoundsError(`no locale in ${folder} has the voice ${voice}`);
    return new PromptLibrary(voices);
  }

  /** BCP 47, as the folders are named, by alphabet. */
  locales(): string[] {
    return [...this.#voices.keys()];
  }

  /** The locale that is spoken where `requested` was asked for; undefined where nothing of that language is there. */
  resolveLocale(requested: string): string | undefined {
    return nearestLocale(requested, this.locales());
  }

  /** The clips of a locale by name, to compare a recording with. The samples are shared: do not change them. */
  clips(locale: string, sampleRate: PromptRate): ReadonlyMap<string, Pcm> {
    const clips = this.#voice(locale)[sampleRate];
    return new Map([...clips].map(([name, samples]) => [name, { sampleRate, samples }]));
  }

  /**
   * All that the playlist says, the code put in its places. Every digit takes as long as the longest one, so
   * that the length of a call says nothing of the code.
   *
   * @param locale one of `locales()`; anything else is a bug of the caller.
   * @param code digits only, at least one.
   */
  render(locale: string, playlist: Playlist, code: Secret, sampleRate: PromptRate): Speech {
    const clips = this.#voice(locale)[sampleRate];
    return { sampleRate, parts: playlist.flatMap((item) => partsOf(item, clips, code, sampleRate)) };
  }

  #voice(locale: string): Voice {
    const voice = this.#voices.get(locale);
    if (voice === undefined) throw new Error('there are no sounds for this locale: resolve it first');
    return voice;
  }
}

function partsOf(item: PlaylistItem, clips: Clips, code: Secret, sampleRate: PromptRate): SpeechPart[] {
  const silence = (ms: number): number => Math.round((ms * sampleRate) / 1000);
  if ('pauseMs' in item) return [silence(item.pauseMs)];
  if ('clip' in item) return [clipOf(clips, item.clip)];
  const pause = silence(item.code.digitPauseMs);
  const slot = Math.max(...DIGIT_CLIPS.map((digit) => clipOf(clips, digit).length));
  return digitsOf(code).flatMap((digit, i) => {
    const clip = clipOf(clips, digit);
    return [i === 0 ? 0 : pause, clip, slot - clip.length];
  });
}

/** The errors here name no digit: they may be logged. */
function digitsOf(code: Secret): (typeof DIGIT_CLIPS)[number][] {
  const digits = Array.from(code.reveal(), (char) => DIGIT_CLIPS.find((digit) => digit === char));
  if (digits.length === 0) throw new Error('the code is empty');
  return digits.map((digit) => {
    if (digit === undefined) throw new Error('the code holds something else than digits');
    return digit;
  });
}

function clipOf(clips: Clips, name: ClipName): Int16Array {
  const clip = clips.get(name);
  if (clip === undefined) throw new Error('a complete set of sounds lacks a clip');
  return clip;
}

async function folders(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .toSorted();
  } catch (error) {
    throw new SoundsError(`the sounds in ${path} cannot be read`, { cause: error });
  }
}

async function loadVoice(folder: string): Promise<Voice> {
  const present = new Set(await readdir(folder));
  const missing = CLIP_NAMES.filter((name) => !present.has(`${name}.wav`));
  if (missing.length > 0) {
    throw new SoundsError(`the sounds in ${folder} are incomplete: ${missing.join(', ')} missing`);
  }
  const loaded = await Promise.all(
    CLIP_NAMES.map(async (name) => [name, await loadClip(join(folder, `${name}.wav`))] as const),
  );
  const at = (rate: PromptRate): Clips =>
    new Map(loaded.map(([name, pcm]) => [name, resample(pcm, rate).samples]));
  return { 8000: at(8000), 16_000: at(16_000) };
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
