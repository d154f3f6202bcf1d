import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClipCache } from '../../../src/prompt/clip-cache.ts';
import { parseClipFile } from '../../../src/prompt/clip-file.ts';
import { eventually } from '../../support/eventually.ts';

const SCRIPT = fileURLToPath(new URL('../../support/clip-cache-process.ts', import.meta.url));

let folder: string;
const children = new Set<ChildProcess>();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-clips-'));
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await rm(folder, { recursive: true, force: true });
});

interface Neighbour {
  /** The next line that it writes. */
  line(): Promise<string>;
  go(): void;
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  kill(): Promise<void>;
}

async function neighbour(task: 'fill' | 'write', maxBytes: number, name: string): Promise<Neighbour> {
  const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, task, folder, String(maxBytes), name], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.add(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const next = await lines.next();
    if (next.done === true) throw new Error(`the process ${name} ended too early`);
    return next.value;
  };
  expect(await line()).toBe('ready');
  return {
    line,
    pid: child.pid ?? 0,
    signal: (sent) => void child.kill(sent),
    go: () => void child.stdin.write('go\n'),
    kill: async () => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function bytesIn(): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function temporaries(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.includes('.tmp-'));
}

/** Names of the clips in the folder that are whole. */
async function wholeClips(): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.wav'));
  const whole = await Promise.all(
    names.map(async (name) => parseClipFile(name, await readFile(join(folder, name))) !== undefined),
  );
  return names.filter((_, index) => whole[index]);
}

describe('processes that share a folder of clips', () => {
  it('fill and evict at the same time: no error, no clip that is not what it should be, and not too much', async () => {
    const maxBytes = 60_000;
    const both = await Promise.all([neighbour('fill', maxBytes, 'a'), neighbour('fill', maxBytes, 'b')]);
    for (const one of both) one.go();
    const told = await Promise.all(both.map(async (one) => JSON.parse(await one.line()) as object));
    for (const one of told) expect(one).toMatchObject({ wrong: 0, faults: [] });
    // Together they wrote more than ten times what fits in.
    expect(told.every((one) => 'hits' in one && Number(one.hits) > 50)).toBe(true);
    expect(await bytesIn()).toBeLessThanOrEqual(maxBytes);
    const names = await readdir(folder);
    expect(names.length).toBeGreaterThan(10);
    expect((await wholeClips()).toSorted()).toEqual(names.toSorted());
  });

  it('may be killed in the middle of a write', async () => {
    const maxBytes = 200_000_000;
    const survivor = await neighbour('fill', maxBytes, 'survivor');
    // Only a writer that is caught in the act leaves something behind: not every one is. The next one sweeps it.
    let writers = 0;
    for (; writers < 30 && (writers < 3 || (await temporaries()).length === 0); writers++) {
      const writer = await neighbour('write', maxBytes, `writer ${writers}`);
      for (let i = 0; i < 3; i++) await writer.line();
      await eventually(async () => {
        writer.signal('SIGSTOP');
        const before = await temporaries();
        if (!before.some((name) => name.includes(`.tmp-${writer.pid}-`))) {
          writer.signal('SIGCONT');
          throw new Error('it was between two writes');
        }
      });
      await writer.kill();
    }
    expect(await temporaries()).toHaveLength(1);
    survivor.go();
    expect(JSON.parse(await survivor.line())).toMatchObject({ wrong: 0, faults: [] });

    const faults: Error[] = [];
    const onFault = (error: Error): void => void faults.push(error);
    const cache = new ClipCache({ folder, maxBytes, now: Date.now, onFault });
    await cache.open();
    expect(await temporaries()).toEqual([]);
    const names = await readdir(folder);
    expect((await wholeClips()).toSorted()).toEqual(names.toSorted());
    // What was told is there, and once it is broken it is not.
    for (let writer = 0; writer < writers; writer++) {
      expect((await cache.get(`writer ${writer} 1`))?.samples).toEqual(new Int16Array(500_000).fill(1));
    }
    for (const name of names) await truncate(join(folder, name), 5000);
    expect(await cache.get('writer 0 1')).toBeUndefined();
    await cache.close();
    expect(faults).toEqual([]);
  });
});
