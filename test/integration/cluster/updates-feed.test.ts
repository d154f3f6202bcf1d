import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { callEventStream } from '../../../src/api/call-events.ts';
import { ownedCall } from '../../../src/api/owned-call.ts';
import { apply, endCall, markPrepared } from '../../../src/call/apply.ts';
import type { Call } from '../../../src/call/call.ts';
import { CallFeed } from '../../../src/call/feed.ts';
import { NO_MARKS } from '../../../src/prompt/delivered.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { acceptedPair, NOW, SOME_PROMPT } from '../../support/records.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { TestNodes } from './nodes.ts';

const CONTEXT = { trunkId: 't', channel: 'voice', cli: '1', marks: NO_MARKS } as const;

const pair = acceptedPair('a');
const queued: Call = { ...pair.call, node: 'one' };
const prepared = markPrepared(queued, NOW + 1, SOME_PROMPT);
const dialing = apply(prepared, { type: 'trying', at: NOW + 2, leftover: {} }, CONTEXT);
const ringing = apply(dialing, { type: 'ringing', at: NOW + 3, leftover: {} }, CONTEXT);
const answered = apply(ringing, { type: 'answered', at: NOW + 4, codec: 'PCMU', leftover: {} }, CONTEXT);
const over = apply(
  answered,
  { type: 'ended', at: NOW + 5, end: { kind: 'hung_up', by: 'callee', why: 'peer' } },
  CONTEXT,
);
const ended = endCall(over, NOW + 5, 'answered', 'none');

/** One store, as they share it, and what each of two nodes tells. */
describeWithPeer('redis-server', 'events of a call at another node', () => {
  let folder: string;
  let server: RedisServer;
  let nodes: TestNodes;
  let store: SqliteStore;
  let open: AbortController;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-feeds-'));
    store = new SqliteStore({ path: join(folder, 'calls.db'), synchronous: 'normal' });
    await store.accept(pair.verification, queued, null);
    server = await RedisServer.start();
    nodes = new TestNodes(server);
    open = new AbortController();
  });
  afterEach(async () => {
    open.abort();
    nodes.close();
    await server.remove();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  function feed(name: string, pollMs = 600_000): CallFeed {
    const load = (id: string): Promise<Call | undefined> => store.call(id);
    const { peers } = nodes.make(name, { load, pollMs });
    return new CallFeed({ load, onListenerError: (error) => expect.fail(String(error)), peers });
  }

  /** Ids and types of the events, as a client reads them. */
  async function streamed(at: CallFeed, from = 0): Promise<{ events: string[]; stream: Readable }> {
    const stream = await callEventStream(at, queued.id, { from, signal: open.signal });
    const events: string[] = [];
    stream.on('data', (chunk: string | Buffer) => {
      const frame = /^id: (\d+)\nevent: (\w+)\n/.exec(String(chunk));
      if (frame !== null) events.push(`${frame[1]} ${frame[2]}`);
    });
    return { events, stream };
  }

  async function subscribed(count: number): Promise<void> {
    const client = nodes.client();
    await eventually(async () => expect(await client.pubsub('CHANNELS', 'test:call:*')).toHaveLength(count));
  }

  const all = ended.timeline.map(({ type }, index) => `${index} ${type}`);

  it('come at once, each once and in order, and end with the call', async () => {
    const [one, two] = [feed('one'), feed('two')];
    const here = await streamed(one);
    const there = await streamed(two);
    const later = await streamed(two, 1);
    await subscribed(1);
    for (const call of [prepared, dialing, ringing, answered, over]) {
      if (call !== over) await store.saveCall(call);
      one.publish(call);
    }
    await eventually(() => expect(there.events).toEqual(all.slice(0, -1)));
    await store.finishCall(ended, false, NOW + 6);
    one.publish(ended);
    for (const { stream } of [here, there, later]) {
      await eventually(() => expect(stream.destroyed).toBe(true));
    }
    expect([here.events, there.events, later.events]).toEqual([all, all, all.slice(1)]);
    await subscribed(0);
  });

  it('come from whoever carries the call, as it moves there and back', async () => {
    const [one, two] = [feed('one'), feed('two')];
    const streams = [await streamed(one), await streamed(two)];
    one.publish(prepared);
    await store.saveCall(prepared);
    await store.moveCall(queued.id, { from: 'one', to: 'two', attempt: 'none' });
    one.forget(queued.id);
    await subscribed(1);
    const there = { ...dialing, node: 'two' };
    await store.saveCall(there);
    two.publish(there);
    for (const { events } of streams) await eventually(() => expect(events).toEqual(all.slice(0, 3)));
    await store.moveCall(queued.id, { from: 'two', to: 'one', attempt: 'any' });
    two.forget(queued.id);
    const back = endCall({ ...dialing, node: 'one' }, NOW + 9, 'interrupted', 'us');
    await store.finishCall(back, false, NOW + 9);
    one.publish(back);
    for (const { stream, events } of streams) {
      await eventually(() => expect(stream.destroyed).toBe(true));
      expect(events).toEqual([...all.slice(0, 3), '3 ended']);
    }
    await subscribed(0);
  });

  it('come from the store where what a node said was lost, and where it died', async () => {
    const two = feed('two', 100);
    const { events, stream } = await streamed(two);
    await store.saveCall(ringing);
    await eventually(() => expect(events).toEqual(all.slice(0, 4)));
    await store.finishCall(endCall(ringing, NOW + 9, 'interrupted', 'us'), false, NOW + 9);
    await eventually(() => expect(stream.destroyed).toBe(true));
    expect(events.at(-1)).toBe('4 ended');
    await subscribed(0);
  });

  it('cost nothing once the reader has gone', async () => {
    const two = feed('two');
    const { stream } = await streamed(two);
    await subscribed(1);
    open.abort();
    await subscribed(0);
    await eventually(() => expect(stream.destroyed).toBe(true));
  });

  it('cost nothing where a call is only read', async () => {
    const two = feed('two');
    const client = nodes.client();
    const before = await client.info('commandstats');
    expect((await ownedCall(two, queued.id, 'shop')).state).toBe('queued');
    await expect(ownedCall(two, queued.id, 'other')).rejects.toMatchObject({ code: 'not_found' });
    await expect(ownedCall(two, 'call_b', 'shop')).rejects.toMatchObject({ code: 'not_found' });
    const after = await client.info('commandstats');
    for (const stats of [before, after]) expect(stats).not.toMatch(/cmdstat_(subscribe|publish)/);
  });
});
