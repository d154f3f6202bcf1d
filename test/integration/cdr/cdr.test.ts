import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCall } from '../../../src/call/call.ts';
import { closeInterrupted } from '../../../src/call/recovery.ts';
import type { Cdr } from '../../../src/cdr/cdr.ts';
import { verifyChain } from '../../../src/cdr/chain.ts';
import { CdrsGone, exportCdrs, readExport, verifyLedger } from '../../../src/cdr/export.ts';
import type { LedgerSpan } from '../../../src/store/cdr-ledger.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { LocalCapacity } from '../../../src/trunk/local-capacity.ts';
import { Vault } from '../../../src/verification/vault.ts';
import { endedCall } from '../../support/cdr-calls.ts';
import { eventually } from '../../support/eventually.ts';
import { NOW } from '../../support/records.ts';

let folder: string;
let path: string;
let store: SqliteStore;
const children: ChildProcessWithoutNullStreams[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-cdr-'));
  path = join(folder, 'db.sqlite');
  store = new SqliteStore({ path, synchronous: 'normal' });
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Carries calls one after the other; two records each. */
async function carry(count: number, name = 'c'): Promise<void> {
  const all = Array.from({ length: count }, async (_, index) => {
    const id = `${name}${index}`;
    await store.accept(
      null,
      createCall({ id: `call_${id}`, verificationId: null, clientId: null, to: '+49301', now: NOW }),
      null,
    );
    await store.finishCall(endedCall(id), false, NOW + index);
  });
  await Promise.all(all);
}

/** Changes the file behind the back of the program. */
function tamper(sql: string): void {
  const database = new Database(path);
  for (const trigger of ['cdrs_in_order', 'cdrs_never_changed', 'cdrs_deleted_from_the_start']) {
    database.exec(`DROP TRIGGER IF EXISTS ${trigger}`);
  }
  database.exec(sql);
  database.close();
}

describe('call detail records of a process that is killed', () => {
  function start(name: string): { child: ChildProcessWithoutNullStreams; ended: () => string[] } {
    const script = fileURLToPath(new URL('finishing-process.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, path, name]);
    children.push(child);
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.stderr.on('data', (chunk) => process.stderr.write(chunk));
    return { child, ended: () => output.split('\n').slice(0, -1) };
  }

  it('are there for each call that has ended, and for no other; recovery writes the rest, once', {
    timeout: 60_000,
  }, async () => {
    const said: string[] = [];
    // Two at a time write into one chain; each is killed in the middle of whatever it does.
    for (const round of ['a', 'b', 'c']) {
      const pair = [start(`${round}1_`), start(`${round}2_`)];
      for (const { ended } of pair) {
        await eventually(() => expect(ended().length).toBeGreaterThan(40), { timeoutMs: 20_000 });
      }
      const gone = pair.map(({ child }) => once(child, 'exit'));
      for (const { child } of pair) child.kill('SIGKILL');
      await Promise.all(gone);
      said.push(...pair.flatMap(({ ended }) => ended()));
      const open = await store.unfinishedCalls();
      for (const call of open) expect(await store.cdrs.ofCall(call.id)).toEqual([]);
      expect(await agreement()).toMatchObject({ lacking: 0, doubled: 0 });
    }
    for (const id of said) expect(await store.cdrs.ofCall(id)).toHaveLength(2);

    const open = await store.unfinishedCalls();
    const other = new SqliteStore({ path, synchronous: 'normal' });
    const engine = { endLeftover: () => Promise.resolve(true) };
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const vault = new Vault(Buffer.alloc(32, 3), randomBytes);
    const capacity = new LocalCapacity([], { elapsed: () => performance.now() });
    const around = { engine, vault, capacity, trunks: [], now: () => NOW + 90_000, onEnded: () => {}, log };
    // Two processes that recover the same calls.
    await Promise.all([store, other].map((one) => closeInterrupted(open, { ...around, store: one })));
    await other.close();
    expect(await store.unfinishedCalls()).toEqual([]);
    expect(await agreement()).toMatchObject({ lacking: 0, doubled: 0 });
    for (const call of open) expect(await store.cdrs.ofCall(call.id)).toHaveLength(call.attempts.length);
    expect(await verifyLedger(store.cdrs)).toMatchObject({ broken: null });
  });

  /** Counted in SQL: attempts of ended calls without a record, and records beyond one an attempt. */
  async function agreement(): Promise<unknown> {
    const database = new Database(path, { readonly: true });
    const row = database
      .prepare(`
        SELECT
          (SELECT COUNT(*) FROM calls, json_each(calls.attempts) AS attempt WHERE state = 'ended' AND NOT EXISTS (
            SELECT 1 FROM cdrs WHERE json_extract(record, '$.callId') = calls.id
              AND json_extract(record, '$.attempt') = attempt.key + 1)) AS lacking,
          (SELECT COUNT(*) FROM cdrs) - (SELECT SUM(json_array_length(attempts)) FROM calls WHERE state = 'ended') AS doubled`)
      .get();
    database.close();
    return row;
  }
});

describe('a ledger that somebody has changed', () => {
  const broken = async (): Promise<unknown> => (await verifyLedger(store.cdrs)).broken;

  it('breaks at the first row that is not what it was', async () => {
    await carry(400);
    expect(await broken()).toBeNull();
    tamper(
      `UPDATE cdrs SET record = replace(record, '"billableSeconds":61', '"billableSeconds":60') WHERE seq >= 702`,
    );
    expect(await broken()).toMatchObject({ seq: 702, why: 'hash' });
  });

  it('breaks where rows are missing, at the end too', async () => {
    await carry(400);
    const { head } = await store.cdrs.ends();
    tamper('DELETE FROM cdrs WHERE seq > 790');
    expect(await broken()).toMatchObject({ seq: 791, why: 'tail' });
    tamper('DELETE FROM cdrs WHERE seq = 600');
    expect(await broken()).toMatchObject({ seq: 600, why: 'number' });
    await expect(gathered(allOf('csv'))).rejects.toThrow(CdrsGone);
    // Whoever moves the ends along deceives all but those who noted the head.
    tamper(
      `DELETE FROM cdrs WHERE seq >= 600; UPDATE cdr_ends SET (head_seq, head_hash) = (SELECT seq, hash FROM cdrs WHERE seq = 599)`,
    );
    expect(await broken()).toBeNull();
    expect((await verifyLedger(store.cdrs, head)).broken).toMatchObject({ seq: 600, why: 'tail' });
  });

  it('cannot be changed by mistake', async () => {
    await carry(2);
    const database = new Database(path);
    for (const sql of [
      "UPDATE cdrs SET hash = 'x' WHERE seq = 1",
      'DELETE FROM cdrs WHERE seq = 1',
      "INSERT INTO cdrs (seq, record, hash) VALUES (9, '{}', '')",
    ]) {
      expect(() => database.exec(sql)).toThrow(/call detail records are/);
    }
    database.close();
  });
});

function allOf(format: 'csv' | 'ndjson', range = { from: 0, to: 1e15 }): AsyncGenerator<string> {
  return exportCdrs(store.cdrs, range, format);
}

async function gathered(pieces: AsyncIterable<string>): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

describe('an export', () => {
  it('is a file that anybody can verify, while calls go on', async () => {
    await carry(600);
    const file = join(folder, 'cdrs.ndjson');
    const writing = carry(200, 'late');
    await Promise.all([pipeline(Readable.from(allOf('ndjson')), createWriteStream(file)), writing]);
    const report = await verifyChain(readExport(createReadStream(file)));
    expect(report).toMatchObject({ anchor: { seq: 0 }, broken: null });
    expect(report.rows).toBeGreaterThanOrEqual(1200);
    expect(await verifyLedger(store.cdrs, report.head ?? undefined)).toMatchObject({
      rows: 1600,
      broken: null,
    });
    // With what every system has: the last line without its hash, hashed.
    const script = `tail -n 1 "$1" | sed 's/,"hash":"[0-9a-f]*"}$/}/' | tr -d '\\n' | sha256sum`;
    const { stdout } = await promisify(execFile)('sh', ['-c', script, 'sh', file]);
    expect(stdout.slice(0, 64)).toBe(report.head?.hash);
  });

  it('has each row in exactly one of ranges that follow one another', async () => {
    await carry(300);
    const seqs: number[] = [];
    for (let from = NOW; from < NOW + 300; from += 70) {
      for await (const piece of allOf('ndjson', { from, to: from + 70 })) {
        for (const line of piece.trimEnd().split('\n')) seqs.push((JSON.parse(line) as Cdr).seq);
      }
    }
    expect(seqs).toEqual(Array.from({ length: 600 }, (_, index) => index + 1));
    expect(await gathered(allOf('ndjson', { from: 0, to: NOW }))).toEqual([]);
  });

  it('waits for its reader, and holds no more than a page', async () => {
    await carry(2000);
    const asked: number[] = [];
    const ledger = {
      span: (from: number, to: number) => store.cdrs.span(from, to),
      page: (span: LedgerSpan, limit: number) => {
        asked.push(limit);
        return store.cdrs.page(span, limit);
      },
    };
    const pieces = exportCdrs(ledger, { from: 0, to: 1e15 }, 'ndjson');
    expect(asked).toEqual([]);
    await pieces.next();
    await pieces.next();
    expect(asked).toEqual([200, 200]);
    await pieces.return();
    expect(asked).toHaveLength(2);
  });

  it('lets calls go on while it reads, and while the ledger is verified', async () => {
    await carry(1500);
    for (const work of [() => gathered(allOf('csv')), () => verifyLedger(store.cdrs)]) {
      let turns = 0;
      const counter = setInterval(() => (turns += 1), 1);
      await work();
      clearInterval(counter);
      expect(turns).toBeGreaterThan(5);
    }
  });

  it('fails rather than leave out what retention deletes under it, and verifying begins anew', async () => {
    await carry(600);
    const pieces = allOf('ndjson');
    await pieces.next();
    let dropped = 0;
    const ledger = {
      ends: () => store.cdrs.ends(),
      page: async (span: LedgerSpan, limit: number) => {
        if (span.after > 0 && dropped === 0) dropped = await store.cdrs.drop(NOW + 450);
        return store.cdrs.page(span, limit);
      },
    };
    expect(await verifyLedger(ledger)).toMatchObject({ rows: 300, anchor: { seq: 900 }, broken: null });
    expect(dropped).toBe(900);
    await expect(pieces.next()).rejects.toThrow(/record 201 was deleted/);
  });
});
