import { describe, expect, it } from 'vitest';
import { apply, endCall, markPrepared } from '../../../src/call/apply.ts';
import type { Call } from '../../../src/call/call.ts';
import { CallFeed } from '../../../src/call/feed.ts';
import { NO_MARKS } from '../../../src/prompt/delivered.ts';
import { acceptedPair, NOW, SOME_PROMPT } from '../../support/records.ts';

const CONTEXT = { trunkId: 't', channel: 'voice', cli: '1', marks: NO_MARKS } as const;

const queued = acceptedPair('a').call;
const prepared = markPrepared(queued, NOW + 1, SOME_PROMPT);
const dialing = apply(prepared, { type: 'trying', at: NOW + 2, leftover: {} }, CONTEXT);
const ringing = apply(dialing, { type: 'ringing', at: NOW + 3, leftover: {} }, CONTEXT);
const ended = endCall(ringing, NOW + 4, 'canceled', 'none');
const ALL = ['0 queued', '1 prepared', '2 trying', '3 ringing', '4 ended'];

/** Another process: what it is told, who follows it, and what it tells. */
class Elsewhere {
  readonly told: Call[] = [];
  readonly #listeners = new Set<(call: Call) => void>();

  get followers(): number {
    return this.#listeners.size;
  }

  publish(call: Call): void {
    this.told.push(call);
  }

  follow(_callId: string, listener: (call: Call) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  say(call: Call): void {
    for (const listener of this.#listeners) listener(call);
  }
}

function feedWith(stored: () => Call | undefined): { feed: CallFeed; peers: Elsewhere } {
  const peers = new Elsewhere();
  const feed = new CallFeed({ load: async () => stored(), onListenerError: () => undefined, peers });
  return { feed, peers };
}

async function recorded(feed: CallFeed, from = 0): Promise<{ seen: string[]; unsubscribe: () => void }> {
  const seen: string[] = [];
  const unsubscribe = await feed.subscribe(
    queued.id,
    ({ index, entry }) => seen.push(`${index} ${entry.type}`),
    from,
  );
  return { seen, unsubscribe };
}

describe('CallFeed among other processes', () => {
  it('tells them what happens to its own calls', () => {
    const { feed, peers } = feedWith(() => queued);
    feed.publish(prepared);
    feed.publish(ended);
    expect(peers.told).toEqual([prepared, ended]);
  });

  it('follows a call that another one carries, and no longer than until its end', async () => {
    const { feed, peers } = feedWith(() => queued);
    const { seen } = await recorded(feed);
    peers.say(dialing);
    peers.say(prepared);
    peers.say(dialing);
    expect(peers.followers).toBe(1);
    peers.say(ended);
    expect(seen).toEqual(ALL);
    expect(peers.followers).toBe(0);
  });

  it('follows once for all who listen, until the last one leaves', async () => {
    const { feed, peers } = feedWith(() => queued);
    const one = await recorded(feed);
    const two = await recorded(feed, 2);
    expect(peers.followers).toBe(1);
    peers.say(dialing);
    one.unsubscribe();
    expect(peers.followers).toBe(1);
    peers.say(ringing);
    two.unsubscribe();
    two.unsubscribe();
    expect(peers.followers).toBe(0);
    expect(one.seen).toEqual(ALL.slice(0, 3));
    expect(two.seen).toEqual(ALL.slice(2, 4));
  });

  it('follows neither its own calls, nor those that have ended or that nobody knows', async () => {
    let stored: Call | undefined = queued;
    const { feed, peers } = feedWith(() => stored);
    feed.publish(prepared);
    const own = await recorded(feed);
    expect(peers.followers).toBe(0);
    own.unsubscribe();
    feed.publish(ended);
    stored = ended;
    await recorded(feed);
    stored = undefined;
    await recorded(feed);
    expect(peers.followers).toBe(0);
  });

  it('does not follow for the sake of one look', async () => {
    const { feed, peers } = feedWith(() => queued);
    expect(await feed.current(queued.id)).toBe(queued);
    feed.publish(dialing);
    expect(await feed.current(queued.id)).toBe(dialing);
    expect(peers.followers).toBe(0);
  });

  it('goes on where the call moves away', async () => {
    const { feed, peers } = feedWith(() => queued);
    feed.publish(prepared);
    const { seen } = await recorded(feed);
    feed.forget(queued.id);
    expect(peers.followers).toBe(1);
    peers.say(ringing);
    peers.say(ended);
    expect(seen).toEqual(ALL);
    expect(peers.followers).toBe(0);
  });

  it('follows nobody for a call that is forgotten, where none listens', () => {
    const { feed, peers } = feedWith(() => queued);
    feed.publish(prepared);
    feed.forget(queued.id);
    expect(peers.followers).toBe(0);
  });

  it('goes on where the call comes here', async () => {
    const { feed, peers } = feedWith(() => queued);
    const { seen } = await recorded(feed);
    peers.say(prepared);
    feed.publish(ringing);
    expect(peers.followers).toBe(0);
    feed.publish(ended);
    expect(seen).toEqual(ALL);
  });

  it('goes on where the call comes here while it is read', async () => {
    const answers: (() => void)[] = [];
    const peers = new Elsewhere();
    const load = (): Promise<Call> =>
      new Promise((resolve) => {
        answers.push(() => resolve(queued));
      });
    const feed = new CallFeed({ load, onListenerError: () => undefined, peers });
    const subscribed = recorded(feed);
    feed.publish(dialing);
    answers[0]?.();
    const { seen } = await subscribed;
    expect(peers.followers).toBe(0);
    feed.publish(ended);
    expect(seen).toEqual(ALL);
  });

  it('tells the end of a call whose process was lost with what it had told and not stored', async () => {
    const { feed, peers } = feedWith(() => dialing);
    const whole = await recorded(feed);
    peers.say(ringing);
    const late = await recorded(feed, 4);
    // From what was stored: without the ringing.
    const interrupted = endCall(dialing, NOW + 9, 'interrupted', 'us');
    peers.say(interrupted);
    expect(whole.seen).toEqual([...ALL.slice(0, 4), '3 ended']);
    expect(late.seen).toEqual(['3 ended']);
    expect(peers.followers).toBe(0);
  });

  it('stops following for a listener that throws or leaves from within', async () => {
    const { feed, peers } = feedWith(() => queued);
    await feed.subscribe(queued.id, ({ entry }) => {
      if (entry.type === 'trying') throw new Error('broken pipe');
    });
    const stop = await feed.subscribe(queued.id, ({ entry }) => {
      if (entry.type === 'trying') stop();
    });
    expect(peers.followers).toBe(1);
    peers.say(dialing);
    expect(peers.followers).toBe(0);
  });
});
