import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createCall } from '../../../src/call/call.ts';
import { exportCdrs } from '../../../src/cdr/export.ts';
import { CdrSink } from '../../../src/cdr/sink.ts';
import { catchUp } from '../../../src/cdr/sink-catch-up.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { endedCall } from '../../support/cdr-calls.ts';
import { NOW } from '../../support/records.ts';

let folder: string;
let store: SqliteStore;
let sink: CdrSink;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-catch-up-'));
  store = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
  sink = await opened();
});

afterEach(async () => {
  await sink.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const opened = (): Promise<CdrSink> =>
  CdrSink.open({
    folder: join(folder, 'cdrs'),
    node: 'a',
    maxBytes: 100_000,
    maxMinutes: 60,
    now: () => NOW,
  });

/** Ends calls from one number to another, two records each. */
async function carry(from: number, to: number): Promise<void> {
  for (let index = from; index < to; index += 1) {
    const known = { id: `call_${index}`, verificationId: null, clientId: null, to: '+49301', now: NOW };
    await store.accept(null, createCall(known), null);
    await store.finishCall(endedCall(`${index}`), false, NOW + index);
  }
}

async function give(...calls: readonly number[]): Promise<void> {
  for (const call of calls) await sink.append(await store.cdrs.ofCall(`call_${call}`));
}

/** All lines of the sink in the order of their files. */
async function sunk(): Promise<string> {
  const names = (await readdir(join(folder, 'cdrs'))).filter((name) => name.includes('.ndjson')).toSorted();
  return (await Promise.all(names.map((name) => readFile(join(folder, 'cdrs', name), 'utf8')))).join('');
}

async function exported(from = 0): Promise<string> {
  let text = '';
  for await (const piece of exportCdrs(store.cdrs, { from, to: 1e15 }, 'ndjson')) text += piece;
  return text;
}

it('gives a new sink all of the ledger, and nothing twice', async () => {
  await carry(0, 700);
  expect(await catchUp(store.cdrs, sink)).toEqual({ written: 1400, gone: 0 });
  expect(await catchUp(store.cdrs, sink)).toEqual({ written: 0, gone: 0 });
  expect(await sunk()).toBe(await exported());
});

it('goes on where a crash has cut the two apart', async () => {
  await carry(0, 100);
  await catchUp(store.cdrs, sink);
  await sink.close();
  await carry(100, 103);
  sink = await opened();
  expect(await catchUp(store.cdrs, sink)).toEqual({ written: 6, gone: 0 });
  expect(await sunk()).toBe(await exported());
});

it('fills what was left out in the middle, also where files have been finished and taken away since', async () => {
  await carry(0, 200);
  // The records of calls 20 and 170 did not reach the disk.
  await give(...Array.from({ length: 200 }, (_, call) => call).filter((call) => call !== 20 && call !== 170));
  const [first = ''] = (await readdir(join(folder, 'cdrs')))
    .filter((name) => name.endsWith('.ndjson'))
    .toSorted();
  await rm(join(folder, 'cdrs', first));
  await sink.close();
  sink = await opened();
  expect(await catchUp(store.cdrs, sink)).toEqual({ written: 2, gone: 0 });
  await give(20, 170);
  expect(await sunk()).toContain('"callId":"call_170"');
  expect(await catchUp(store.cdrs, sink)).toEqual({ written: 0, gone: 0 });
});

it('tells how much retention has deleted before the sink had it', async () => {
  await carry(0, 50);
  await catchUp(store.cdrs, sink);
  await carry(50, 60);
  await store.cdrs.drop(NOW + 55);
  expect(await catchUp(store.cdrs, sink)).toEqual({ written: 10, gone: 10 });
  expect(await sunk()).toContain(await exported(NOW + 55));
});
