import { mkdtemp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clipFileName } from '../../../src/prompt/clip-file.ts';
import { bytesIn, ClipFolder, clip } from '../../support/clip-folder.ts';
import { DAY_MS, NOON } from '../../support/synthesis-rig.ts';

let clips: ClipFolder;

beforeEach(async () => {
  clips = await ClipFolder.make();
});

afterEach(async () => {
  await clips.remove();
});

describe('the time of use', () => {
  it('keeps a clip that is used longer than one that is not, from disk or from memory', async () => {
    const cache = await clips.cache({ maxBytes: 5000 });
    for (const key of ['read', 'noted', 'idle']) await cache.put(key, clip(1, 500));
    clips.nowMs += 3 * DAY_MS;
    await cache.get('read');
    cache.noteUse('noted');
    await cache.put('new', clip(1, 500));
    await cache.put('newer', clip(1, 500));
    const left = await readdir(clips.path);
    expect(left).not.toContain(clipFileName('idle'));
    expect(left).toEqual(expect.arrayContaining(['read', 'noted', 'new'].map(clipFileName)));
  });

  it('is the day only, in every time that the file system keeps, and nothing is written while the day lasts', async () => {
    const digits = Array.from({ length: 10 }, (_, i) => `digit ${i}`);
    const cache = await clips.cache();
    for (const digit of digits) await cache.put(digit, clip(1));
    const all = () => Promise.all(digits.map((digit) => stat(clips.pathOf(digit), { bigint: true })));
    const times = async () =>
      (await all()).map(({ atimeNs, mtimeNs, ctimeNs }) => [atimeNs, mtimeNs, ctimeNs]);
    const atFirst = await times();
    for (const [atimeNs, mtimeNs] of atFirst) {
      expect([atimeNs, mtimeNs]).toEqual(Array(2).fill(BigInt(20_270 * DAY_MS) * 1_000_000n));
    }
    // Two days later four of them are used, and so are they on that day again.
    clips.nowMs += 2 * DAY_MS;
    for (const digit of ['digit 4', 'digit 8', 'digit 1', 'digit 4', 'digit 2']) {
      expect(await cache.get(digit)).toEqual(clip(1));
      clips.nowMs += 1000;
    }
    expect(await times()).toEqual(atFirst);
    // The next one begins with yet another: only now the earlier ones are noted, all at once and by name.
    clips.nowMs += DAY_MS;
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
    const cache = await clips.cache();
    for (const key of keys) await cache.put(key, clip(1, 1));
    clips.nowMs += DAY_MS;
    for (const key of keys) await cache.get(key);
    clips.nowMs += DAY_MS;
    await cache.close();
    const names = (await readdir(clips.path)).toSorted();
    const stats = await Promise.all(names.map((name) => stat(join(clips.path, name))));
    expect(stats.map(({ mtimeMs }) => mtimeMs / DAY_MS)).toEqual(keys.map(() => 20_271));
    const changes = stats.map(({ ctimeMs }) => ctimeMs);
    expect(changes).toEqual(changes.toSorted((a, b) => a - b));
  });

  it('is not told by what is missing after an eviction', async () => {
    const left = async (order: readonly string[], use: readonly string[]): Promise<string[]> => {
      const folder = await mkdtemp(join(clips.path, 'run-'));
      const cache = await clips.cache({ folder, maxBytes: 8000 });
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
    const cache = await clips.cache({ maxBytes: 5000 });
    clips.nowMs = NOON + 30_000 * DAY_MS;
    await cache.put('future', clip(1, 500));
    clips.nowMs = NOON;
    await cache.put('old', clip(1, 500));
    clips.nowMs = NOON + 5 * DAY_MS;
    for (const key of ['a', 'b', 'c']) await cache.put(key, clip(1, 500));
    expect((await readdir(clips.path)).toSorted()).toEqual(
      ['old', 'a', 'b', 'c'].map(clipFileName).toSorted(),
    );
  });

  it('survives a clock that is wrong', async () => {
    const cache = await clips.cache({ maxBytes: 5000 });
    await cache.put('before', clip(1, 500));
    clips.nowMs = NOON + 30_000 * DAY_MS;
    await cache.put('future', clip(2, 500));
    await cache.get('before');
    clips.nowMs = NOON;
    await cache.put('after', clip(3, 500));
    expect(await cache.get('before')).toEqual(clip(1, 500));
    clips.nowMs = NOON - 30_000 * DAY_MS;
    await cache.put('past', clip(4, 500));
    clips.nowMs = NOON + DAY_MS;
    await cache.get('future');
    clips.nowMs = NOON + 2 * DAY_MS;
    await cache.put('today', clip(5, 500));
    await cache.close();
    expect(await bytesIn(clips.path)).toBeLessThanOrEqual(5000);
    // What was used once the clock was right again has a right day.
    expect(await clips.dayOf('future')).toBe(20_271);
    expect(clips.faults).toEqual([]);
  });
});
