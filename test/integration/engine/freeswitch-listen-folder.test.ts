import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ListenFolder, type ListenFolderOptions } from '../../../src/engine/freeswitch/listen-folder.ts';
import { PromptFolder } from '../../../src/engine/freeswitch/prompt-folder.ts';
import { tone } from '../../support/legs.ts';

let base: string;
let changes: string[];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'voice-otp-listen-'));
  changes = [];
});

afterEach(async () => {
  await rm(base, { recursive: true, force: true });
});

async function opened(folder: string, change: Partial<ListenFolderOptions> = {}): Promise<ListenFolder> {
  const onChange = (text: string): void => void changes.push(text);
  const listen = new ListenFolder({
    folder,
    groupWritable: false,
    maxAgeMs: 600_000,
    onChange,
    ...change,
  });
  await listen.open();
  return listen;
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o7777).toString(8);
}

it.each([
  [false, ['700', '600']],
  [true, ['750', '660']],
])(
  'a file is made before FreeSWITCH opens it, with the mode that it needs (group: %s)',
  async (groupWritable, modes) => {
    const before = process.umask(0o077);
    try {
      const folder = join(base, 'listen');
      const listen = await opened(folder, { groupWritable });
      const file = await listen.make();
      expect(file.name).toMatch(/^otp-[0-9a-f]{12}-\d+-[0-9a-f]{32}\.r8$/);
      expect([await modeOf(folder), await modeOf(file.path)]).toEqual(modes);
      expect(listen.held()).toBe(1);
      await file.close();
      await file.unlink();
    } finally {
      process.umask(before);
    }
  },
);

it('a file without a name can be read on, and is held until it is closed', async () => {
  const listen = await opened(base);
  const file = await listen.make();
  await writeFile(file.path, 'heard');
  await file.unlink();
  expect([await readdir(base), listen.held()]).toEqual([[], 1]);
  expect((await file.handle.readFile()).toString()).toBe('heard');
  await file.close();
  expect([listen.held(), changes]).toEqual([0, []]);
});

it('what a process left behind goes when the next one starts, and prompts in the same folder stay', async () => {
  const died = await opened(base);
  const files = [await died.make(), await died.make()];
  const prompts = new PromptFolder({
    folder: base,
    groupReadable: false,
    maxAgeMs: 600_000,
    onFault: (error) => changes.push(String(error)),
  });
  await prompts.open();
  const prompt = await prompts.write(tone(20));
  expect(await readdir(base)).toHaveLength(3);
  const listen = await opened(base);
  expect(await readdir(base)).toEqual([prompt.name]);
  const file = await listen.make();
  await Promise.all([listen.sweep(), prompts.sweep()]);
  expect((await readdir(base)).sort()).toEqual([prompt.name, file.name].sort());
  expect(await readFile(prompt.path)).toHaveLength(44 + 320);
  await Promise.all([...files, file].map((one) => one.close()));
  expect(changes).toEqual([]);
});

it('trouble is told once, and once more that it is over', async () => {
  const place = join(base, 'listen');
  await writeFile(place, '');
  const listen = await opened(place);
  await expect(listen.make()).rejects.toThrow(/listen: /);
  await expect(listen.make()).rejects.toThrow(/listen: /);
  await listen.sweep();
  listen.troubled('again');
  expect(changes).toEqual([
    expect.stringMatching(/^answers cannot be listened to: .*listen: it is not a folder/),
  ]);
  await rm(place);
  await (await listen.make()).close();
  listen.heard();
  listen.heard();
  expect(changes.slice(1)).toEqual(['answers are listened to again']);
});
