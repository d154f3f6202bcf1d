import { constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { LRUCache } from 'lru-cache';
import { CLIP_BYTES_PER_SAMPLE } from '../media/encoded-speech.ts';
import { resamplePatiently } from '../media/patient-resample.ts';
import { readWavHeader, WavError, wavSource } from '../media/wav.ts';
import { CLIP_RATE, MAX_CLIP_SECONDS } from './clip.ts';
import { PromptError } from './prompt-error.ts';
import { SharedWork } from './shared-work.ts';

const MAX_FILE_BYTES = 20_000_000;
const MAX_HELD_BYTES = 64 * 1024 * 1024;
const MAX_PATH_CHARS = 200;
/**
 * A name in a path: not hidden, so neither `.` nor `..`, and nothing that another system or a decoder reads as more
 * than a name (backslash, colon, percent, control characters).
 */
const SEGMENT = /^(?!\.)[^\\/:%\p{C}]+$/u;

/** Reads sounds below one folder and nothing else, and holds what was read with its encodings, up to 64 MB. */
export class SoundFiles {
  readonly #root: string;
  readonly #held = new LRUCache<string, Int16Array>({
    maxSize: MAX_HELD_BYTES,
    sizeCalculation: ({ length }) => length * CLIP_BYTES_PER_SAMPLE + 1,
  });
  readonly #reading = new SharedWork<Int16Array>();

  private constructor(root: string) {
    this.#root = root;
  }

  static async open(folder: string): Promise<SoundFiles> {
    return new SoundFiles(await realpath(folder));
  }

  /**
   * Samples at 8000 Hz: the same object while the file is the same.
   *
   * @param path relative to the folder, with `/`, with or without `.wav`.
   * @throws {PromptError} file_not_found, not_audio or too_long
   */
  async read(path: string): Promise<Int16Array> {
    const file = await this.#find(path);
    const found = await stat(file, { bigint: true }).catch(notFound);
    // To open a device can do things already.
    if (!found.isFile()) return notFound();
    const { dev, ino, size, mtimeNs } = found;
    const key = `${dev}:${ino}:${size}:${mtimeNs}`;
    const held = this.#held.get(key);
    if (held !== undefined) return held;
    return this.#reading.do(key, undefined, async (signal) => {
      const samples = await decoded(await readInside(file), signal);
      this.#held.set(key, samples);
      return samples;
    });
  }

  /** The real path, which lies in the folder whatever links are on the way. */
  async #find(path: string): Promise<string> {
    const segments = path.split('/');
    if (path.length > MAX_PATH_CHARS || !segments.every((segment) => SEGMENT.test(segment)))
      return notFound();
    const named = /\.wav$/i.test(path) ? path : `${path}.wav`;
    const file = await realpath(join(this.#root, named)).catch(notFound);
    return file.startsWith(this.#root.endsWith(sep) ? this.#root : this.#root + sep) ? file : notFound();
  }
}

/**
 * The bytes of a file, of which the real path is known: who puts a link in its way in the meantime is found out.
 * Opening does not wait, for a pipe would let it wait for ever.
 */
async function readInside(file: string): Promise<Uint8Array> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file, flags).catch(notFound);
  try {
    const opened = await handle.stat();
    const there = await stat(file).catch(notFound);
    const same = opened.ino === there.ino && opened.dev === there.dev;
    if (!opened.isFile() || !same || (await realpath(file).catch(notFound)) !== file) return notFound();
    if (opened.size > MAX_FILE_BYTES) throw tooLong();
    return await readAll(handle);
  } finally {
    await handle.close();
  }
}

/** As much as there is, however long the file says that it is. */
async function readAll(handle: FileHandle): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of handle.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_FILE_BYTES) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

async function decoded(bytes: Uint8Array, signal: AbortSignal): Promise<Int16Array> {
  try {
    const sound = wavSource(readWavHeader(bytes));
    if (sound.length === 0) throw new WavError('there is no sound in it');
    if (sound.length > MAX_CLIP_SECONDS * sound.sampleRate) throw tooLong();
    return await resamplePatiently(sound, CLIP_RATE, signal);
  } catch (error) {
    if (!(error instanceof WavError)) throw error;
    throw new PromptError('not_audio', `a file of the sounds folder cannot be played: ${error.message}`, {
      cause: error,
    });
  }
}

/** The message is the same whatever is in the way, and names no file: it says nothing of what lies elsewhere. */
function notFound(cause?: unknown): never {
  throw new PromptError('file_not_found', 'there is no such file in the sounds folder', { cause });
}

function tooLong(): PromptError {
  const limits = `${MAX_CLIP_SECONDS} s or ${MAX_FILE_BYTES / 1_000_000} MB`;
  return new PromptError('too_long', `a file of the sounds folder is longer than ${limits}`);
}
