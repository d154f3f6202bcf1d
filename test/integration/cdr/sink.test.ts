import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Cdr } from '../../../src/cdr/cdr.ts';
import { formatLine } from '../../../src/cdr/chain.ts';
import type { CdrSinkOptions } from '../../../src/cdr/sink.ts';
import { CdrSink } from '../../../src/cdr/sink.ts';
import { finishAbandoned } from '../../../src/cdr/sink-abandoned.ts';
import type { LedgerSpan } from '../../../src/store/cdr-ledger.ts';
import { FolderInUse } from '../../../src/store/own-folder.ts';
import { eventually } from '../../support/eventually.ts';
import { NOW } from '../../support/records.ts';
import { callRows } from '../../support/sink-rows.ts';
import { mayMount, mountSmall, unmountSmall } from '../../support/small-disk.ts';

const ROWS = callRows(60);
const UNAVAILABLE = { code: 'store_unavailable' };

let folder: string;
let now: number;
const opened: CdrSink[] = [];

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'voice-otp-sink-')), 'cdrs');
  now = NOW;
});

afterEach(async () => {
  for (const sink of opened.splice(0)) await sink.close();
  await rm(join(folder, '..'), { recursive: true, force: true });
});

async function open(change: Partial<CdrSinkOptions> = {}): Promise<CdrSink> {
  const around = { folder, node: 'a', maxBytes: 1e9, maxMinutes: 60, now: () => now };
  const sink = await CdrSink.open({ ...around, ...change });
  opened.push(sink);
  return sink;
}

async function give(sink: CdrSink, from: number, to: number): Promise<void> {
  await Promise.all(ROWS.slice(from, to).map((rows) => sink.append(rows)));
}

/** Names of the files of records, the oldest first. */
async function files(at = folder): Promise<readonly string[]> {
  return (await readdir(at)).filter((name) => name.includes('.ndjson')).toSorted();
}

async function text(at = folder): Promise<string> {
  const texts = await Promise.all((await files(at)).map((name) => readFile(join(at, name), 'utf8')));
  return texts.join('');
}

function lines(from: number, to: number): string {
  return ROWS.slice(from, to)
    .flat()
    .map((row) => `${formatLine(row)}\n`)
    .join('');
}

describe('a sink', () => {
  it('writes each record as a line of an export, for its owner only', async () => {
    const sink = await open();
    await give(sink, 0, 20);
    expect(await text()).toBe(lines(0, 20));
    expect(await files()).toEqual(['cdrs-a-20250615T150640000Z.ndjson.open']);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(folder)) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    }
  });

  it('goes on with its file after a restart, and writes nothing twice', async () => {
    await give(await open(), 0, 10);
    await opened.pop()?.close();
    const sink = await open();
    await give(sink, 5, 20);
    await give(sink, 0, 20);
    // In one batch too.
    await Promise.all([sink.append([...(ROWS[20] ?? [])]), sink.append([...(ROWS[20] ?? [])])]);
    expect(await text()).toBe(lines(0, 21));
    expect(await files()).toHaveLength(1);
  });

  it('begins a new file where the present one would get too large', async () => {
    const sink = await open({ maxBytes: lines(0, 10).length });
    for (let call = 0; call < 25; call += 1) await give(sink, call, call + 1);
    const names = await files();
    expect(names.map((name) => name.endsWith('.open'))).toEqual([false, false, true]);
    for (const name of names.slice(0, 2))
      expect((await stat(join(folder, name))).size).toBeLessThan(15_000 * 2);
    expect(await readFile(join(folder, names[0] ?? ''), 'utf8')).toBe(lines(0, 10));
    expect(await text()).toBe(lines(0, 25));
  });

  it('begins a new file where the present one is too old, also over a restart', async () => {
    let sink = await open();
    await give(sink, 0, 5);
    now += 59 * 60_000;
    await give(sink, 5, 10);
    await sink.close();
    sink = await open();
    await give(sink, 10, 15);
    expect(await files()).toHaveLength(1);
    now += 60_000;
    await give(sink, 15, 20);
    const names = await files();
    expect(names).toEqual(['cdrs-a-20250615T150640000Z.ndjson', 'cdrs-a-20250615T160640000Z.ndjson.open']);
    expect(await readFile(join(folder, names[1] ?? ''), 'utf8')).toBe(lines(15, 20));
  });

  it('finishes a file that is too old when nothing is written any more', async () => {
    const sink = await open({ maxMinutes: 0.0005, now: Date.now });
    await give(sink, 0, 3);
    await eventually(async () => expect(await files()).toEqual([expect.stringMatching(/\.ndjson$/)]));
    expect(await text()).toBe(lines(0, 3));
  });

  it('keeps its files in their order where the clock is set back', async () => {
    const sink = await open({ maxBytes: 1 });
    for (let call = 0; call < 5; call += 1) {
      await give(sink, call, call + 1);
      now -= 3_600_000;
    }
    expect(await files()).toHaveLength(5);
    expect(await text()).toBe(lines(0, 5));
  });

  it('knows what lies in a finished file that somebody has taken away', async () => {
    await give(await open({ maxBytes: lines(0, 10).length }), 0, 10);
    const sink = opened[0];
    if (sink === undefined) throw new Error('no sink');
    await give(sink, 10, 12);
    const [finished = ''] = await files();
    await rm(join(folder, finished));
    await sink.close();
    const next = await open();
    await give(next, 0, 14);
    expect(await text()).toBe(lines(10, 14));
  });

  it('cuts off what a crash has torn, and nothing else', async () => {
    const sink = await open();
    await give(sink, 0, 10);
    await sink.close();
    const [name = ''] = await files();
    for (const torn of [
      lines(10, 11).slice(0, 700),
      '\0'.repeat(5000),
      `${'x'.repeat(3_000_000)}\n{"v":1}\n`,
    ]) {
      await appendFile(join(folder, name), torn);
      await (await open()).close();
      expect(await text()).toBe(lines(0, 10));
    }
    const again = await open();
    await give(again, 9, 12);
    expect(await text()).toBe(lines(0, 12));
  });

  it('may be cut off by a crash at any step between two files', async () => {
    const sink = await open({ maxBytes: lines(0, 10).length });
    for (let call = 0; call < 15; call += 1) await give(sink, call, call + 1);
    await sink.close();
    const [first = '', second = ''] = await files();
    const note = join(folder, 'cdrs-a.last');
    const noted = await readFile(note, 'utf8');
    const upTo = (calls: number): Promise<readonly LedgerSpan[]> =>
      opened.at(-1)?.missing(calls * 2) ?? Promise.resolve([]);

    // The first file was noted, and not yet renamed: the second is not there.
    await rename(join(folder, second), join(folder, '..', 'second'));
    await rename(join(folder, first), join(folder, `${first}.open`));
    await (await open()).append([]);
    expect([await files(), await upTo(11)]).toEqual([[`${first}.open`], [{ after: 20, upTo: 22 }]]);
    await opened.at(-1)?.close();

    // It was renamed, and the second one not yet begun, or just begun.
    await rename(join(folder, `${first}.open`), join(folder, first));
    for (const begun of [false, true]) {
      if (begun) await writeFile(join(folder, second), '');
      await give(await open(), 5, 10);
      expect([await text(), await upTo(11)]).toEqual([lines(0, 10), [{ after: 20, upTo: 22 }]]);
      await opened.at(-1)?.close();
    }

    // What was noted is torn or gone: then the last finished file tells it.
    await rename(join(folder, '..', 'second'), join(folder, second));
    for (const torn of [noted.slice(0, -3), '']) {
      await writeFile(note, torn);
      await give(await open(), 0, 15);
      expect(await upTo(16)).toEqual([{ after: 30, upTo: 32 }]);
      await opened.at(-1)?.close();
    }
    await rm(note);
    await give(await open(), 0, 16);
    expect(await text()).toBe(lines(0, 16));
  });

  it('is the only one of its node in a folder', async () => {
    const sink = await open();
    await expect(open()).rejects.toThrow(FolderInUse);
    await give(await open({ node: 'a-b' }), 0, 1);
    await give(await open({ node: 'a.b' }), 1, 2);
    await give(sink, 2, 3);
    expect(await files()).toHaveLength(3);
    await sink.close();
    await give(await open(), 2, 3);
    expect(await files()).toHaveLength(3);
  });

  it('leaves no file of a node that is gone unfinished', async () => {
    const around = { folder, node: 'a', maxBytes: 1e9, maxMinutes: 60, now: () => now };
    for (const node of ['gone', 'stays']) await (await open({ node })).append(ROWS[0] ?? []);
    await opened.shift()?.close();
    await give(await open(), 1, 2);
    now += 60 * 60_000;
    expect(await finishAbandoned(around)).toEqual([]);
    now += 60_000;
    expect(await finishAbandoned(around)).toEqual(['gone']);
    expect(await finishAbandoned(around)).toEqual([]);
    expect(await files()).toEqual([
      'cdrs-a-20250615T150640000Z.ndjson.open',
      'cdrs-gone-20250615T150640000Z.ndjson',
      'cdrs-stays-20250615T150640000Z.ndjson.open',
    ]);
    // It may come back, and remembers.
    await (await open({ node: 'gone' })).append(ROWS[0] ?? []);
    expect(await files()).toHaveLength(3);
  });

  it.each(['', '.', '../a', 'a/b', 'a\nb', '-a', 'é', 'a'.repeat(65)])(
    'refuses %j as a name',
    async (node) => {
      await expect(
        CdrSink.open({ folder, node, maxBytes: 1, maxMinutes: 1, now: () => now }),
      ).rejects.toThrow(RangeError);
    },
  );

  it('takes nothing that is no record, and nothing when it is closed', async () => {
    const sink = await open();
    await expect(sink.append([{ seq: 1, record: '{}', hash: '' }])).rejects.toThrow(
      'not a call detail record',
    );
    await give(sink, 0, 1);
    await sink.close();
    await expect(give(sink, 1, 2)).rejects.toMatchObject(UNAVAILABLE);
    expect(await text()).toBe(lines(0, 1));
  });

  it('writes what it was given before it was closed', async () => {
    const sink = await open();
    const giving = give(sink, 0, 60);
    await sink.close();
    await giving;
    expect(await text()).toBe(lines(0, 60));
  });
});

describe('a sink whose files somebody moves', () => {
  it('refuses once and begins a new file', async () => {
    const sink = await open();
    await give(sink, 0, 5);
    const [name = ''] = await files();
    await rm(join(folder, name));
    await expect(give(sink, 3, 4)).rejects.toMatchObject(UNAVAILABLE);
    // What was in the file is gone, and is written again when it is given again.
    await give(sink, 3, 6);
    expect(await text()).toBe(lines(3, 6));
  });

  it('does not write to a file that has another name now', async () => {
    const sink = await open();
    await give(sink, 0, 5);
    const [name = ''] = await files();
    const aside = join(folder, '..', 'aside');
    await rename(join(folder, name), aside);
    await expect(give(sink, 5, 6)).rejects.toMatchObject(UNAVAILABLE);
    await give(sink, 5, 6);
    expect([await readFile(aside, 'utf8'), await text()]).toEqual([lines(0, 5), lines(5, 6)]);
  });

  it('goes on in a folder that was put in the place of its own', async () => {
    const sink = await open();
    await give(sink, 0, 5);
    await rename(folder, `${folder}-old`);
    await expect(give(sink, 5, 6)).rejects.toMatchObject(UNAVAILABLE);
    await give(sink, 5, 6);
    await rm(folder, { recursive: true });
    await mkdir(folder);
    await expect(give(sink, 6, 7)).rejects.toMatchObject(UNAVAILABLE);
    await give(sink, 6, 7);
    expect([await text(`${folder}-old`), await text()]).toEqual([lines(0, 5), lines(6, 7)]);
    await rm(`${folder}-old`, { recursive: true });
  });

  it('does not share a folder whose lock was deleted', async () => {
    const sink = await open();
    await give(sink, 0, 1);
    await rm(join(folder, 'cdrs-a.lock'));
    const other = await open();
    await expect(give(sink, 1, 2)).rejects.toMatchObject(UNAVAILABLE);
    await expect(give(sink, 1, 2)).rejects.toMatchObject({ ...UNAVAILABLE, cause: expect.any(FolderInUse) });
    await give(other, 1, 2);
    await other.close();
    await give(sink, 1, 3);
    expect(await text()).toBe(lines(0, 3));
  });
});

const SCRIPT = fileURLToPath(new URL('../../support/sink-process.ts', import.meta.url));

describe('a sink whose process is killed', () => {
  it('has all that was promised, and nothing twice', { timeout: 60_000 }, async () => {
    const calls = 500;
    const promised = new Set<number>();
    const firstLeft = (): number => {
      for (let call = 0; ; call += 1) if (!promised.has(call)) return call;
    };
    // Each life ends in the middle of whatever it does; the last one comes to its end.
    for (const life of [40, 110, 75, 150, Number.POSITIVE_INFINITY]) {
      const args = ['--import', 'tsx', SCRIPT, folder, `${calls}`, `${firstLeft()}`];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const gone = once(child, 'close');
      let said = 0;
      createInterface({ input: child.stdout }).on('line', (line) => {
        promised.add(Number(line));
        said += 1;
        if (said === life) child.kill('SIGKILL');
      });
      await gone;
      const written = (await text()).split('\n').slice(0, -1);
      const whole = written.flatMap((line) => {
        try {
          return [(JSON.parse(line) as Cdr).callId];
        } catch {
          return [];
        }
      });
      for (const call of promised) expect(whole.filter((id) => id === `call_s${call}`)).toHaveLength(2);
      expect(written.length - whole.length).toBeLessThanOrEqual(1);
    }
    expect(promised.size).toBe(calls);
    const all = (await text()).trimEnd().split('\n');
    const seqs = all.map((line) => (JSON.parse(line) as Cdr).seq).toSorted((a, b) => a - b);
    expect(seqs).toEqual(Array.from({ length: calls * 2 }, (_, index) => index + 1));
    expect((await files()).length).toBeGreaterThan(5);
  });
});

const isRoot = mayMount();
if (!isRoot) process.stderr.write('skipped: a sink on a full disk: only root may mount a small one\n');

describe.skipIf(!isRoot)('a sink on a disk that is full (skipped where none can be mounted)', () => {
  beforeEach(async () => {
    await mkdir(folder, { mode: 0o700 });
    mountSmall(folder);
  });

  afterEach(async () => {
    for (const sink of opened.splice(0)) await sink.close();
    unmountSmall(folder);
  });

  it('leaves no half line, and goes on when there is room', async () => {
    const sink = await open({ maxBytes: 20_000 });
    let given = 0;
    const refused = async (): Promise<unknown> => {
      for (; given < 60; given += 1) await give(sink, given, given + 1);
      return undefined;
    };
    await expect(refused()).rejects.toMatchObject(UNAVAILABLE);
    expect(given).toBeGreaterThan(10);
    expect(await text()).toBe(lines(0, given));
    await expect(give(sink, given, given + 1)).rejects.toMatchObject(UNAVAILABLE);
    const before = await text();
    const [oldest = ''] = await files();
    await rm(join(folder, oldest));
    await give(sink, given - 1, given + 3);
    expect(before.endsWith((await text()).slice(0, -lines(given, given + 3).length))).toBe(true);
    expect((await text()).endsWith(lines(given - 1, given + 3))).toBe(true);
  });

  it('loses nothing when the process ends then', async () => {
    const sink = await open();
    const results = await Promise.allSettled(ROWS.map((rows) => sink.append(rows)));
    expect(results.some(({ status }) => status === 'rejected')).toBe(true);
    await sink.close();
    const sequel = await open();
    let given = 0;
    const refused = async (): Promise<void> => {
      for (; given < 60; given += 1) await give(sequel, given, given + 1);
    };
    await expect(refused()).rejects.toMatchObject(UNAVAILABLE);
    expect(await text()).toBe(lines(0, given));
  });
});
