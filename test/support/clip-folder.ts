import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pcm } from '../../src/media/pcm.ts';
import { ClipCache, type ClipCacheOptions } from '../../src/prompt/clip-cache.ts';
import { clipFileName } from '../../src/prompt/clip-file.ts';
import { DAY_MS, NOON } from './synthesis-rig.ts';

/** A folder for caches of clips, with a clock that stands still until a test moves it. */
export class ClipFolder {
  readonly path: string;
  nowMs = NOON;
  /** What the caches told of the disk. */
  readonly faults: string[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<ClipFolder> {
    return new ClipFolder(await mkdtemp(join(tmpdir(), 'voice-otp-clips-')));
  }

  /** A cache of a megabyte, opened in this folder or in another. */
  async cache(change: Partial<ClipCacheOptions> = {}): Promise<ClipCache> {
    const cache = new ClipCache({
      folder: this.path,
      maxBytes: 1_000_000,
      now: () => this.nowMs,
      onFault: (error) => this.faults.push(error.message),
      ...change,
    });
    await cache.open();
    return cache;
  }

  pathOf(key: string): string {
    return join(this.path, clipFileName(key));
  }

  /** The last use of a clip, as its file says: days since 1970. */
  async dayOf(key: string): Promise<number> {
    return (await stat(this.pathOf(key))).mtimeMs / DAY_MS;
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

export function clip(value: number, length = 400, sampleRate = 8000): Pcm {
  return { sampleRate, samples: new Int16Array(length).fill(value) };
}

/** Of all files in a folder together. */
export async function bytesIn(folder: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
