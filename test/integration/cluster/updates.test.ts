import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { apply, endCall, markPrepared } from '../../../src/call/apply.ts';
import type { Call } from '../../../src/call/call.ts';
import { shownCall } from '../../../src/cluster/shown-call.ts';
import { NO_MARKS } from '../../../src/prompt/delivered.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { acceptedPair, NOW, SOME_PROMPT } from '../../support/records.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { TestNodes } from './nodes.ts';

const CONTEXT = { trunkId: 't', channel: 'voice', cli: '1', marks: NO_MARKS } as const;
const queued: Call = { ...acceptedPair('a').call, node: 'one.1', sealedPlaylist: 'c2VhbGVkLXdvcmRz' };
const prepared = markPrepared(queued, NOW + 1, SOME_PROMPT);
const dialing = apply(prepared, { type: 'trying', at: NOW + 2, leftover: { a: 'way-to-end-it' } }, CONTEXT);
const ringing = apply(dialing, { type: 'ringing', at: NOW + 3, leftover: { a: 'way-to-end-it' } }, CONTEXT);
const ended = endCall(ringing, NOW + 4, 'canceled', 'none');
const CHANNEL = `test:call:${queued.id}`;
/** Nothing is read from the store by the clock within a test. */
const NEVER_MS = 600_000;

describeWithPeer('redis-server', 'how a call is followed at another node', () => {
  let server: RedisServer;
  let nodes: TestNodes;
  let client: Redis;
  let stored: Call | undefined;

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.remove());
  beforeEach(() => {
    nodes = new TestNodes(server);
    client = nodes.client();
    stored = queued;
  });
  afterEach(() => nodes.close());

  const load = async (): Promise<Call | undefined> => stored;

  async function subscribers(): Promise<number> {
    const [, count] = (await client.pubsub('NUMSUB', CHANNEL)) as [string, number];
    return count;
  }

  function follower(pollMs = NEVER_MS): { seen: Call[]; stop: () => void; lengths: () => number[] } {
    const { peers } = nodes.make('two', { load, pollMs });
    const seen: Call[] = [];
    const stop = peers.follow(queued.id, (call) => seen.push(call));
    return { seen, stop, lengths: () => seen.map(({ timeline }) => timeline.length) };
  }

  /** Whatever was published before has been heard by now. */
  async function settled(...followers: { lengths: () => number[] }[]): Promise<void> {
    await client.publish(CHANNEL, JSON.stringify(shownCall(ended)));
    for (const { lengths } of followers) await eventually(() => expect(lengths().at(-1)).toBe(5));
  }

  it('begins with what is stored, and goes on in order to the end', async () => {
    const { peers } = nodes.make('one', { load });
    const { lengths, seen } = follower();
    await eventually(() => expect(lengths()).toEqual([1]));
    for (const [i, call] of [prepared, dialing, ringing, ended].entries()) {
      await eventually(() => {
        peers.publish(call);
        expect(lengths()).toHaveLength(i + 2);
      });
    }
    expect(lengths()).toEqual([1, 2, 3, 4, 5]);
    expect(seen.at(-1)).toEqual(shownCall(ended));
    await eventually(async () => expect(await subscribers()).toBe(0));
  });

  it('tells what changes in one turn of the event loop as one, without what is sealed', async () => {
    const { peers } = nodes.make('one', { load });
    const texts: string[] = [];
    const ear = nodes.client();
    ear.on('message', (_, text: string) => texts.push(text));
    await ear.subscribe(CHANNEL);
    await eventually(() => {
      peers.publish(prepared);
      peers.publish(dialing);
      peers.publish(ringing);
      expect(texts.length).toBeGreaterThan(0);
    });
    expect(new Set(texts)).toEqual(new Set([JSON.stringify(shownCall(ringing))]));
    expect(texts[0]).not.toMatch(/c2VhbGVkLXdvcmRz|way-to-end-it/);
  });

  it('never tells an older state after a newer one', async () => {
    const one = follower();
    await eventually(() => expect(one.lengths()).toEqual([1]));
    for (const call of [dialing, prepared, queued, dialing, ringing, dialing]) {
      await client.publish(CHANNEL, JSON.stringify(shownCall(call)));
    }
    await settled(one);
    expect(one.lengths()).toEqual([1, 3, 4, 5]);
  });

  it('makes up for what was lost, from the store', async () => {
    const one = follower(100);
    await eventually(() => expect(one.lengths()).toEqual([1]));
    stored = dialing;
    await eventually(() => expect(one.lengths()).toEqual([1, 3]));
    stored = ended;
    await eventually(() => expect(one.lengths()).toEqual([1, 3, 5]));
    await eventually(async () => expect(await subscribers()).toBe(0));
  });

  it('reads the store again where the connection was lost, without waiting', async () => {
    const one = follower();
    await eventually(() => expect(one.lengths()).toEqual([1]));
    stored = dialing;
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await eventually(() => expect(one.lengths()).toEqual([1, 3]));
    await settled(one);
  });

  it('goes on after a restart of Redis', async () => {
    const { peers } = nodes.make('one', { load });
    const one = follower();
    await eventually(() => expect(one.lengths()).toEqual([1]));
    await server.stop();
    // Nobody hears it, and nothing fails.
    peers.publish(prepared);
    stored = dialing;
    await server.again();
    await eventually(() => expect(one.lengths()).toEqual([1, 3]));
    await eventually(() => {
      peers.publish(ringing);
      expect(one.lengths()).toEqual([1, 3, 4]);
    });
  });

  it('waits for a store that is away', async () => {
    let away = true;
    const { peers } = nodes.make('two', {
      pollMs: 50,
      load: async () => {
        if (away) throw new Error('away');
        return dialing;
      },
    });
    const seen: Call[] = [];
    peers.follow(queued.id, (call) => seen.push(call));
    await eventually(async () => expect(await subscribers()).toBe(1));
    expect(seen).toEqual([]);
    away = false;
    await eventually(() => expect(seen).toEqual([dialing]));
  });

  it('goes on from what is stored where another node carries the call now', async () => {
    const one = follower();
    await eventually(() => expect(one.lengths()).toEqual([1]));
    await client.publish(CHANNEL, JSON.stringify(shownCall(ringing)));
    await eventually(() => expect(one.lengths()).toEqual([1, 4]));
    // The first node died before it had stored that it rings.
    const moved = { ...dialing, node: 'two.1' };
    stored = moved;
    await client.publish(CHANNEL, JSON.stringify(shownCall(moved)));
    await eventually(() => expect(one.lengths()).toEqual([1, 4, 3]));
    // What the first one says when it wakes is not believed.
    await client.publish(CHANNEL, JSON.stringify(shownCall(ringing)));
    const over = endCall(moved, NOW + 9, 'interrupted', 'us');
    await client.publish(CHANNEL, JSON.stringify(shownCall(over)));
    await eventually(() => expect(one.lengths()).toEqual([1, 4, 3, 4]));
    expect(one.seen.at(-1)?.disposition).toBe('interrupted');
  });

  it('is one subscription for all who listen, and none afterwards', async () => {
    const { peers } = nodes.make('two', { load, pollMs: NEVER_MS });
    const seen: number[][] = [[], [], []];
    const stops = seen.map((one) => peers.follow(queued.id, ({ timeline }) => one.push(timeline.length)));
    await eventually(() => expect(seen).toEqual([[1], [1], [1]]));
    expect(await subscribers()).toBe(1);
    stops[0]?.();
    stops[0]?.();
    stops[1]?.();
    await client.publish(CHANNEL, JSON.stringify(shownCall(prepared)));
    await eventually(() => expect(seen).toEqual([[1], [1], [1, 2]]));
    // Who comes later begins with what is known.
    const late: number[] = [];
    stops.push(peers.follow(queued.id, ({ timeline }) => late.push(timeline.length)));
    await eventually(() => expect(late).toEqual([2]));
    for (const stop of stops) stop();
    await eventually(async () => expect(await subscribers()).toBe(0));
    // And again, at once.
    for (let i = 0; i < 20; i++) peers.follow(queued.id, () => undefined)();
    const last = peers.follow(queued.id, ({ timeline }) => late.push(timeline.length));
    await eventually(() => expect(late).toEqual([2, 1]));
    expect(await subscribers()).toBe(1);
    last();
    await eventually(async () => expect(await subscribers()).toBe(0));
  });

  it('leaves no subscription where the connection was lost while it ended', async () => {
    const one = follower();
    await eventually(() => expect(one.lengths()).toEqual([1]));
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    one.stop();
    const other = nodes.make('three', { load });
    other.peers.follow(queued.id, () => undefined);
    await eventually(async () => expect(await subscribers()).toBe(1));
    other.peers.close();
    await eventually(async () => expect(await subscribers()).toBe(0));
  });

  it('drops what is no call, and what throws', async () => {
    const node = nodes.make('two', { load, pollMs: NEVER_MS });
    const seen: number[] = [];
    node.peers.follow(queued.id, () => {
      throw new Error('a broken listener');
    });
    node.peers.follow(queued.id, ({ timeline }) => seen.push(timeline.length));
    await eventually(() => expect(seen).toEqual([1]));
    await client.publish(CHANNEL, 'nonsense');
    await client.publish(CHANNEL, JSON.stringify(shownCall({ ...dialing, id: 'call_b' })));
    await client.publish(CHANNEL, JSON.stringify(shownCall(ringing)));
    await eventually(() => expect(seen).toEqual([1, 4]));
    expect(node.logged.filter((line) => line.includes('is not understood'))).toHaveLength(2);
    expect(node.logged.join('')).toContain('a broken listener');
  });
});
