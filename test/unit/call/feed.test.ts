import { describe, expect, it } from 'vitest';
import { apply, endCall, markPrepared } from '../../../src/call/apply.ts';
import type { Call } from '../../../src/call/call.ts';
import { CallFeed } from '../../../src/call/feed.ts';
import { NO_MARKS } from '../../../src/prompt/delivered.ts';
import { acceptedPair, NOW, SOME_PROMPT } from '../../support/records.ts';

const queued = acceptedPair('a').call;
const prepared = markPrepared(queued, NOW + 1, SOME_PROMPT);
const dialing = apply(
  prepared,
  { type: 'trying', at: NOW + 2, leftover: {} },
  { trunkId: 't', channel: 'voice', cli: '1', marks: NO_MARKS },
);
const ended = endCall(dialing, NOW + 3, 'canceled', 'none');

function feedOver(load: () => Promise<Call | undefined>): { feed: CallFeed; errors: unknown[] } {
  const errors: unknown[] = [];
  return { feed: new CallFeed({ load, onListenerError: (error) => errors.push(error) }), errors };
}

function recorder(): {
  seen: string[];
  listener: (update: { index: number; entry: { type: string } }) => void;
} {
  const seen: string[] = [];
  return { seen, listener: ({ index, entry }) => seen.push(`${index} ${entry.type}`) };
}

const ALL = ['0 queued', '1 prepared', '2 trying', '3 ended'];

describe('CallFeed', () => {
  it('tells what was and what comes', async () => {
    const { feed } = feedOver(async () => queued);
    const { seen, listener } = recorder();
    await feed.subscribe(queued.id, listener);
    expect(seen).toEqual(['0 queued']);
    feed.publish(prepared);
    feed.publish(dialing);
    feed.publish(ended);
    expect(seen).toEqual(ALL);
  });

  it('has neither gaps nor repeats where the call goes on while the store is read', async () => {
    const answers: ((call: Call) => void)[] = [];
    const { feed } = feedOver(
      () =>
        new Promise((resolve) => {
          answers.push(resolve);
        }),
    );
    const { seen, listener } = recorder();
    const subscribed = feed.subscribe(queued.id, listener);
    feed.publish(dialing);
    answers[0]?.(queued);
    await subscribed;
    feed.publish(ended);
    expect(seen).toEqual(ALL);
  });

  it('knows of a call under way what the store does not hold yet', async () => {
    const { feed } = feedOver(async () => queued);
    feed.publish(dialing);
    const { seen, listener } = recorder();
    await feed.subscribe(queued.id, listener);
    expect(seen).toEqual(ALL.slice(0, 3));
  });

  it('goes on after the entry that a listener names', async () => {
    const { feed } = feedOver(async () => ended);
    const { seen, listener } = recorder();
    await feed.subscribe(queued.id, listener, 2);
    expect(seen).toEqual(ALL.slice(2));
  });

  it('is silent about calls that nobody knows', async () => {
    const { feed } = feedOver(async () => undefined);
    const { seen, listener } = recorder();
    await feed.subscribe('call_x', listener);
    expect(seen).toEqual([]);
  });

  it('stops where the listener wants it, also from within', async () => {
    const { feed } = feedOver(async () => queued);
    const one = recorder();
    const unsubscribe = await feed.subscribe(queued.id, one.listener);
    const two: string[] = [];
    const stop = await feed.subscribe(queued.id, ({ entry }) => {
      two.push(entry.type);
      if (entry.type === 'prepared') {
        stop();
      }
    });
    unsubscribe();
    feed.publish(dialing);
    expect(one.seen).toEqual(['0 queued']);
    expect(two).toEqual(['queued', 'prepared']);
  });

  it('drops a listener that throws, and tells the others', async () => {
    const { feed, errors } = feedOver(async () => queued);
    await feed.subscribe(queued.id, ({ entry }) => {
      if (entry.type === 'prepared') {
        throw new Error('broken pipe');
      }
    });
    const { seen, listener } = recorder();
    await feed.subscribe(queued.id, listener);
    feed.publish(ended);
    expect(seen).toEqual(ALL);
    expect(errors).toHaveLength(1);
  });

  it('says so when the store cannot be read', async () => {
    const { feed } = feedOver(async () => {
      throw new Error('gone');
    });
    await expect(feed.subscribe('call_a', recorder().listener)).rejects.toThrow('gone');
  });
});
