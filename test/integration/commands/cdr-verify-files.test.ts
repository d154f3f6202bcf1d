import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { formatLine } from '../../../src/cdr/chain.ts';
import { CdrSink } from '../../../src/cdr/sink.ts';
import { dispatch } from '../../../src/commands/command.ts';
import { COMMANDS } from '../../../src/commands/table.ts';
import { NOW } from '../../support/records.ts';
import { callRows } from '../../support/sink-rows.ts';
import { runProcess } from './process-run.ts';

/** The most that a process may have of JavaScript's memory: with all records at once it would die. */
const HEAP = ['--max-old-space-size=40'];
const ROWS = callRows(90);
const LINES = ROWS.flat().map((row) => `${formatLine(row)}\n`);

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-verify-'));
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

async function run(...args: readonly string[]): Promise<{ code: number; text: string }> {
  const out = new PassThrough();
  const chunks: Buffer[] = [];
  out.on('data', (chunk: Buffer) => void chunks.push(chunk));
  const code = await dispatch(COMMANDS, ['cdr', 'verify', ...args], out as unknown as NodeJS.WriteStream);
  return { code, text: Buffer.concat(chunks).toString() };
}

async function verified(...args: readonly string[]): Promise<unknown> {
  const { code, text } = await run(...args, '--json');
  return { code, ...(JSON.parse(text) as object) };
}

/** Writes files and answers their paths; texts are lines by their numbers. */
async function files(...texts: readonly string[]): Promise<readonly string[]> {
  const paths = texts.map((_, index) => join(folder, `${index}.ndjson`));
  await Promise.all(texts.map((text, index) => writeFile(paths[index] ?? '', text)));
  return paths;
}

function lines(...seqs: readonly number[]): string {
  return seqs.map((seq) => LINES[seq - 1]).join('');
}

const some = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

it('reads the sinks of several nodes as one chain', async () => {
  const open = (node: string): Promise<CdrSink> =>
    CdrSink.open({ folder, node, maxBytes: 60_000, maxMinutes: 60, now: () => NOW });
  const sinks = await Promise.all(['a', 'b', 'c'].map(open));
  for (const [index, rows] of ROWS.entries()) {
    await sinks[index % 3]?.append(rows);
    // Delivered twice, after a node had died in between.
    if (index % 7 === 0) await sinks[(index + 1) % 3]?.append(rows);
  }
  const paths = (await readdir(folder))
    .filter((name) => name.includes('.ndjson'))
    .map((name) => join(folder, name));
  expect(paths.filter((path) => path.endsWith('.open'))).toHaveLength(3);
  expect(paths.length).toBeGreaterThan(4);
  expect(await verified(...paths)).toMatchObject({ code: 0, rows: 180, first: 1, last: 180, missing: [] });
  for (const sink of sinks) await sink.close();

  const rest = paths.slice(1);
  const told = (await verified(...rest)) as { missing: { first: number; last: number }[] };
  expect(told).toMatchObject({
    code: 1,
    valid: false,
    broken: { why: expect.stringMatching(/number|previous/) },
  });
  expect(told.missing.length).toBeGreaterThan(1);
});

it('says all that is missing', async () => {
  const paths = await files(
    lines(...some(1, 20), ...some(41, 60)),
    lines(22, 24, ...some(26, 30)),
    lines(21, 23),
  );
  expect(await verified(...paths)).toMatchObject({
    code: 1,
    broken: { seq: 25, why: 'number', found: '26' },
    missing: [
      { first: 25, last: 25 },
      { first: 31, last: 40 },
    ],
  });
  const { text } = await run(...paths);
  expect(text).toMatch(/record 25 is not the next one \(number\).*\n {4}in none of the files: 25, 31–40\n/);
});

it('needs no order in a file, and counts what is there twice once', async () => {
  const paths = await files(lines(3, 1, 2, 9, 8, 3), lines(4, 5, 4, 7, 6), '', lines(3));
  expect(await verified(...paths)).toMatchObject({
    code: 0,
    valid: true,
    rows: 9,
    head: { seq: 9 },
    missing: [],
  });
  expect(await verified(paths[0] ?? '')).toMatchObject({ code: 1, broken: { seq: 4, why: 'number' } });
});

it('shows what was changed, or has one number in two ways', async () => {
  const changed = lines(3).replace('"billableSeconds":0', '"billableSeconds":1');
  expect(changed).not.toBe(lines(3));
  expect(await verified(...(await files(lines(1, 2, 4), changed)))).toMatchObject({
    code: 1,
    broken: { seq: 3, why: 'hash' },
  });
  expect(await verified(...(await files(lines(1, 2, 3, 4), changed)))).toMatchObject({
    code: 1,
    broken: { seq: 4, why: 'number', found: '3' },
  });
  expect(await verified(...(await files(`${lines(1, 2)}rubbish\n`, lines(3, 4))))).toMatchObject({
    code: 1,
    broken: { seq: 3, why: 'malformed' },
  });
});

it('leaves out what is just being written, of files that are', async () => {
  const [other = ''] = await files(lines(1, 3));
  const [finished, open] = [join(folder, 'a.ndjson'), join(folder, 'b.ndjson.open')];
  await Promise.all([finished, open].map((path) => writeFile(path, lines(2, 4).slice(0, -50))));
  expect(await verified(other, open)).toMatchObject({ code: 0, last: 3 });
  expect(await verified(other, finished)).toMatchObject({ code: 1, broken: { seq: 4, why: 'malformed' } });
  await writeFile(open, lines(1, 2, 3, 4).slice(0, -50));
  expect(await verified(open)).toMatchObject({ code: 0, last: 3 });
});

it('compares with what was noted, and refuses what makes no sense', async () => {
  const paths = await files(lines(...some(1, 9)), lines(...some(10, 18)));
  const noted = `20:${ROWS[9]?.[1]?.hash}`;
  expect(await verified(...paths, '--noted', noted)).toMatchObject({
    code: 1,
    broken: { seq: 19, why: 'tail' },
  });
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect((await run(...paths, '-')).code).toBe(2);
  expect(said).toHaveBeenCalledWith(expect.stringContaining('standard input is verified alone'));
  expect((await run(...paths, '--store', 'x')).code).toBe(2);
  await expect(run(...paths, join(folder, 'none'))).rejects.toThrow(/none cannot be read/);
});

it('holds a few rows at a time', { timeout: 60_000 }, async () => {
  const many = callRows(12_000)
    .flat()
    .map((row) => `${formatLine(row)}\n`);
  const paths = await files(
    many.filter((_, index) => index % 2 === 0).join(''),
    many.filter((_, index) => index % 2 === 1).join(''),
  );
  const ran = await runProcess(['cdr', 'verify', ...paths, '--json'], { node: HEAP });
  expect([ran.code, ran.stderr]).toEqual([0, '']);
  expect(JSON.parse(ran.stdout)).toMatchObject({ valid: true, rows: 24_000 });
});
