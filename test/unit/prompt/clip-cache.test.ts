import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pcm } from '../../../src/media/pcm.ts';
import { parseWav } from '../../../src/media/wav.ts';
import { ClipCache, type ClipCacheOptions } from '../../../src/prompt/clip-cache.ts';
import { clipFileName } from '../../../src/prompt/clip-file.ts';

const DAY_MS = 86_400_000;
/** A day in 2025, at noon and something. */
const NOON = 20_270 * DAY_MS + 43_217_123;
/** Header of a WAV file, and the chunk with the digest. */
const OVERHEAD_BYTES = 84;

let base: string;
let nowMs: number;
let faults: string[];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'voice-otp-clips-'));
  nowMs = NOON;
  faults = [];
});

afterEach(async () => {
  await rm(base, { recursive: true, force: true });
});

function cacheAt(folder: string, change: Partial<ClipCacheOptions> = {}): ClipCache {
  return new ClipCache({
    folder,
    maxBytes: 1_000_000,
    now: () => nowMs,
    onFault: (error) => faults.push(error.message),
    ...change,
  });
}

async function opened(folder = base, change: Partial<ClipCacheOptions> = {}): Promise<ClipCache> {
  const cache = cacheAt(folder, change);
  await cache.open();
  return cache;
}

function clip(value: number, length = 400, sampleRate = 8000): Pcm {
  return { sampleRate, samples: new Int16Array(length).fill(value) };
}

async function bytesIn(folder: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function pathOf(key: string): string {
  return join(base, clipFileName(key));
}

async function dayOf(key: string): Promise<number> {
  return (await stat(pathOf(key))).mtimeMs / DAY_MS;
}

describe('a clip', () => {
  it('is found again, also by the next process', async () => {
    const cache = await opened();
    expect(await cache.get('a')).toBeUndefined();
    await cache.put('a', clip(7));
    await cache.put('b', clip(-32_768, 1, 22_050));
    expect([await cache.get('a'), await cache.get('b')]).toEqual([clip(7), clip(-32_768, 1, 22_050)]);
    await cache.close();
    const next = await opened();
    expect([await next.get('a'), await next.get('b')]).toEqual([clip(7), clip(-32_768, 1, 22_050)]);
    expect(faults).toEqual([]);
  });

  it('is replaced by a later one', async () => {
    const cache = await opened();
    await cache.put('a', clip(7));
    await cache.put('a', clip(8, 30));
    expect(await cache.get('a')).toEqual(clip(8, 30));
    expect(await readdir(base)).toHaveLength(1);
  });

  it('is a WAV file for its owner only, and its name tells nothing of the key', async () => {
    const before = process.umask(0);
    try {
      const folder = join(base, 'deep', 'clips');
      const cache = await opened(folder);
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
    const cache = await opened(base, { maxBytes: 1000 });
    await cache.put('empty', clip(0, 0));
    await cache.put('a', clip(1, 400));
    await cache.put('large', clip(1, 459));
    expect(await readdir(base)).toEqual([clipFileName('a')]);
    await cache.put('fits', clip(1, 458));
    expect(await readdir(base)).toEqual([clipFileName('fits')]);
    expect(faults).toEqual([]);
  });

  it('is neither found nor kept after closing, and what was put before is written', async () => {
    const cache = await opened();
    const put = cache.put('a', clip(7));
    await cache.close();
    await put;
    await cache.put('b', clip(8));
    cache.noteUse('a');
    expect([await cache.get('a'), await readdir(base)]).toEqual([undefined, [clipFileName('a')]]);
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
    ['another clip under this name', (path) => rename(pathOf('other'), path)],
  ];

  it.each(breakages)('%s is a miss and goes', async (_, spoil) => {
    const cache = await opened();
    await cache.put('a', clip(7));
    await cache.put('other', clip(8));
    await spoil(pathOf('a'));
    expect(await cache.get('a')).toBeUndefined();
    expect(await readdir(base)).not.toContain(clipFileName('a'));
    await cache.put('a', clip(7));
    expect(await cache.get('a')).toEqual(clip(7));
    expect(faults).toEqual([]);
  });

  it('is noticed wherever a single bit of it has changed', async () => {
    const cache = await opened();
    await cache.put('a', clip(7, 20));
    const whole = await readFile(pathOf('a'));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length * 8 - 1), async (bit) => {
        const bytes = Buffer.from(whole);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await writeFile(pathOf('a'), bytes);
        expect(await cache.get('a')).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });
});

describe('the bound', () => {
  it('holds while ten times as much is put, and the oldest days go first', async () => {
    const cache = await opened(base, { maxBytes: 20_000 });
    for (let i = 0; i < 200; i++) {
      nowMs = NOON + i * DAY_MS;
      await cache.put(`${i}`, clip(i, 500));
      expect(await bytesIn(base)).toBeLessThanOrEqual(20_000);
    }
    const found = await Promise.all(Array.from({ length: 200 }, (_, i) => cache.get(`${i}`)));
    const first = found.findIndex((pcm) => pcm !== undefined);
    expect(first).toBeGreaterThan(180);
    expect(found.slice(first)).toEqual(Array.from({ length: 200 - first }, (_, i) => clip(first + i, 500)));
    expect(faults).toEqual([]);
  });

  it('holds from the start where it has become smaller', async () => {
    const cache = await opened();
    for (let i = 0; i < 50; i++) await cache.put(`${i}`, clip(i, 500));
    await cache.close();
    await opened(base, { maxBytes: 10_000 });
    expect(await bytesIn(base)).toBeLessThanOrEqual(10_000);
    expect((await readdir(base)).length).toBeGreaterThan(5);
  });

  it('holds where several take the same room at once', async () => {
    const caches = await Promise.all([1, 2, 3, 4].map(() => opened(base, { maxBytes: 4000 })));
    for (let round = 0; round < 10; round++) {
      await Promise.all(caches.map((cache, i) => cache.put(`${round} ${i}`, clip(1, 950))));
      expect(await bytesIn(base)).toBeLessThanOrEqual(4000);
    }
    expect(faults).toEqual([]);
  });

  it('holds in a folder with much room, into which a neighbour writes too', async () => {
    const maxBytes = 36_000_000;
    const [one, other] = [await opened(base, { maxBytes }), await opened(base, { maxBytes })];
    for (let i = 0; i < 60; i++) {
      await (i % 3 === 0 ? one : other).put(`${i}`, clip(1, 400_000));
      expect(await bytesIn(base)).toBeLessThanOrEqual(maxBytes);
    }
    expect((await readdir(base)).length).toBeGreaterThan(35);
    expect(faults).toEqual([]);
  });

  it('is not that of other files, and those stay', async () => {
    const foreign = [
      'notes.txt',
      'a.wav',
      clipFileName('a').toUpperCase(),
      `${clipFileName('a')}.bak`,
      'x.tmp-1-aa',
    ];
    for (const name of foreign) await writeFile(join(base, name), Buffer.alloc(5000));
    await mkdir(pathOf('folder'));
    await writeFile(join(base, '..', 'kept'), 'kept');
    await symlink(join(base, '..', 'kept'), pathOf('link'));
    try {
      const cache = await opened(base, { maxBytes: 3000 });
      for (let i = 0; i < 20; i++) await cache.put(`${i}`, clip(i, 500));
      expect([await cache.get('folder'), await cache.get('link')]).toEqual([undefined, undefined]);
      const clips = await Promise.all(Array.from({ length: 20 }, (_, i) => cache.get(`${i}`)));
      expect(clips.filter((pcm) => pcm !== undefined)).toHaveLength(2);
      expect(await readdir(base)).toEqual(
        expect.arrayContaining([...foreign, clipFileName('folder'), clipFileName('link')]),
      );
      expect(await readFile(join(base, '..', 'kept'), 'utf8')).toBe('kept');
    } finally {
      await rm(join(base, '..', 'kept'));
    }
    expect(faults).toEqual([]);
  });

  it.each([
    ['by one process', false],
    ['by two, who make clips of the same length for a key', true],
  ])('holds, and what is found is what was put, whatever is done %s', async (_, two) => {
    const key = fc.integer({ min: 0, max: 12 });
    const value = fc.integer({ min: 1, max: 9 });
    const length = fc.integer({ min: 1, max: 900 });
    const step = fc.oneof(
      fc.record({ put: key, value, length, beside: fc.boolean() }),
      fc.record({ get: key }),
      fc.record({ use: key }),
      fc.record({ days: fc.integer({ min: -3, max: 5 }) }),
      fc.constant({ restart: true as const }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const folder = await mkdtemp(join(base, 'run-'));
        const last = new Map<number, Pcm>();
        let cache = await opened(folder, { maxBytes: 4000 });
        const neighbour = await opened(folder, { maxBytes: 4000 });
        for (const one of steps) {
          if ('put' in one) {
            const pcm = clip(one.value, two ? 50 + one.put * 70 : one.length);
            last.set(one.put, pcm);
            await (two && one.beside ? neighbour : cache).put(`${one.put}`, pcm);
          } else if ('get' in one) {
            const found = await cache.get(`${one.get}`);
            if (found !== undefined) expect(found).toEqual(last.get(one.get));
          } else if ('use' in one) cache.noteUse(`${one.use}`);
          else if ('days' in one) nowMs += one.days * DAY_MS;
          else {
            await cache.close();
            cache = await opened(folder, { maxBytes: 4000 });
          }
          expect(await bytesIn(folder)).toBeLessThanOrEqual(4000);
        }
        await Promise.all([cache.close(), neighbour.close()]);
        expect(faults).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the time of use', () => {
  it('keeps a clip that is used longer than one that is not, from disk or from memory', async () => {
    const cache = await opened(base, { maxBytes: 5000 });
    for (const key of ['read', 'noted', 'idle']) await cache.put(key, clip(1, 500));
    nowMs += 3 * DAY_MS;
    await cache.get('read');
    cache.noteUse('noted');
    await cache.put('new', clip(1, 500));
    await cache.put('newer', clip(1, 500));
    const left = await readdir(base);
    expect(left).not.toContain(clipFileName('idle'));
    expect(left).toEqual(expect.arrayContaining(['read', 'noted', 'new'].map(clipFileName)));
  });

  it('is the day only, in every time that the file system keeps, and nothing is written while the day lasts', async () => {
    const digits = Array.from({ length: 10 }, (_, i) => `digit ${i}`);
    const cache = await opened();
    for (const digit of digits) await cache.put(digit, clip(1));
    const all = () => Promise.all(digits.map((digit) => stat(pathOf(digit), { bigint: true })));
    const times = async () =>
      (await all()).map(({ atimeNs, mtimeNs, ctimeNs }) => [atimeNs, mtimeNs, ctimeNs]);
    const atFirst = await times();
    for (const [atimeNs, mtimeNs] of atFirst) {
      expect([atimeNs, mtimeNs]).toEqual(Array(2).fill(BigInt(20_270 * DAY_MS) * 1_000_000n));
    }
    // Two days later four of them are used, and so are they on that day again.
    nowMs += 2 * DAY_MS;
    for (const digit of ['digit 4', 'digit 8', 'digit 1', 'digit 4', 'digit 2']) {
      expect(await cache.get(digit)).toEqual(clip(1));
      nowMs += 1000;
    }
    expect(await times()).toEqual(atFirst);
    // The next one begins with yet another: only now the earlier ones are noted, all at once and by name.
    nowMs += DAY_MS;
    await cache.get('digit 9');
    await cache.close();
    const used = await all();
    const days = used.map(({ mtimeNs }) => Number(mtimeNs / 1_000_000n) / DAY_MS);
    expect(days).toEqual(digits.map((digit) => (/[4812]/.test(digit) ? 20_272 : 20_270)));
    const noted = ['digit 4', 'digit 8', 'digit 1', 'digit 2'].toSorted((a, b) =>
      clipFileName(a) < clipFileName(b) ? -1 : 1,
    );
    const changes = noted.map((digit) => Number(used[digits.indexOf(digit)]?.ctimeNs ?? 0n));
    expect(changes).toEqual(changes.toSorted((a, b) => a - b));
    expect(Math.min(...changes)).toBeGreaterThan(
      Math.max(...atFirst.map(([, , ctimeNs]) => Number(ctimeNs))),
    );
    for (const { atimeNs, mtimeNs } of used)
      expect([atimeNs, mtimeNs % 86_400_000_000_000n]).toEqual([mtimeNs, 0n]);
  });

  it('is written in the order of the names, in whatever order the clips were used', async () => {
    const keys = Array.from({ length: 200 }, (_, i) => `${i}`);
    const cache = await opened();
    for (const key of keys) await cache.put(key, clip(1, 1));
    nowMs += DAY_MS;
    for (const key of keys) await cache.get(key);
    nowMs += DAY_MS;
    await cache.close();
    const names = (await readdir(base)).toSorted();
    const stats = await Promise.all(names.map((name) => stat(join(base, name))));
    expect(stats.map(({ mtimeMs }) => mtimeMs / DAY_MS)).toEqual(keys.map(() => 20_271));
    const changes = stats.map(({ ctimeMs }) => ctimeMs);
    expect(changes).toEqual(changes.toSorted((a, b) => a - b));
  });

  it('is not told by what is missing after an eviction', async () => {
    const left = async (order: readonly string[], use: readonly string[]): Promise<string[]> => {
      const folder = await mkdtemp(join(base, 'run-'));
      const cache = await opened(folder, { maxBytes: 8000 });
      for (const key of order) await cache.put(key, clip(1, 300));
      for (const key of use) await cache.get(key);
      await cache.put('one more', clip(1, 900));
      await cache.put('another', clip(1, 900));
      return (await readdir(folder)).toSorted();
    };
    const digits = Array.from({ length: 10 }, (_, i) => `${i}`);
    const one = await left(digits, ['4', '8', '1', '2']);
    expect(one).toHaveLength(7);
    expect(await left(digits.toReversed(), ['0', '9', '3'])).toEqual(one);
  });

  it('that has not come yet is a wrong one: such a clip goes first', async () => {
    const cache = await opened(base, { maxBytes: 5000 });
    nowMs = NOON + 30_000 * DAY_MS;
    await cache.put('future', clip(1, 500));
    nowMs = NOON;
    await cache.put('old', clip(1, 500));
    nowMs = NOON + 5 * DAY_MS;
    for (const key of ['a', 'b', 'c']) await cache.put(key, clip(1, 500));
    expect((await readdir(base)).toSorted()).toEqual(['old', 'a', 'b', 'c'].map(clipFileName).toSorted());
  });

  it('survives a clock that is wrong', async () => {
    const cache = await opened(base, { maxBytes: 5000 });
    await cache.put('before', clip(1, 500));
    nowMs = NOON + 30_000 * DAY_MS;
    await cache.put('future', clip(2, 500));
    await cache.get('before');
    nowMs = NOON;
    await cache.put('after', clip(3, 500));
    expect(await cache.get('before')).toEqual(clip(1, 500));
    nowMs = NOON - 30_000 * DAY_MS;
    await cache.put('past', clip(4, 500));
    nowMs = NOON + DAY_MS;
    await cache.get('future');
    nowMs = NOON + 2 * DAY_MS;
    await cache.put('today', clip(5, 500));
    await cache.close();
    expect(await bytesIn(base)).toBeLessThanOrEqual(5000);
    // What was used once the clock was right again has a right day.
    expect(await dayOf('future')).toBe(20_271);
    expect(faults).toEqual([]);
  });
});
