import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCall } from '../../../src/call/call.ts';
import type { CallLog } from '../../../src/call/log.ts';
import { AppError } from '../../../src/errors.ts';
import { FolderInUse } from '../../../src/store/own-folder.ts';
import { SpooledStore } from '../../../src/store/spooled-store.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { endedCall } from '../../support/cdr-calls.ts';
import { eventually } from '../../support/eventually.ts';
import { acceptedPair, NOW } from '../../support/records.ts';
import { mayMount, mountSmall, unmountSmall } from '../../support/small-disk.ts';

const UNAVAILABLE = { code: 'store_unavailable' };

let top: string;
let folder: string;
let path: string;
let sqlite: SqliteStore;
let store: SpooledStore;
let logged: { level: string; fields: Record<string, unknown>; message: string }[];

const log: CallLog = {
  info: (fields, message) => void logged.push({ level: 'info', fields, message }),
  warn: (fields, message) => void logged.push({ level: 'warn', fields, message }),
  error: (fields, message) => void logged.push({ level: 'error', fields, message }),
};

beforeEach(async () => {
  logged = [];
  top = await mkdtemp(join(tmpdir(), 'voice-otp-spool-'));
  folder = join(top, 'spool');
  path = join(top, 'db.sqlite');
  await reopen();
});

afterEach(async () => {
  await store.close();
  await rm(top, { recursive: true, force: true });
});

async function reopen(): Promise<void> {
  sqlite = new SqliteStore({ path, synchronous: 'normal' });
  store = await SpooledStore.open(sqlite, { folder, log });
}

/** The store finds that its file was moved, and serves nobody. */
const goAway = (): Promise<void> => rename(path, `${path}.away`);
const comeBack = (): Promise<void> => rename(`${path}.away`, path);

async function accept(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const known = { id: `call_${name}`, verificationId: null, clientId: null, to: '+49301', now: NOW };
    await store.accept(null, createCall(known), null);
  }
}

/** What is seen of the ends that a store is given, and whether it takes them. */
interface Fault {
  isAway: boolean;
  /** At the same time. */
  most: number;
  all: number;
}

/** Opens the spool again before a store that can be told to take no ends, while others reach it. */
async function behindFault(atATime: number): Promise<Fault> {
  await store.close();
  sqlite = new SqliteStore({ path, synchronous: 'normal' });
  const fault: Fault = { isAway: false, most: 0, all: 0 };
  let present = 0;
  const finishCall: SqliteStore['finishCall'] = async (...given) => {
    if (fault.isAway) throw new AppError('store_unavailable');
    present += 1;
    fault.all += 1;
    fault.most = Math.max(fault.most, present);
    return sqlite.finishCall(...given).finally(() => (present -= 1));
  };
  const faulty = new Proxy(sqlite, {
    get: (target, key) => {
      const found: unknown = key === 'finishCall' ? finishCall : Reflect.get(target, key);
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
  store = await SpooledStore.open(faulty, { folder, log, atATime });
  return fault;
}

const entries = async (): Promise<readonly string[]> =>
  (await readdir(folder)).filter((name) => name !== 'spool.lock');

const finish = (name: string): Promise<boolean> => store.finishCall(endedCall(name), false, NOW + 1);

async function expectDelivered(): Promise<void> {
  await eventually(() => expect(store.waiting()).toBe(0), { timeoutMs: 20_000 });
  await eventually(async () => expect(await entries()).toEqual([]));
}

describe('ends of calls', () => {
  it('go to a store that is there', async () => {
    await accept('a');
    expect(await finish('a')).toBe(true);
    expect([store.waiting(), await entries()]).toEqual([0, []]);
    expect(await store.call('call_a')).toMatchObject({ state: 'ended', endedAt: endedCall('a').endedAt });
    await expect(store.finishCall({ ...endedCall('b'), state: 'queued' }, false, NOW)).resolves.toBe(false);
  });

  it('wait on disk for one that is away, as the store would keep them', async () => {
    const { verification, call } = acceptedPair('a');
    await store.accept(verification, call, null);
    await goAway();
    const ended = { ...endedCall('a'), verificationId: verification.id };
    expect(await store.finishCall(ended, true, NOW + 1)).toBe(true);
    expect(store.waiting()).toBe(1);
    expect(await entries()).toEqual(['call_a.json']);
    const file = join(folder, 'call_a.json');
    expect([(await stat(file)).mode & 0o777, (await stat(folder)).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      call: ended,
      failVerification: true,
      now: NOW + 1,
    });
    await expect(store.ping()).rejects.toMatchObject(UNAVAILABLE);
    await comeBack();
    await store.ping();
    await expectDelivered();
    expect(await store.call('call_a')).toEqual(ended);
    expect(await store.verification(verification.id)).toMatchObject({ status: 'failed', sealedCode: null });
    expect(await store.cdrs.ofCall('call_a')).toHaveLength(2);
  });

  it('are answered for from the disk while they wait', async () => {
    await accept('a');
    await goAway();
    expect(await Promise.all([finish('a'), finish('a')])).toEqual([true, true]);
    expect(await finish('a')).toBe(true);
    const other = { ...endedCall('a'), endedAt: NOW + 99_999 };
    expect(await store.finishCall(other, false, NOW)).toBe(false);
    await comeBack();
    // Not yet delivered, and still answered for.
    expect(await store.finishCall({ ...other, node: 'other' }, false, NOW)).toBe(false);
    await store.ping();
    await expectDelivered();
    expect(await finish('a')).toBe(true);
    expect(await store.cdrs.ofCall('call_a')).toHaveLength(2);
  });

  it('are delivered by themselves when the store is back', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `n${index}`);
    await accept(...names);
    await goAway();
    expect(await Promise.all(names.map(finish))).toEqual(names.map(() => true));
    expect([store.waiting(), (await entries()).length]).toEqual([50, 50]);
    await comeBack();
    await expectDelivered();
    for (const name of names) expect(await store.cdrs.ofCall(`call_${name}`)).toHaveLength(2);
  });

  it('are given to the store so many at a time', async () => {
    const told = await behindFault(3);
    const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
    await accept(...names);
    told.isAway = true;
    for (const name of names) await finish(name);
    [told.isAway, told.most, told.all] = [false, 0, 0];
    await store.ping();
    await expectDelivered();
    expect([told.most, told.all]).toEqual([3, 20]);
  });

  it('that another node has closed meanwhile are dropped', async () => {
    const told = await behindFault(8);
    await accept('a');
    told.isAway = true;
    expect(await finish('a')).toBe(true);
    const other = { ...endedCall('a'), endedAt: NOW + 70_000 };
    expect(await sqlite.finishCall(other, false, NOW)).toBe(true);
    told.isAway = false;
    await store.ping();
    await expectDelivered();
    expect(await store.call('call_a')).toMatchObject({ endedAt: NOW + 70_000 });
    expect(await store.cdrs.ofCall('call_a')).toHaveLength(2);
    const dropped = logged.filter(({ message }) => message.includes('dropped'));
    expect(dropped).toMatchObject([{ level: 'warn', fields: { callId: 'call_a' } }]);
    expect(Object.keys(dropped[0]?.fields ?? {})).toEqual(['callId']);
  });

  it('that the store cannot take are laid aside, and hold up no others', async () => {
    await accept('bad', 'good');
    await goAway();
    const good = endedCall('bad');
    const attempts = good.attempts.map((attempt) => ({ ...attempt, endedAt: null }));
    await store.finishCall({ ...good, attempts }, false, NOW);
    await finish('good');
    await comeBack();
    await store.ping();
    await eventually(() => expect(store.waiting()).toBe(0));
    await eventually(async () => expect(await entries()).toEqual(['rejected']));
    expect(await readdir(join(folder, 'rejected'))).toEqual(['call_bad.json']);
    expect(await store.call('call_good')).toMatchObject({ state: 'ended' });
    expect(logged).toContainEqual(
      expect.objectContaining({ level: 'error', fields: expect.objectContaining({ callId: 'call_bad' }) }),
    );
  });

  it('have names that lead nowhere else', async () => {
    await goAway();
    for (const id of ['../../x', 'a/b', '', 'x'.repeat(300), 'é', '.', 'a\0b']) {
      expect(await store.finishCall({ ...endedCall('a'), id }, false, NOW)).toBe(true);
    }
    expect(await entries()).toEqual(
      Array.from({ length: 7 }, () => expect.stringMatching(/^[0-9a-f]{64}\.json$/)),
    );
    expect(await readdir(top)).toHaveLength(4);
    await comeBack();
    await store.ping();
    await expectDelivered();
  });
});

describe('a spool folder', () => {
  it('keeps what waits for the next process', async () => {
    await accept('a', 'b');
    await goAway();
    await finish('a');
    await finish('b');
    await store.close();
    await expect(finish('a')).resolves.toBe(true);
    await expect(finish('c')).rejects.toMatchObject(UNAVAILABLE);
    await comeBack();
    await reopen();
    await expectDelivered();
    expect(await store.unfinishedCalls()).toEqual([]);
  });

  it('has what a crash has torn taken away, and what is no end of a call laid aside', async () => {
    await store.close();
    await writeFile(join(folder, 'call_a.json.part'), '{"call":{"id":"cal');
    const odd = ['', 'null', '{"call":{"id":"call_x"}}', '{"call":', '[]'];
    for (const [index, text] of odd.entries()) await writeFile(join(folder, `odd${index}.json`), text);
    await reopen();
    expect([store.waiting(), await entries()]).toEqual([0, ['rejected']]);
    expect(await readdir(join(folder, 'rejected'))).toHaveLength(odd.length);
  });

  it('is that of one process', async () => {
    await expect(SpooledStore.open(sqlite, { folder, log })).rejects.toThrow(FolderInUse);
    expect(await readdir(folder)).toEqual(['spool.lock']);
  });

  it('may be taken away while calls wait in it', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `n${index}`);
    await accept('a', ...names);
    await goAway();
    await finish('a');
    await rm(folder, { recursive: true });
    expect(await Promise.all(names.map(finish))).toEqual(names.map(() => true));
    expect(await entries()).toHaveLength(10);
    await comeBack();
    await store.ping();
    await expectDelivered();
    expect(await store.unfinishedCalls()).toEqual([]);
  });

  it('that cannot be used is told at once', async () => {
    await writeFile(join(top, 'file'), '');
    const opening = SpooledStore.open(sqlite, { folder: join(top, 'file', 'spool'), log });
    await expect(opening).rejects.toMatchObject(UNAVAILABLE);
  });
});

const SCRIPT = fileURLToPath(new URL('../../support/spool-process.ts', import.meta.url));

it('keeps every promise of a process that is killed, once', { timeout: 60_000 }, async () => {
  const calls = 500;
  await accept(...Array.from({ length: calls }, (_, index) => `${index}`));
  await store.close();
  const promised = new Set<number>();
  const firstLeft = (): number => {
    for (let call = 0; ; call += 1) if (!promised.has(call)) return call;
  };
  for (const life of [30, 100, 60, 150]) {
    const args = ['--import', 'tsx', SCRIPT, path, folder, `${calls}`, `${firstLeft()}`];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const gone = once(child, 'close');
    let said = 0;
    createInterface({ input: child.stdout }).on('line', (line) => {
      promised.add(Number(line));
      said += 1;
      if (said === life) child.kill('SIGKILL');
    });
    await gone;
    renameSync(`${path}.away`, path);
  }
  expect(promised.size).toBeGreaterThan(300);
  await reopen();
  await store.ping();
  await expectDelivered();
  for (const call of promised) {
    expect(await store.call(`call_${call}`)).toMatchObject({ state: 'ended' });
    expect(await store.cdrs.ofCall(`call_${call}`)).toHaveLength(2);
  }
  // An end of which the process died before it could say so may be there too, and no more than one.
  const ended = calls - (await store.unfinishedCalls()).length;
  expect((await store.cdrs.ends()).head.seq).toBe(ended * 2);
  expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
});

const isRoot = mayMount();
if (!isRoot) process.stderr.write('skipped: a spool on a full disk: only root may mount a small one\n');

describe.skipIf(!isRoot)('a spool on a disk that is full (skipped where none can be mounted)', () => {
  beforeEach(async () => {
    await store.close();
    await mkdir(folder, { recursive: true });
    mountSmall(folder);
    await reopen();
  });

  afterEach(async () => {
    await store.close();
    unmountSmall(folder);
  });

  it('refuses as the store does, leaves nothing half, and takes more when there is room', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `n${index}`);
    await accept(...names);
    await goAway();
    const results = await Promise.allSettled(names.map(finish));
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const result of refused) expect(result).toMatchObject({ reason: UNAVAILABLE });
    const kept = results.length - refused.length;
    expect(kept).toBeGreaterThan(0);
    expect([store.waiting(), (await entries()).length]).toEqual([kept, kept]);
    await comeBack();
    await store.ping();
    await expectDelivered();
    for (const name of names) expect(await finish(name)).toBe(true);
    expect((await store.cdrs.ends()).head.seq).toBe(80);
  });
});
