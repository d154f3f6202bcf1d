import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type { Cdr } from '../../../src/cdr/cdr.ts';
import { cdrsOf } from '../../../src/cdr/cdr.ts';
import { GENESIS } from '../../../src/cdr/chain.ts';
import { exportCdrs, verifyLedger } from '../../../src/cdr/export.ts';
import type { CdrLedger, LedgerRow } from '../../../src/store/cdr-ledger.ts';
import { RedisLedger } from '../../../src/store/redis/ledger.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { endedCall } from '../../support/cdr-calls.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisClusterServers } from '../../support/redis-cluster.ts';
import { RedisServer } from '../../support/redis-server.ts';

const DAY_MS = 86_400_000;
const ALL = { after: 0, upTo: 1e9 };

describeWithPeer('redis-server', 'the ledger in Redis', () => {
  let server: RedisServer;
  let client: Redis;
  let ledger: RedisLedger;

  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.port);
  });
  afterAll(async () => {
    client.disconnect();
    await server.remove();
  });
  beforeEach(async () => {
    await client.flushall();
    ledger = new RedisLedger({ client, prefix: 'votp', retentionMs: undefined });
  });

  const carry = (name: string, now?: number, on = ledger): Promise<readonly LedgerRow[]> =>
    on.append(cdrsOf(endedCall(name)), now);
  const written = async (): Promise<readonly Cdr[]> =>
    (await ledger.page(ALL, 5000)).map(({ record }) => JSON.parse(record) as Cdr);

  it('answers the rows that it wrote, at the time of Redis', async () => {
    const [seconds = 0] = await client.time();
    const rows = await carry('a');
    expect(rows).toEqual(await ledger.page(ALL, 10));
    const cdrs = await written();
    expect(cdrs).toMatchObject([
      { v: 2, seq: 1, previous: GENESIS.hash, ...cdrsOf(endedCall('a'))[0] },
      { v: 2, seq: 2, previous: rows[0]?.hash, ...cdrsOf(endedCall('a'))[1] },
    ]);
    for (const { recordedAt } of cdrs) {
      expect(recordedAt).toBeGreaterThanOrEqual(seconds * 1000);
      expect(recordedAt).toBeLessThan(seconds * 1000 + 10_000);
    }
    expect(await ledger.append([])).toEqual([]);
  });

  it('keeps to the time of Redis where the clock of this process leaps', async () => {
    await carry('a');
    const real = performance.now.bind(performance);
    for (const [name, leap] of [
      ['b', 3_600_000],
      ['c', 0],
    ] as const) {
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => real() + leap);
      await carry(name);
      clock.mockRestore();
    }
    const times = (await written()).map(({ recordedAt }) => recordedAt);
    expect(times).toHaveLength(6);
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(10_000);
  });

  it('answers the rows that are there, and adds nothing, whoever asks and however often', async () => {
    const other = new RedisLedger({ client, prefix: 'votp', retentionMs: undefined });
    const first = await carry('a', 100);
    const both = await Promise.all([carry('a', 200), carry('a', 300, other), carry('a', undefined, other)]);
    expect(both).toEqual([first, first, first]);
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, index) => carry(`${index % 8}`, 500, index % 2 === 0 ? ledger : other)),
    );
    expect((await ledger.ends()).head.seq).toBe(2 + 16);
    expect(new Set(all.flat().map(({ hash }) => hash)).size).toBe(16);
    // Half of it is there: the second attempt was told later.
    const [one, two] = cdrsOf(endedCall('half'));
    if (one === undefined || two === undefined) throw new Error('a call of two attempts');
    const [before] = await ledger.append([one]);
    const [again, added] = await ledger.append([one, two]);
    expect([again, added?.seq]).toEqual([before, 20]);
    expect((await ledger.ofCall('call_half')).map(({ seq }) => seq)).toEqual([19, 20]);
    expect(await verifyLedger(ledger)).toMatchObject({ rows: 20, broken: null });
  });

  it('writes what is more than one script takes, in its order', async () => {
    const [content] = cdrsOf(endedCall('long'));
    if (content === undefined) throw new Error('a call of two attempts');
    const contents = Array.from({ length: 1234 }, (_, index) => ({ ...content, attempt: index + 1 }));
    const rows = await ledger.append(contents);
    expect(rows.map(({ seq }) => seq)).toEqual(contents.map(({ attempt }) => attempt));
    expect(await ledger.page(ALL, 5000)).toEqual(rows);
    expect(await ledger.ofCall('call_long')).toEqual(rows);
    // More than go at a time, and one by one from the list of their call.
    expect(await ledger.drop(Number.MAX_SAFE_INTEGER)).toBe(1234);
    expect(await ledger.ofCall('call_long')).toEqual([]);
    expect(await client.exists('votp:{cdr}:calls')).toBe(0);
  });

  it('is, after the same, what the ledger in SQLite is', { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-ledger-'));
    let run = 0;
    const time = fc.integer({ min: 0, max: 30 });
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ call: fc.integer({ min: 0, max: 12 }), now: time }) },
      { weight: 1, arbitrary: fc.record({ drop: time }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        time,
        time,
        fc.nat(30),
        async (steps, from, to, after) => {
          await client.flushall();
          run += 1;
          const store = new SqliteStore({ path: join(folder, `${run}.sqlite`), synchronous: 'normal' });
          const gone = new Set<number>();
          for (const one of steps) {
            if ('drop' in one) {
              expect(await ledger.drop(one.drop)).toBe(await store.cdrs.drop(one.drop));
              continue;
            }
            // Of a call that has ended SQLite writes nothing; here nobody asks about one whose rows are deleted.
            if (gone.has(one.call)) continue;
            gone.add(one.call);
            const call = endedCall(`${one.call}`);
            await store.accept(null, { ...call, state: 'queued', disposition: null, endedAt: null }, null);
            await store.finishCall(call, false, one.now);
            await carry(`${one.call}`, one.now);
          }
          const seen = async (cdrs: CdrLedger): Promise<unknown> => ({
            ends: await cdrs.ends(),
            span: await cdrs.span(from, to),
            page: await cdrs.page({ after, upTo: after + 7 }, 5),
            calls: await Promise.all([...gone].map((call) => cdrs.ofCall(`call_${call}`))),
            all: await cdrs.page(ALL, 5000),
          });
          expect(await seen(ledger)).toEqual(await seen(store.cdrs));
          expect(await verifyLedger(ledger)).toMatchObject({ broken: null });
          await store.close();
        },
      ),
      { numRuns: 60 },
    );
    await rm(folder, { recursive: true, force: true });
  });

  it('exports and verifies by time while rows are added', async () => {
    for (let index = 0; index < 300; index += 1) await carry(`${index}`, index);
    let lines = 0;
    for await (const piece of exportCdrs(ledger, { from: 100, to: 250 }, 'ndjson')) {
      if (lines === 0) await carry('late', 1);
      lines += piece.split('\n').length - 1;
    }
    expect(lines).toBe(300);
    expect(await ledger.span(0, Number.POSITIVE_INFINITY)).toEqual({ after: 0, upTo: 602 });
  });

  it('keeps everything for ever without a retention, and with one as long as its last row', async () => {
    await carry('a');
    const lives = async (): Promise<readonly (readonly [string, number])[]> =>
      Promise.all((await client.keys('*')).sort().map(async (key) => [key, await client.pttl(key)] as const));
    expect(await lives()).toEqual(['calls', 'ends', 'rows'].map((what) => [`votp:{cdr}:${what}`, -1]));
    const kept = new RedisLedger({ client, prefix: 'votp', retentionMs: 30 * DAY_MS });
    await carry('b', undefined, kept);
    const [calls, ends, rows] = (await lives()).map(([, ms]) => Math.ceil(ms / DAY_MS));
    expect({ calls, ends, rows }).toEqual({ calls: 31, ends: 397, rows: 31 });
    await carry('c');
    expect((await lives()).map(([, ms]) => ms)).toEqual([-1, -1, -1]);
  });

  it('goes on numbering where all rows have expired', async () => {
    const kept = new RedisLedger({ client, prefix: 'votp', retentionMs: 30 * DAY_MS });
    const old = await carry('a', undefined, kept);
    // As it is when that time has passed.
    await client.hset('votp:{cdr}:ends', 'until', Date.now() - 1);
    for (const key of ['votp:{cdr}:rows', 'votp:{cdr}:calls']) await client.pexpire(key, 1);
    await eventually(async () => expect(await client.exists('votp:{cdr}:rows')).toBe(0));
    const { anchor, head } = await kept.ends();
    expect([anchor, head.hash]).toEqual([head, old[1]?.hash]);
    expect(await verifyLedger(kept, head)).toMatchObject({ rows: 0, broken: null });
    expect(await kept.span(0, 1e15)).toEqual({ after: 2, upTo: 2 });
    expect(await kept.drop(1e15)).toBe(0);
    expect((await carry('b', undefined, kept)).map(({ seq }) => seq)).toEqual([3, 4]);
    expect(await verifyLedger(kept, head)).toMatchObject({ rows: 2, anchor: head, broken: null });
  });

  it('shows what was changed or taken away behind its back', async () => {
    for (const name of ['a', 'b', 'c']) await carry(name, 100);
    await client.xdel('votp:{cdr}:rows', '3-0');
    expect((await verifyLedger(ledger)).broken).toMatchObject({ seq: 3, why: 'number' });
    await client.xdel('votp:{cdr}:rows', '4-0', '5-0', '6-0');
    expect((await verifyLedger(ledger)).broken).toMatchObject({ seq: 3, why: 'tail' });
  });

  it('says that Redis is away, writes on when it is back, and follows it where it lost the end', async () => {
    const own = await RedisServer.start();
    const impatient = new Redis(own.port, { maxRetriesPerRequest: 0, retryStrategy: () => 20 });
    impatient.on('error', () => undefined);
    const away = new RedisLedger({ client: impatient, prefix: 'votp', retentionMs: undefined });
    try {
      await carry('a', undefined, away);
      await own.stop();
      const asked = [carry('b', undefined, away), away.ends(), away.page(ALL, 1), away.drop(5)];
      for (const result of await Promise.allSettled(asked)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable' } });
      }
      await own.again();
      await eventually(async () => expect(await carry('b', undefined, away)).toHaveLength(2));
      expect(await verifyLedger(away)).toMatchObject({ rows: 4, broken: null });
      // As after a failover to a replica that had not heard of the last rows.
      await impatient.flushall();
      expect((await carry('c', undefined, away)).map(({ seq }) => seq)).toEqual([1, 2]);
      expect(await verifyLedger(away)).toMatchObject({ rows: 2, broken: null });
    } finally {
      impatient.disconnect();
      await own.remove();
    }
  });

  it('makes sure of what it could not tell, when it is asked again', async () => {
    const impatient = new Redis(server.port, { commandTimeout: 2000 });
    const unsure = new RedisLedger({ client: impatient, prefix: 'votp', retentionMs: undefined });
    const carryAll = () =>
      Promise.allSettled(Array.from({ length: 300 }, (_, index) => carry(`${index}`, 500, unsure)));
    try {
      await carry('a', 400, unsure);
      await client.config('RESETSTAT');
      server.pause();
      const results = await carryAll();
      server.resume();
      for (const result of results) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable' } });
      }
      // Redis reads it now, and writes what nobody waits for any more: what the first of them asked, and no more.
      await eventually(async () => expect(await client.hget('votp:{cdr}:ends', 'head')).toBe('4'));
      expect(await client.info('commandstats')).toContain('cmdstat_evalsha:calls=1,');
      expect((await carryAll()).map(({ status }) => status)).not.toContain('rejected');
      expect(await verifyLedger(ledger)).toMatchObject({ rows: 602, broken: null });
    } finally {
      server.resume();
      impatient.disconnect();
    }
  });

  it('lets one that is far away have its turn beside one that never rests', async () => {
    const relay = createServer((near) => {
      const there = connect(server.port, '127.0.0.1');
      const close = (): void => void [near, there].map((socket) => socket.destroy());
      for (const socket of [near, there]) socket.on('error', close).on('close', close);
      near.on('data', (bytes) => setTimeout(() => there.write(bytes), 15));
      there.pipe(near);
    });
    relay.listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const far = new Redis((relay.address() as { port: number }).port);
    const rest = new AbortController();
    const busy = (async () => {
      for (let index = 0; !rest.signal.aborted; index += 1) await carry(`near${index}`);
    })();
    try {
      const farLedger = new RedisLedger({ client: far, prefix: 'votp', retentionMs: undefined });
      for (let index = 0; index < 10; index += 1) await carry(`far${index}`, undefined, farLedger);
      expect(await ledger.ofCall('call_far9')).toHaveLength(2);
    } finally {
      rest.abort();
      await busy;
      far.disconnect();
      relay.close();
    }
    expect(await verifyLedger(ledger)).toMatchObject({ broken: null });
  });

  it('is one chain in a Redis Cluster', async () => {
    const servers = await RedisClusterServers.start();
    const cluster = new Cluster([...servers.nodes]);
    try {
      const there = new RedisLedger({ client: cluster, prefix: 'votp', retentionMs: DAY_MS });
      await Promise.all(Array.from({ length: 30 }, (_, index) => carry(`${index}`, index, there)));
      expect(await verifyLedger(there)).toMatchObject({ rows: 60, broken: null });
      expect(await there.ofCall('call_7')).toHaveLength(2);
      expect(await there.span(0, 1000)).toEqual({ after: 0, upTo: 60 });
      expect(await there.drop(1000)).toBe(60);
    } finally {
      cluster.disconnect();
      await servers.remove();
    }
  });
});

describeWithPeer('redis-server', 'a ledger that three processes write', () => {
  let server: RedisServer;
  let client: Redis;
  const children: ChildProcessWithoutNullStreams[] = [];

  beforeEach(async () => {
    // What was answered is in the file, whatever happens to the server.
    server = await RedisServer.start('--appendfsync', 'always');
    client = new Redis(server.port, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    client.on('error', () => undefined);
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    client.disconnect();
    await server.remove();
  });

  function start(name: string, calls: number) {
    const script = fileURLToPath(new URL('ledger-process.ts', import.meta.url));
    const args = ['--import', 'tsx', script, String(server.port), name, String(calls)];
    const child = spawn(process.execPath, args);
    children.push(child);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
    });
    child.stderr.on('data', (chunk) => process.stderr.write(chunk));
    const lines = (): string[] => output.split('\n').slice(0, -1);
    return {
      child,
      closed: once(child, 'close'),
      lines,
      said: () => lines().filter((line) => line.startsWith('call_')),
    };
  }

  it('has every row once, in one chain, while one of them and Redis are killed', {
    timeout: 60_000,
  }, async () => {
    const processes = ['a', 'b', 'c'].map((name) => start(name, name === 'c' ? 1e9 : 1500));
    const [first, second, victim] = processes;
    if (first === undefined || second === undefined || victim === undefined) throw new Error('three');
    const atLeast = (count: number) =>
      eventually(() => processes.forEach(({ said }) => expect(said().length).toBeGreaterThan(count)), {
        timeoutMs: 30_000,
      });
    for (const { lines } of processes) {
      await eventually(() => expect(lines()).toContain('ready'), { timeoutMs: 20_000 });
    }
    for (const { child } of processes) child.stdin.write('go\n');
    await atLeast(200);
    await server.stop('SIGKILL');
    await server.again();
    const known = victim.said().length;
    await atLeast(known + 100);
    victim.child.kill('SIGKILL');
    await victim.closed;
    await server.stop('SIGTERM');
    await server.again();
    await Promise.all([first.closed, second.closed]);

    const ledger = new RedisLedger({ client, prefix: 'votp', retentionMs: undefined });
    const said = processes.flatMap((one) => one.said());
    expect(first.said().length + second.said().length).toBe(3000);
    const { head } = await ledger.ends();
    const report = await verifyLedger(ledger);
    expect(report).toMatchObject({ rows: head.seq, anchor: GENESIS, broken: null });
    const cdrs: Cdr[] = [];
    for (let after = 0; after < head.seq; after += 5000) {
      const page = await ledger.page({ after, upTo: head.seq }, 5000);
      cdrs.push(...page.map(({ record }) => JSON.parse(record) as Cdr));
    }
    const attempts = new Map(cdrs.map(({ callId, attempt, seq }) => [`${callId} ${attempt}`, seq]));
    expect(attempts.size).toBe(cdrs.length);
    // What they were told is what is there; beyond that, only what the victim had under way.
    for (const line of said) {
      const [callId, ...seqs] = line.split(' ');
      expect([1, 2].map((attempt) => String(attempts.get(`${callId} ${attempt}`)))).toEqual(seqs);
    }
    expect(cdrs.length - 2 * said.length).toBeLessThanOrEqual(2 * 20);
    expect(cdrs.map(({ recordedAt }) => recordedAt)).toEqual(
      cdrs.map(({ recordedAt }) => recordedAt).toSorted((a, b) => a - b),
    );
  });
});
