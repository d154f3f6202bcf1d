import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pcm } from '../../../src/media/pcm.ts';
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

describe('the bound', () => {
  it('holds while ten times as much is put, and the oldest days go first', async () => {
    const cache = await clips.cache({ maxBytes: 20_000 });
    for (let i = 0; i < 200; i++) {
      clips.nowMs = NOON + i * DAY_MS;
      await cache.put(`${i}`, clip(i, 500));
      expect(await bytesIn(clips.path)).toBeLessThanOrEqual(20_000);
    }
    const found = await Promise.all(Array.from({ length: 200 }, (_, i) => cache.get(`${i}`)));
    const first = found.findIndex((pcm) => pcm !== undefined);
    expect(first).toBeGreaterThan(180);
    expect(found.slice(first)).toEqual(Array.from({ length: 200 - first }, (_, i) => clip(first + i, 500)));
    expect(clips.faults).toEqual([]);
  });

  it('holds from the start where it has become smaller', async () => {
    const cache = await clips.cache();
    for (let i = 0; i < 50; i++) await cache.put(`${i}`, clip(i, 500));
    await cache.close();
    await clips.cache({ maxBytes: 10_000 });
    expect(await bytesIn(clips.path)).toBeLessThanOrEqual(10_000);
    expect((await readdir(clips.path)).length).toBeGreaterThan(5);
  });

  it('holds where several take the same room at once', async () => {
    const caches = await Promise.all([1, 2, 3, 4].map(() => clips.cache({ maxBytes: 4000 })));
    for (let round = 0; round < 10; round++) {
      await Promise.all(caches.map((cache, i) => cache.put(`${round} ${i}`, clip(1, 950))));
      expect(await bytesIn(clips.path)).toBeLessThanOrEqual(4000);
    }
    expect(clips.faults).toEqual([]);
  });

  it('holds in a folder with much room, into which a neighbour writes too', async () => {
    const maxBytes = 36_000_000;
    const [one, other] = [await clips.cache({ maxBytes }), await clips.cache({ maxBytes })];
    for (let i = 0; i < 60; i++) {
      await (i % 3 === 0 ? one : other).put(`${i}`, clip(1, 400_000));
      expect(await bytesIn(clips.path)).toBeLessThanOrEqual(maxBytes);
    }
    expect((await readdir(clips.path)).length).toBeGreaterThan(35);
    expect(clips.faults).toEqual([]);
  });

  it('is not that of other files, and those stay', async () => {
    const foreign = [
      'notes.txt',
      'a.wav',
      clipFileName('a').toUpperCase(),
      `${clipFileName('a')}.bak`,
      'x.tmp-1-aa',
    ];
    for (const name of foreign) await writeFile(join(clips.path, name), Buffer.alloc(5000));
    await mkdir(clips.pathOf('folder'));
    await writeFile(join(clips.path, '..', 'kept'), 'kept');
    await symlink(join(clips.path, '..', 'kept'), clips.pathOf('link'));
    try {
      const cache = await clips.cache({ maxBytes: 3000 });
      for (let i = 0; i < 20; i++) await cache.put(`${i}`, clip(i, 500));
      expect([await cache.get('folder'), await cache.get('link')]).toEqual([undefined, undefined]);
      const found = await Promise.all(Array.from({ length: 20 }, (_, i) => cache.get(`${i}`)));
      expect(found.filter((pcm) => pcm !== undefined)).toHaveLength(2);
      expect(await readdir(clips.path)).toEqual(
        expect.arrayContaining([...foreign, clipFileName('folder'), clipFileName('link')]),
      );
      expect(await readFile(join(clips.path, '..', 'kept'), 'utf8')).toBe('kept');
    } finally {
      await rm(join(clips.path, '..', 'kept'));
    }
    expect(clips.faults).toEqual([]);
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
        const folder = await mkdtemp(join(clips.path, 'run-'));
        const last = new Map<number, Pcm>();
        let cache = await clips.cache({ folder, maxBytes: 4000 });
        const neighbour = await clips.cache({ folder, maxBytes: 4000 });
        for (const one of steps) {
          if ('put' in one) {
            const pcm = clip(one.value, two ? 50 + one.put * 70 : one.length);
            last.set(one.put, pcm);
            await (two && one.beside ? neighbour : cache).put(`${one.put}`, pcm);
          } else if ('get' in one) {
            const found = await cache.get(`${one.get}`);
            if (found !== undefined) expect(found).toEqual(last.get(one.get));
          } else if ('use' in one) cache.noteUse(`${one.use}`);
          else if ('days' in one) clips.nowMs += one.days * DAY_MS;
          else {
            await cache.close();
            cache = await clips.cache({ folder, maxBytes: 4000 });
          }
          expect(await bytesIn(folder)).toBeLessThanOrEqual(4000);
        }
        await Promise.all([cache.close(), neighbour.close()]);
        expect(clips.faults).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
