import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CdrChainAnswer } from '../../../src/api/cdr-schemas.ts';
import { createKey } from '../../../src/clients/keys.ts';
import { dispatch } from '../../../src/commands/command.ts';
import { COMMANDS } from '../../../src/commands/table.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { fillCdrs, tamperWithCdrs } from '../../support/cdr-fill.ts';
import { NOW } from '../../support/records.ts';
import type { Service } from '../api/service.ts';
import { startService } from '../api/service.ts';
import { runProcess } from './process-run.ts';

/** The most that a process may have of JavaScript's memory: with all records at once it would die. */
const HEAP = ['--max-old-space-size=40'];
const boss = createKey('boss', randomBytes);

let folder: string;
/** The database of a service that is stopped, with the records of 300 calls. */
let stopped: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-cdr-command-'));
  stopped = await storeWith('stopped', 300);
  vi.stubEnv('VOICE_OTP_KEY', boss.key);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function storeWith(name: string, calls: number): Promise<string> {
  const path = join(folder, `${name}.db`);
  const store = new SqliteStore({ path, synchronous: 'normal' });
  fillCdrs(path, calls);
  await store.close();
  return path;
}

/** Runs `cdr` in this process. */
async function run(...args: readonly string[]): Promise<{ code: number; text: string }> {
  const out = new PassThrough();
  const chunks: Buffer[] = [];
  out.on('data', (chunk: Buffer) => void chunks.push(chunk));
  const code = await dispatch(COMMANDS, ['cdr', ...args], out as unknown as NodeJS.WriteStream);
  return { code, text: Buffer.concat(chunks).toString() };
}

async function verified(...args: readonly string[]): Promise<CdrChainAnswer & { code: number }> {
  const { code, text } = await run('verify', ...args, '--json');
  return { code, ...(JSON.parse(text) as CdrChainAnswer) };
}

const at = (ms: number): string => new Date(NOW + ms).toISOString();

describe('records of a service that is stopped', () => {
  it('are exported to a file that proves itself, and is its owner’s', async () => {
    const file = join(folder, 'all.ndjson');
    expect(await run('export', '--store', stopped, '-o', file)).toEqual({ code: 0, text: '' });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await verified(file)).toMatchObject({ code: 0, valid: true, rows: 600, first: 1, last: 600 });
    const { code, text } = await run('verify', file);
    expect([code, text]).toEqual([
      0,
      expect.stringMatching(/^ {2}✔ 600 records, 1 to 600: what was written\n {4}head 600:[0-9a-f]{64}\n$/),
    ]);
    // Whether it came by this way or by the service.
    expect(await run('export', '--store', stopped)).toEqual({ code: 0, text: await readFile(file, 'utf8') });
  });

  it('show which row has one byte that is not what it was', async () => {
    const { text } = await run('export', '--store', stopped);
    const lines = text.split('\n');
    const file = join(folder, 'changed.ndjson');
    lines[411] = lines[411]?.replace('"billableSeconds":61', '"billableSeconds":60') ?? '';
    await writeFile(file, lines.join('\n'));
    const ran = await runProcess(['cdr', 'verify', file]);
    expect([ran.code, ran.stderr]).toEqual([1, '']);
    expect(ran.stdout).toMatch(
      /^ {2}✘ record 412 was changed \(hash\): .*\n {4}right up to 411:[0-9a-f]{64}\n$/,
    );
    expect(await verified(file)).toMatchObject({ code: 1, valid: false, broken: { seq: 412, why: 'hash' } });
  });

  it('are verified in their file as it is, whole, in part and against what was noted', async () => {
    const whole = await verified('--store', stopped);
    expect(whole).toMatchObject({ code: 0, valid: true, rows: 600, head: { seq: 600 } });
    const mark = `${whole.head?.seq}:${whole.head?.hash}`;
    expect(await verified('--store', stopped, '--noted', mark)).toEqual(whole);
    const part = await verified('--store', stopped, '--from', at(100), '--to', at(200));
    expect(part).toMatchObject({ code: 0, rows: 100, first: 101, last: 200 });
    const config = join(folder, 'config.yaml');
    await writeFile(
      config,
      JSON.stringify({
        trunks: [{ id: 'a', host: 'a.example', cli: '+493012345' }],
        store: { path: stopped },
      }),
    );
    expect(await verified('--config', config)).toEqual(whole);
    const file = join(folder, 'short.ndjson');
    await run('export', '--store', stopped, '--to', at(500), '--output', file);
    expect(await verified(file)).toMatchObject({ code: 0, last: 500 });
    expect(await verified(file, '--noted', mark)).toMatchObject({
      code: 1,
      broken: { seq: 501, why: 'tail' },
    });
  });

  it('are CSV without formulas where that is asked for', async () => {
    const { code, text } = await run('export', '--store', stopped, '--format', 'csv', '--to', at(2));
    expect([code, text.split('\r\n').length]).toEqual([0, 4]);
    expect(text).toContain(",'=1+1,");
    expect(text).toContain(',+4930123456,');
    const file = join(folder, 'table.csv');
    await writeFile(file, text);
    expect(await verified(file)).toMatchObject({ code: 1, broken: { seq: 1, why: 'malformed' } });
  });

  it('are never written to', async () => {
    const path = await storeWith('kept', 3);
    const before = await readFile(path);
    await run('verify', '--store', path);
    await run('export', '--store', path);
    expect(await readFile(path)).toEqual(before);
    for (const name of ['none.db', 'none/none.db']) {
      await expect(run('verify', '--store', join(folder, name))).rejects.toThrow(/is no file$/);
    }
    expect(await readdir(folder)).not.toContain('none.db');
  });
});

describe('a database that is not whole', () => {
  it('breaks at the row that was changed or taken out', async () => {
    const path = await storeWith('tampered', 20);
    tamperWithCdrs(path, 'DELETE FROM cdrs WHERE seq = 30');
    expect(await verified('--store', path)).toMatchObject({ code: 1, broken: { seq: 30, why: 'number' } });
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const file = join(folder, 'partial.ndjson');
    await writeFile(file, 'of last month\n');
    expect((await run('export', '--store', path, '--output', file)).code).toBe(1);
    expect(said).toHaveBeenCalledWith(
      expect.stringMatching(/record 1 was deleted.*: the export is not complete\n$/),
    );
    said.mockRestore();
    // What was there is there, and nothing beside it.
    expect(await readFile(file, 'utf8')).toBe('of last month\n');
    expect(await readdir(folder)).not.toContain('partial.ndjson.part');
  });

  it('is said to be damaged where its end is cut off', async () => {
    const path = await storeWith('cut', 300);
    await truncate(path, Math.floor((await stat(path)).size / 2));
    const ran = await runProcess(['cdr', 'verify', '--store', path]);
    expect(ran).toMatchObject({
      code: 1,
      stderr: '',
      stdout: expect.stringMatching(/ \(damaged\): .*malformed/),
    });
    expect(await verified('--store', path)).toMatchObject({
      code: 1,
      valid: false,
      broken: { why: 'damaged' },
    });
  });

  it('is said to be damaged where not even its tables can be read', async () => {
    const path = await storeWith('scratched', 3);
    const database = await open(path, 'r+');
    // The type of the first page: none that there is.
    await database.write(Buffer.of(0xff), 0, 1, 100);
    await database.close();
    expect(await verified('--store', path)).toMatchObject({
      code: 1,
      valid: false,
      rows: 0,
      broken: { why: 'damaged' },
    });
  });

  it('may be none at all', async () => {
    const file = join(folder, 'notes.txt');
    await writeFile(file, 'notes of a meeting that was long\n'.repeat(200));
    await expect(run('verify', '--store', file)).rejects.toThrow(/is no database$/);
    await writeFile(file, '');
    await expect(run('verify', '--store', file)).rejects.toThrow(/holds no call detail records$/);
    expect((await run('verify', stopped)).code).toBe(2);
    await expect(run('verify', join(folder, 'nowhere'))).rejects.toThrow(/cannot be read: ENOENT/);
  });
});

describe('records of a service that runs', () => {
  let service: Service;
  let url: string;

  beforeAll(async () => {
    service = await startService({ api: { keys: [{ id: boss.id, hash: boss.hash, operator: true }] } });
    fillCdrs(service.storePath, 300);
    await service.api.listen({ host: '127.0.0.1', port: 0 });
    url = `http://127.0.0.1:${(service.api.server.address() as AddressInfo).port}`;
  });
  afterAll(() => service.close());

  it('come through its API, or out of its file, and are the same', async () => {
    const range = ['--from', at(100), '--to', at(300)];
    const served = await run('export', '--url', url, ...range);
    expect([served.code, served.text.split('\n')]).toMatchObject([0, { length: 201 }]);
    expect(await run('export', '--store', service.storePath, ...range)).toEqual(served);
    const { head, ...answer } = await verified('--url', url);
    expect(answer).toMatchObject({ code: 0, valid: true, rows: 600 });
    const mark = `600:${head?.hash.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))}`;
    expect(await verified('--url', url, '--noted', mark)).toMatchObject({
      code: 1,
      broken: { seq: 600, why: 'noted' },
    });
    expect(await verified('--url', url, ...range)).toMatchObject({ code: 0, rows: 200 });
  });

  it('are not taken for complete where the service goes away', async () => {
    const server = createServer((_request, response) => {
      response.write('{"v":1');
      setImmediate(() => response.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const other = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect((await run('export', '--url', other, '-o', join(folder, 'broken'))).code).toBe(1);
    expect(said).toHaveBeenCalledWith('the service broke off: the export is not complete\n');
    said.mockRestore();
    server.close();
    expect(await readdir(folder)).not.toContain('broken');
  });
});

describe.concurrent('50,000 records', () => {
  let path: string;
  beforeAll(async () => {
    path = await storeWith('many', 25_000);
  });

  it('are exported in less memory than they have', async () => {
    const file = join(folder, 'many.ndjson');
    // Without the records a process has some 40 MB.
    const ran = await runProcess(['cdr', 'export', '--store', path, '--output', file], { node: HEAP });
    expect(ran).toEqual({ code: 0, stdout: '', stderr: '' });
    expect((await stat(file)).size).toBeGreaterThan(50e6);
    let lines = 0;
    for await (const chunk of createReadStream(file)) lines += String(chunk).split('\n').length - 1;
    expect(lines).toBe(50_000);
  });

  it('end without a word where their reader has enough', async () => {
    const ran = await runProcess(['cdr', 'export', '--store', path], {
      onOutput: (_soFar, child) => child.stdout?.destroy(),
    });
    expect([ran.code, ran.stderr]).toEqual([0, '']);
  });
});
