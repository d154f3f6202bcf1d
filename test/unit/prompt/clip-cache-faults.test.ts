import { execFileSync } from 'node:child_process';
import { chmod, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clipFileName } from '../../../src/prompt/clip-file.ts';
import { ClipFolder, clip } from '../../support/clip-folder.ts';
import { describeOnSmallDisk } from '../../support/small-disk.ts';
import { DAY_MS } from '../../support/synthesis-rig.ts';

let clips: ClipFolder;

beforeEach(async () => {
  clips = await ClipFolder.make();
});

afterEach(async () => {
  await clips.remove();
});

describe('a folder that fails', () => {
  it('is made again when it has vanished', async () => {
    const folder = join(clips.path, 'clips');
    const cache = await clips.cache({ folder });
    await cache.put('a', clip(7));
    await rm(folder, { recursive: true });
    expect(await cache.get('a')).toBeUndefined();
    await cache.put('a', clip(7));
    expect([await cache.get('a'), (await stat(folder)).mode & 0o777]).toEqual([clip(7), 0o700]);
    expect(clips.faults).toEqual([]);
  });

  it('is told once a minute at most, without a name of a clip, and works when it is back', async () => {
    const folder = join(clips.path, 'clips');
    const cache = await clips.cache({ folder });
    await rename(folder, join(clips.path, 'aside'));
    await writeFile(folder, '');
    for (let i = 0; i < 5; i++) {
      await cache.put(`${i}`, clip(7));
      expect(await cache.get(`${i}`)).toBeUndefined();
    }
    expect(clips.faults).toEqual([`clips cannot be written to ${folder}: ENOTDIR`]);
    clips.nowMs += 59_999;
    await cache.get('1');
    expect(clips.faults).toHaveLength(1);
    clips.nowMs += 1;
    await cache.get('1');
    expect(clips.faults[1]).toBe(`clips cannot be read from ${folder}: ENOTDIR`);
    // A clock that was set back hides nothing for days.
    clips.nowMs -= DAY_MS;
    await cache.get('1');
    expect(clips.faults).toHaveLength(3);
    await rm(folder);
    await rename(join(clips.path, 'aside'), folder);
    await cache.put('a', clip(7));
    expect(await cache.get('a')).toEqual(clip(7));
    await cache.close();
  });

  it('does not keep the service from its start', async () => {
    await writeFile(join(clips.path, 'file'), '');
    const cache = await clips.cache({ folder: join(clips.path, 'file', 'below') });
    await cache.put('a', clip(7));
    expect([await cache.get('a'), clips.faults.length]).toEqual([undefined, 1]);
    await cache.close();
  });

  it('keeps the mode that its operator gave it', async () => {
    await chmod(clips.path, 0o750);
    await clips.cache();
    expect((await stat(clips.path)).mode & 0o777).toBe(0o750);
  });
});

describe('a sweep', () => {
  const temporary = (pid: number): string => `${clipFileName('a')}.tmp-${pid}-0123456789abcdef`;

  it('takes what writers left that are gone, and nothing that somebody writes', async () => {
    const gone = Number(execFileSync('sh', ['-c', 'echo $$']).toString());
    for (const pid of [gone, process.pid, process.ppid])
      await writeFile(join(clips.path, temporary(pid)), 'half');
    await writeFile(join(clips.path, `${temporary(gone)}.txt`), 'other');
    await clips.cache();
    expect(await readdir(clips.path)).toEqual([temporary(process.ppid), `${temporary(gone)}.txt`].toSorted());
  });

  it('comes with each new day', async () => {
    const gone = Number(execFileSync('sh', ['-c', 'echo $$']).toString());
    const cache = await clips.cache();
    await writeFile(join(clips.path, temporary(gone)), 'half');
    clips.nowMs += DAY_MS;
    await cache.get('a');
    await cache.close();
    expect(await readdir(clips.path)).toEqual([]);
  });

  it('leaves alone what another cache of this process writes', async () => {
    const first = await clips.cache();
    const puts = Array.from({ length: 20 }, (_, i) => first.put(`${i}`, clip(i, 2000)));
    await Promise.all(Array.from({ length: 20 }, () => clips.cache()));
    await Promise.all(puts);
    expect([(await readdir(clips.path)).length, clips.faults]).toEqual([20, []]);
  });
});

describeOnSmallDisk((at) => {
  it('that is full keeps what it has, and takes more when there is room', async () => {
    const cache = await clips.cache({ folder: at });
    await cache.put('first', clip(1, 16_000));
    await cache.put('second', clip(2, 24_000));
    expect(clips.faults).toEqual([`clips cannot be written to ${at}: ENOSPC`]);
    expect(await readdir(at)).toEqual([clipFileName('first')]);
    expect([await cache.get('first'), await cache.get('second')]).toEqual([clip(1, 16_000), undefined]);
    await rm(join(at, clipFileName('first')));
    await cache.put('second', clip(2, 24_000));
    expect(await cache.get('second')).toEqual(clip(2, 24_000));
  });

  it('that is read-only is read', async () => {
    const cache = await clips.cache({ folder: at });
    await cache.put('first', clip(1));
    await writeFile(join(at, clipFileName('broken')), 'x');
    await cache.close();
    execFileSync('mount', ['-o', 'remount,ro', at]);
    const next = await clips.cache({ folder: at });
    await next.put('second', clip(2));
    const found = await Promise.all(['first', 'second', 'broken'].map((key) => next.get(key)));
    expect(found).toEqual([clip(1), undefined, undefined]);
    expect(clips.faults).toEqual([`clips cannot be written to ${at}: EROFS`]);
    clips.nowMs += DAY_MS;
    await next.get('first');
    clips.nowMs += DAY_MS;
    await next.close();
  });

  it('keeps no time of reading even where the system would write it at once', async () => {
    execFileSync('mount', ['-o', 'remount,strictatime', at]);
    const cache = await clips.cache({ folder: at });
    await cache.put('first', clip(1));
    await utimes(join(at, clipFileName('first')), 1, 1);
    await cache.get('first');
    expect((await stat(join(at, clipFileName('first')))).atimeMs).toBe(1000);
    // The system does write it for others.
    await readFile(join(at, clipFileName('first')));
    expect((await stat(join(at, clipFileName('first')))).atimeMs).toBeGreaterThan(1000);
  });
});
