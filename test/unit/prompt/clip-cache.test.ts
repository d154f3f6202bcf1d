import { readdir, readFile, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseWav } from '../../../src/media/wav.ts';
import { clipFileName } from '../../../src/prompt/clip-file.ts';
import { ClipFolder, clip } from '../../support/clip-folder.ts';

/** Header of a WAV file, and the chunk with the digest. */
const OVERHEAD_BYTES = 84;

let clips: ClipFolder;

beforeEach(async () => {
  clips = await ClipFolder.make();
});

afterEach(async () => {
  await clips.remove();
});

describe('a clip', () => {
  it('is found again, also by the next process', async () => {
    const cache = await clips.cache();
    expect(await cache.get('a')).toBeUndefined();
    await cache.put('a', clip(7));
    await cache.put('b', clip(-32_768, 1, 22_050));
    expect([await cache.get('a'), await cache.get('b')]).toEqual([clip(7), clip(-32_768, 1, 22_050)]);
    await cache.close();
    const next = await clips.cache();
    expect([await next.get('a'), await next.get('b')]).toEqual([clip(7), clip(-32_768, 1, 22_050)]);
    expect(clips.faults).toEqual([]);
  });

  it('is replaced by a later one', async () => {
    const cache = await clips.cache();
    await cache.put('a', clip(7));
    await cache.put('a', clip(8, 30));
    expect(await cache.get('a')).toEqual(clip(8, 30));
    expect(await readdir(clips.path)).toHaveLength(1);
  });

  it('is a WAV file for its owner only, and its name tells nothing of the key', async () => {
    const before = process.umask(0);
    try {
      const folder = join(clips.path, 'deep', 'clips');
      const cache = await clips.cache({ folder });
      const key = JSON.stringify(['espeak', 'en-US', 'seven']);
      await cache.put(key, clip(7));
      const [name = ''] = await readdir(folder);
      expect(name).toMatch(/^[0-9a-f]{64}\.wav$/);
      expect(parseWav(await readFile(join(folder, name)))).toEqual(clip(7));
      const modes = await Promise.all([folder, join(folder, name)].map((path) => stat(path)));
      expect(modes.map(({ mode }) => (mode & 0o777).toString(8))).toEqual(['700', '600']);
    } finally {
      process.umask(before);
    }
  });

  it('that holds nothing, or is larger than the whole cache, is not kept', async () => {
    const cache = await clips.cache({ maxBytes: 1000 });
    await cache.put('empty', clip(0, 0));
    await cache.put('a', clip(1, 400));
    await cache.put('large', clip(1, 459));
    expect(await readdir(clips.path)).toEqual([clipFileName('a')]);
    await cache.put('fits', clip(1, 458));
    expect(await readdir(clips.path)).toEqual([clipFileName('fits')]);
    expect(clips.faults).toEqual([]);
  });

  it('is neither found nor kept after closing, and what was put before is written', async () => {
    const cache = await clips.cache();
    const put = cache.put('a', clip(7));
    await cache.close();
    await put;
    await cache.put('b', clip(8));
    cache.noteUse('a');
    expect([await cache.get('a'), await readdir(clips.path)]).toEqual([undefined, [clipFileName('a')]]);
    await cache.close();
  });
});

describe('a broken file', () => {
  const breakages: readonly [string, (path: string) => Promise<void>][] = [
    ['empty', (path) => truncate(path, 0)],
    ['cut off in its header', (path) => truncate(path, 30)],
    ['cut off in its sound', (path) => truncate(path, 600)],
    ['without its last byte', (path) => truncate(path, 800 + OVERHEAD_BYTES - 1)],
    ['full of zeros', (path) => writeFile(path, Buffer.alloc(800 + OVERHEAD_BYTES))],
    ['longer than it was', (path) => truncate(path, 2000)],
    ['another clip under this name', (path) => rename(clips.pathOf('other'), path)],
  ];

  it.each(breakages)('%s is a miss and goes', async (_, spoil) => {
    const cache = await clips.cache();
    await cache.put('a', clip(7));
    await cache.put('other', clip(8));
    await spoil(clips.pathOf('a'));
    expect(await cache.get('a')).toBeUndefined();
    expect(await readdir(clips.path)).not.toContain(clipFileName('a'));
    await cache.put('a', clip(7));
    expect(await cache.get('a')).toEqual(clip(7));
    expect(clips.faults).toEqual([]);
  });

  it('is noticed wherever a single bit of it has changed', async () => {
    const cache = await clips.cache();
    await cache.put('a', clip(7, 20));
    const whole = await readFile(clips.pathOf('a'));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length * 8 - 1), async (bit) => {
        const bytes = Buffer.from(whole);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await writeFile(clips.pathOf('a'), bytes);
        expect(await cache.get('a')).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });
});
