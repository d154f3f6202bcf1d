import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PromptFolder, type PromptFolderOptions } from '../../../src/engine/freeswitch/prompt-folder.ts';
import { joined } from '../../../src/media/speech.ts';
import { parseWav } from '../../../src/media/wav.ts';
import { tone } from '../../support/legs.ts';
import { describeOnSmallDisk } from '../../support/small-disk.ts';

const MAX_AGE_MS = 600_000;

let base: string;
let faults: unknown[];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'voice-otp-prompts-'));
  faults = [];
});

afterEach(async () => {
  await rm(base, { recursive: true, force: true });
});

function folderAt(folder: string, change: Partial<PromptFolderOptions> = {}): PromptFolder {
  return new PromptFolder({
    folder,
    groupReadable: false,
    maxAgeMs: MAX_AGE_MS,
    onFault: (error) => faults.push(error),
    ...change,
  });
}

async function opened(folder: string, change: Partial<PromptFolderOptions> = {}): Promise<PromptFolder> {
  const prompts = folderAt(folder, change);
  await prompts.open();
  return prompts;
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o7777).toString(8);
}

describe('a prompt file', () => {
  it('holds the whole speech, for its owner only, and is gone after the call', async () => {
    const folder = join(base, 'deep', 'prompts');
    const prompts = await opened(folder);
    const speech = { sampleRate: 8000, parts: [...tone(120).parts, 800, ...tone(50, 700).parts] };
    const file = await prompts.write(speech);
    expect(file.name).toMatch(/^otp-[0-9a-f]{12}-\d+-[0-9a-f]{32}\.wav$/);
    expect(file).toMatchObject({ path: join(folder, file.name), durationMs: 270 });
    expect(parseWav(await readFile(file.path))).toEqual(joined(speech));
    expect([await modeOf(folder), await modeOf(file.path)]).toEqual(['700', '600']);
    expect(prompts.held()).toBe(1);
    await file.remove();
    await file.remove();
    expect([prompts.held(), await readdir(folder), faults]).toEqual([0, [], []]);
  });

  it('is removed by another node that knows its name, and nothing else is', async () => {
    const folder = join(base, 'prompts');
    const written = await (await opened(folder, { instance: 'north' })).write(tone(120));
    const listened = written.name.replace(/wav$/, 'r8');
    for (const name of [listened, 'keep.wav', join('..', written.name)])
      await writeFile(join(folder, name), '');
    const other = await opened(folder, { instance: 'south' });
    for (const name of [
      listened,
      'keep.wav',
      join('..', written.name),
      join('..', 'prompts', written.name),
      '',
    ])
      await other.removeLeft(name);
    expect((await readdir(folder)).sort()).toEqual(['keep.wav', written.name, listened].sort());
    expect(await readdir(base)).toContain(written.name);
    await other.removeLeft(written.name);
    await other.removeLeft(written.name);
    expect((await readdir(folder)).sort()).toEqual(['keep.wav', listened].sort());
    expect(faults).toEqual([]);
  });

  it('is readable for the group where that is wanted, whatever the umask', async () => {
    const before = process.umask(0o077);
    try {
      const prompts = await opened(join(base, 'shared'), { groupReadable: true });
      const file = await prompts.write(tone(20));
      expect([await modeOf(join(base, 'shared')), await modeOf(file.path)]).toEqual(['750', '640']);
    } finally {
      process.umask(before);
    }
  });

  it('leaves the mode of a folder that was there to its owner', async () => {
    await mkdir(join(base, 'there'), { mode: 0o711 });
    await opened(join(base, 'there'));
    expect(await modeOf(join(base, 'there'))).toBe('711');
  });

  it('has a name and a sound of its own among many at once', async () => {
    const prompts = await opened(base);
    const speeches = Array.from({ length: 60 }, (_, i) => tone(20 + i, 300 + i));
    const files = await Promise.all(speeches.map((speech) => prompts.write(speech)));
    expect(new Set(files.map(({ name }) => name)).size).toBe(60);
    expect(prompts.held()).toBe(60);
    for (const [i, file] of files.entries()) {
      expect(parseWav(await readFile(file.path))).toEqual(joined(speeches[i] ?? tone(0)));
    }
    await Promise.all(files.flatMap((file) => [file.remove(), file.remove()]));
    expect([prompts.held(), await readdir(base), faults]).toEqual([0, [], []]);
  });

  it('that cannot be removed is told, stays counted, and goes when asked again', async () => {
    const prompts = await opened(base);
    const file = await prompts.write(tone(20));
    await rename(file.path, `${file.path}.aside`);
    await mkdir(file.path);
    await file.remove();
    expect([faults.length, prompts.held()]).toEqual([1, 1]);
    await rm(file.path, { recursive: true });
    await file.remove();
    expect([faults.length, prompts.held()]).toEqual([1, 0]);
  });
});

describe('a folder that fails', () => {
  it('is refused with its reason', async () => {
    await writeFile(join(base, 'file'), '');
    await expect(folderAt(join(base, 'file')).open()).rejects.toThrow(
      /cannot be written to .*file: it is not/,
    );
    await expect(folderAt(join(base, 'file', 'below')).open()).rejects.toThrow(/a part of the path is not/);
    expect(faults).toEqual([]);
  });

  it('is made again when it has vanished', async () => {
    const folder = join(base, 'prompts');
    const prompts = await opened(folder);
    const lost = await prompts.write(tone(20));
    await rm(folder, { recursive: true });
    await lost.remove();
    const files = await Promise.all([prompts.write(tone(20)), prompts.write(tone(20))]);
    expect((await readdir(folder)).sort()).toEqual(files.map(({ name }) => name).sort());
    expect([prompts.held(), await modeOf(folder), faults]).toEqual([2, '700', []]);
  });

  it('says so where something else has taken its place, and works when it is back', async () => {
    const folder = join(base, 'prompts');
    const prompts = await opened(folder);
    const early = await prompts.write(tone(20));
    await rename(folder, join(base, 'aside'));
    await writeFile(folder, '');
    await expect(prompts.write(tone(20))).rejects.toThrow(/a prompt cannot be written to .*ENOTDIR/);
    await rm(folder);
    await rename(join(base, 'aside'), folder);
    const late = await prompts.write(tone(20));
    await Promise.all([early.remove(), late.remove()]);
    expect([prompts.held(), await readdir(folder), faults]).toEqual([0, [], []]);
  });
});

describeOnSmallDisk((at) => {
  it('that is full fails the call that no longer fits and leaves nothing of it', async () => {
    const prompts = await opened(at);
    const first = await prompts.write(tone(2000));
    await expect(prompts.write(tone(3000))).rejects.toThrow(
      /a prompt cannot be written .* disk is full \(ENOSPC\)/,
    );
    expect([prompts.held(), await readdir(at)]).toEqual([1, [first.name]]);
    await first.remove();
    const next = await prompts.write(tone(3000));
    expect(parseWav(await readFile(next.path)).samples).toHaveLength(24_000);
    expect(faults).toEqual([]);
  });

  it('that is full from the start is refused', async () => {
    await writeFile(join(at, 'ballast'), Buffer.alloc(64 * 1024));
    await expect(folderAt(at).open()).rejects.toThrow(/the disk is full \(ENOSPC\)/);
    expect(await readdir(at)).toEqual(['ballast']);
  });

  it('that is read-only is refused', async () => {
    execFileSync('mount', ['-o', 'remount,ro', at]);
    await expect(folderAt(at).open()).rejects.toThrow(/the file system is read-only \(EROFS\)/);
  });
});

describe('a sweep', () => {
  const RANDOM = '0123456789abcdef0123456789abcdef';
  const FOREIGN = `otp-ffffffffffff-1-${RANDOM}.wav`;

  async function aged(name: string, ageMs: number): Promise<void> {
    await writeFile(join(base, name), 'x');
    const at = (Date.now() - ageMs) / 1000;
    await utimes(join(base, name), at, at);
  }

  it('removes what a process of this host left behind when the next one starts', async () => {
    const died = await opened(base);
    await Promise.all([died.write(tone(20)), died.write(tone(20))]);
    const prompts = await opened(base);
    expect(await readdir(base)).toEqual([]);
    const file = await prompts.write(tone(20));
    await prompts.sweep();
    expect(await readdir(base)).toEqual([file.name]);
  });

  it('leaves the files of another process of this host alone, until that is gone', async () => {
    const other = spawn('sleep', ['60']);
    const gone = once(other, 'exit');
    const neighbour = await opened(base, { pid: other.pid ?? 0 });
    const ringing = await neighbour.write(tone(20));
    const prompts = await opened(base);
    expect(await readdir(base)).toEqual([ringing.name]);
    other.kill('SIGKILL');
    await gone;
    await prompts.sweep();
    expect(await readdir(base)).toEqual([]);
  });

  it('leaves the files of another host that may be in use, and removes old ones', async () => {
    const other = await opened(base, { instance: 'other' });
    const playing = await other.write(tone(20));
    await aged(FOREIGN, MAX_AGE_MS + 60_000);
    await aged(FOREIGN.replace('0123', 'aaaa'), MAX_AGE_MS - 60_000);
    await opened(base);
    expect((await readdir(base)).sort()).toEqual([playing.name, FOREIGN.replace('0123', 'aaaa')].sort());
  });

  it('takes a file from the future for a young one', async () => {
    await aged(FOREIGN, -86_400_000);
    await (await opened(base)).sweep();
    expect(await readdir(base)).toEqual([FOREIGN]);
  });

  it('touches nothing that only looks like a prompt, and follows no link', async () => {
    const kept = join(base, '..', `kept-${process.pid}.wav`);
    await writeFile(kept, 'kept');
    try {
      const names = ['notes.txt', FOREIGN.replace('.wav', '.wav.bak'), `x${FOREIGN}`, FOREIGN.toUpperCase()];
      for (const name of names) await aged(name, 10 * MAX_AGE_MS);
      const link = FOREIGN.replace('0123', 'bbbb');
      await symlink(kept, join(base, link));
      const folder = FOREIGN.replace('0123', 'cccc');
      await mkdir(join(base, folder));
      await (await opened(base)).sweep(Date.now() + 10 * MAX_AGE_MS);
      expect((await readdir(base)).sort()).toEqual([...names, link, folder].sort());
      expect((await lstat(join(base, link))).isSymbolicLink()).toBe(true);
      expect(await readFile(kept, 'utf8')).toBe('kept');
    } finally {
      await rm(kept);
    }
    expect(faults).toEqual([]);
  });

  it('tells where it cannot read the folder', async () => {
    const prompts = await opened(join(base, 'prompts'));
    await rm(join(base, 'prompts'), { recursive: true });
    await prompts.sweep();
    expect(faults).toHaveLength(1);
  });
});
