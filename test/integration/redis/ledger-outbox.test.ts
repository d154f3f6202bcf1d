import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { cdrsOf } from '../../../src/cdr/cdr.ts';
import { formatLine } from '../../../src/cdr/chain.ts';
import { verifyLedger } from '../../../src/cdr/export.ts';
import { CdrSink } from '../../../src/cdr/sink.ts';
import type { LedgerRow } from '../../../src/store/cdr-ledger.ts';
import { FAMILIES, familyOf } from '../../../src/store/family.ts';
import { RedisLedger } from '../../../src/store/redis/ledger.ts';
import { Outbox } from '../../../src/store/redis/outbox.ts';
import { endedCall } from '../../support/cdr-calls.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisClusterServers } from '../../support/redis-cluster.ts';
import { RedisServer } from '../../support/redis-server.ts';

/** Keeps what it is given, once it may. */
class ListSink {
  readonly rows: LedgerRow[] = [];
  /** What the next rows wait for; one that rejects makes it fail once. */
  next: (() => Promise<void>) | undefined;

  async append(rows: readonly LedgerRow[]): Promise<void> {
    const { next } = this;
    this.next = undefined;
    await next?.();
    this.rows.push(...rows);
  }

  /** Lets the next rows wait until what it answers is called. */
  hold(): () => void {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.next = () => held;
    return release;
  }
}

describeWithPeer('redis-server', 'the outbox of call detail records', () => {
  let server: RedisServer;
  let client: Redis;
  let ledger: RedisLedger;
  let sink: ListSink;
  let outbox: Outbox;

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
    ({ ledger, sink, outbox } = node());
  });

  /** One of those that share Redis. */
  function node(over: Redis | Cluster = client) {
    const own = {
      ledger: new RedisLedger({ client: over, prefix: 'votp', retentionMs: undefined }),
      sink: new ListSink(),
    };
    return { ...own, outbox: new Outbox({ client: over, prefix: 'votp', ...own }) };
  }

  const listOf = (family: string): string => `votp:{${family}}:outbox`;

  /** As the end of a call writes it, two records each. */
  async function put(name: string, family = familyOf(`call_${name}`), over: Redis | Cluster = client) {
    const texts = cdrsOf(endedCall(name)).map((content) => JSON.stringify(content));
    await over.rpush(listOf(family), ...texts);
    return family;
  }

  const left = (): Promise<readonly string[]> => client.keys(listOf('*'));
  const all = (): Promise<readonly LedgerRow[]> => ledger.page({ after: 0, upTo: 1e9 }, 5000);

  it('carries the records of a family to the ledger and to the sink, at the time that it is given', async () => {
    await put('a', '07');
    await put('b', '07');
    await put('c', '08');
    await outbox.deliver('07', 1234);
    const rows = await all();
    expect(rows.map(({ record }) => JSON.parse(record) as unknown)).toMatchObject([
      { recordedAt: 1234, ...cdrsOf(endedCall('a'))[0] },
      { recordedAt: 1234, ...cdrsOf(endedCall('a'))[1] },
      { recordedAt: 1234, ...cdrsOf(endedCall('b'))[0] },
      { recordedAt: 1234, ...cdrsOf(endedCall('b'))[1] },
    ]);
    expect(sink.rows).toEqual(rows);
    expect(await left()).toEqual([listOf('08')]);
    expect(await verifyLedger(ledger)).toMatchObject({ rows: 4, broken: null });
  });

  it('delivers what is left over in all families, and says how much it was', async () => {
    for (const family of ['00', '0a', '7f', 'ff']) await put(`of-${family}`, family);
    await put('more', '7f');
    expect(await outbox.deliverAll()).toBe(10);
    expect([await left(), sink.rows.length]).toEqual([[], 10]);
    expect(await outbox.deliverAll()).toBe(0);
  });

  it('delivers as many as there are', async () => {
    for (let index = 0; index < 450; index += 1) await put(`${index}`, '07');
    await outbox.deliver('07');
    expect([await left(), sink.rows.length]).toEqual([[], 900]);
    expect(new Set(sink.rows.map(({ seq }) => seq)).size).toBe(900);
  });

  it('removes nothing where the sink fails, and writes nothing twice when it is asked again', async () => {
    await put('a', '07');
    sink.next = () => Promise.reject(new Error('no space left'));
    await expect(outbox.deliver('07')).rejects.toThrow('no space left');
    expect(await client.llen(listOf('07'))).toBe(2);
    expect(sink.rows).toEqual([]);
    await outbox.deliver('07');
    expect(sink.rows).toEqual(await all());
    expect([await left(), sink.rows.length]).toEqual([[], 2]);
  });

  it('removes nothing where the ledger cannot be reached', async () => {
    const away = new Redis(1, { maxRetriesPerRequest: 0, retryStrategy: () => null });
    away.on('error', () => undefined);
    const unreachable = new RedisLedger({ client: away, prefix: 'votp', retentionMs: undefined });
    await put('a', '07');
    await put('b', '08');
    const cut = new Outbox({ client, prefix: 'votp', ledger: unreachable, sink });
    await expect(cut.deliver('07')).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(cut.deliverAll()).rejects.toMatchObject({ code: 'store_unavailable' });
    expect((await left()).toSorted()).toEqual([listOf('07'), listOf('08')]);
    expect(sink.rows).toEqual([]);
    away.disconnect();
  });

  it('keeps to the records that were delivered when it removes, whatever another one does meanwhile', async () => {
    await put('a', '07');
    const release = sink.hold();
    const slow = outbox.deliver('07');
    await eventually(async () => expect(await all()).toHaveLength(2));
    // Another node delivers the same records; new ones stand where they stood.
    const other = node();
    await other.outbox.deliver('07');
    await put('b', '07');
    release();
    await slow;
    expect(await client.lrange(listOf('07'), 0, -1)).toEqual(
      cdrsOf(endedCall('b')).map((content) => JSON.stringify(content)),
    );
    expect([sink.rows, other.sink.rows]).toEqual([await all(), await all()]);
  });

  it('has delivered, when it resolves, all that was there when it was asked', async () => {
    await put('a', '07');
    const release = sink.hold();
    const first = outbox.deliver('07', 100);
    await eventually(async () => expect(await all()).toHaveLength(2));
    await put('b', '07');
    // The first one has read its records already; these share one delivery after it.
    const later = [outbox.deliver('07', 200), outbox.deliver('07', 300)];
    release();
    await first;
    await Promise.all(later);
    expect([await left(), sink.rows]).toEqual([[], await all()]);
    expect(sink.rows.map(({ record }) => (JSON.parse(record) as { recordedAt: number }).recordedAt)).toEqual([
      100, 100, 300, 300,
    ]);
  });

  it('delivers each record once to the ledger, and to a sink at least once, with three nodes at work', async () => {
    const nodes = [{ ledger, sink, outbox }, node(), node()];
    const names = Array.from({ length: 400 }, (_, index) => `${index}`);
    await Promise.all(
      names.map(async (name, index) => {
        const family = await put(name, FAMILIES[index % 5]);
        // Whoever wrote it delivers it; and now and then somebody sweeps.
        await nodes[index % 3]?.outbox.deliver(family);
        if (index % 25 === 0) await nodes[(index + 1) % 3]?.outbox.deliverAll();
      }),
    );
    expect(await left()).toEqual([]);
    const rows = await all();
    expect(rows).toHaveLength(800);
    expect(await verifyLedger(ledger)).toMatchObject({ rows: 800, broken: null });
    const named = rows.map(({ record }) => JSON.parse(record) as { callId: string; attempt: number });
    expect(new Set(named.map(({ callId, attempt }) => `${callId} ${attempt}`)).size).toBe(800);
    const sunk = new Map(nodes.flatMap((one) => one.sink.rows).map((row) => [row.seq, row]));
    expect([...sunk.values()].toSorted((a, b) => a.seq - b.seq)).toEqual(rows);
  });

  it('leaves the records of other calls to those who carried them, so that two sinks do not both have them', async () => {
    const other = node();
    await put('a', '07');
    await put('b', '07');
    const release = sink.hold();
    const slow = [outbox.deliver('07', 100, 'call_a'), outbox.deliver('07', 100, 'call_a')];
    await other.outbox.deliver('07', 100, 'call_b');
    release();
    await Promise.all(slow);
    const callIds = ({ rows }: typeof sink) =>
      rows.map(({ record }) => (JSON.parse(record) as { callId: string }).callId);
    expect([callIds(sink), callIds(other.sink)]).toEqual([
      ['call_a', 'call_a'],
      ['call_b', 'call_b'],
    ]);
    expect([await left(), (await all()).length]).toEqual([[], 4]);
  });

  it('delivers its own also where hundreds of others stand before them', async () => {
    for (let index = 0; index < 150; index += 1) await put(`${index}`, '07');
    await outbox.deliver('07', 100, 'call_149');
    expect(await ledger.ofCall('call_149')).toHaveLength(2);
  });

  it('finds the records of a process that died between the ledger and its sink', async () => {
    await put('a');
    const script = fileURLToPath(new URL('outbox-process.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, String(server.port)]);
    child.stderr.on('data', (chunk) => process.stderr.write(chunk));
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    const rows = await all();
    expect([rows.length, (await left()).length]).toEqual([2, 1]);
    expect(await outbox.deliverAll()).toBe(2);
    expect([await all(), sink.rows, await left()]).toEqual([rows, rows, []]);
  });

  it('fills the files of a sink, each row once, also where records are delivered again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-outbox-'));
    const files = await CdrSink.open({ folder, node: 'a', maxBytes: 1e6, maxMinutes: 60, now: Date.now });
    const filing = new Outbox({ client, prefix: 'votp', ledger, sink: files });
    for (const again of [false, true]) {
      for (const name of again ? ['a', 'b', 'c'] : ['a', 'b']) await put(name);
      expect(await filing.deliverAll()).toBe(again ? 6 : 4);
    }
    await files.close();
    const [name = '', ...others] = (await readdir(folder)).filter((file) => file.includes('ndjson'));
    expect(others).toEqual([]);
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n').slice(0, -1);
    expect(lines.toSorted()).toEqual((await all()).map(formatLine).toSorted());
    await rm(folder, { recursive: true, force: true });
  });

  it('leaves what is no record where it is, delivers the rest, and says so when it sweeps', async () => {
    await client.rpush(listOf('07'), 'not a record', '{"callId":5,"attempt":1}', 'null');
    await put('a', '07');
    await put('b', 'fe');
    await outbox.deliver('07');
    await expect(outbox.deliverAll()).rejects.toThrow(/07.*3 texts that are no records/);
    expect([sink.rows.length, await left(), await client.llen(listOf('07'))]).toEqual([4, [listOf('07')], 3]);
  });

  it('works across the servers of a Redis Cluster', async () => {
    const servers = await RedisClusterServers.start();
    const cluster = new Cluster([...servers.nodes]);
    try {
      const there = node(cluster);
      for (const family of FAMILIES.slice(0, 40)) await put(`c-${family}`, family, cluster);
      await there.outbox.deliver('07');
      expect(await there.outbox.deliverAll()).toBe(78);
      expect(await verifyLedger(there.ledger)).toMatchObject({ rows: 80, broken: null });
      expect(there.sink.rows).toHaveLength(80);
      const lengths = await Promise.all(FAMILIES.map((family) => cluster.llen(listOf(family))));
      expect(Math.max(...lengths)).toBe(0);
    } finally {
      cluster.disconnect();
      await servers.remove();
    }
  });
});
