import { beforeEach, describe, expect, it } from 'vitest';
import { LocalCapacity } from '../../../src/trunk/local-capacity.ts';
import type { OpeningTerms, Passed } from '../../../src/trunk/openings.ts';
import { openings } from '../../../src/trunk/openings.ts';
import type { RouteGround } from '../../../src/trunk/route.ts';
import { TrunkStates } from '../../../src/trunk/trunk-states.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const NEVER = new AbortController().signal;

let clock: FakeClock;
let capacity: LocalCapacity;
let states: TrunkStates;
/** Ids of the trunks, in the order in which they were opened, and when. */
let opened: [string, number][];

beforeEach(() => {
  clock = new FakeClock();
  states = new TrunkStates({ clock });
  opened = [];
});

function limits(channels: Readonly<Record<string, number>>): void {
  const { elapsed, wake } = clock;
  capacity = new LocalCapacity(
    Object.entries(channels).map(([id, count]) => ({ id, channels: count })),
    { elapsed, wake, recent: new Map() },
  );
}

function routeOf(ids: readonly string[], why: RouteGround = 'order') {
  return ids.map((trunkId, i) => ({
    trunkId,
    condition: 'up' as const,
    reasons: [],
    served: { prefix: '+' },
    priority: 1,
    weight: 0,
    approvals: { approved: 0, of: 0 },
    place: i + 1,
    why,
    share: null,
  }));
}

interface Use {
  readonly enough?: number;
  readonly holdMs?: number;
  readonly signal?: AbortSignal;
  readonly why?: RouteGround;
  readonly leftMs?: number;
}

/** Goes through the openings, each held for so long, until there is none or `enough` says so. */
async function use(
  ids: readonly string[],
  { enough = 9, holdMs = 0, signal = NEVER, why = 'order', leftMs = 30_000 }: Use = {},
): Promise<readonly Passed[] | 'enough'> {
  const begin = clock.elapsed();
  const terms: OpeningTerms = {
    callId: 'call_a',
    priority: 5,
    nextTrunkMs: 2000,
    leftMs: () => begin + leftMs - clock.elapsed(),
  };
  const ways = openings(routeOf(ids, why), terms, { capacity, states }, signal);
  for (;;) {
    const next = await ways.next();
    if (next.done === true) return next.value;
    opened.push([next.value.way.trunkId, clock.elapsed() - begin]);
    if (holdMs > 0) await clock.wait(holdMs);
    if (opened.length >= enough) {
      await ways.return([]);
      return 'enough';
    }
  }
}

async function inUse(): Promise<Readonly<Record<string, number>>> {
  return Object.fromEntries((await capacity.use()).map((one) => [one.trunkId, one.inUse]));
}

/** All of a trunk's channels, until the time is over. */
async function fill(trunkId: string, forMs: number): Promise<void> {
  const permit = await capacity.occupy(trunkId);
  clock.wake(forMs, () => permit.release());
}

describe('openings', () => {
  it('gives one trunk after the other, and takes each back', async () => {
    limits({ a: 1, b: 1 });
    const ways = openings(
      routeOf(['a', 'b']),
      { callId: 'call_a', priority: 5, nextTrunkMs: 2000, leftMs: () => 1000 },
      { capacity, states },
      NEVER,
    );
    expect((await ways.next()).value).toMatchObject({ way: { trunkId: 'a' } });
    expect(await inUse()).toEqual({ a: 1, b: 0 });
    expect((await ways.next()).value).toMatchObject({ way: { trunkId: 'b' } });
    expect(await inUse()).toEqual({ a: 0, b: 1 });
    await ways.return([]);
    expect(await inUse()).toEqual({ a: 0, b: 0 });
  });

  it('takes the last one back where the one who asked failed', async () => {
    limits({ a: 1 });
    const failing = async (): Promise<void> => {
      const terms = { callId: 'call_a', priority: 5, nextTrunkMs: 0, leftMs: () => 1000 };
      for await (const _ of openings(routeOf(['a']), terms, { capacity, states }, NEVER))
        throw new Error('bug');
    };
    await expect(failing()).rejects.toThrow('bug');
    expect(await inUse()).toEqual({ a: 0 });
  });

  it('goes on to the next one when a trunk is full for too long, and comes back to it', async () => {
    limits({ a: 1, b: 1 });
    await fill('a', 10_000);
    const used = use(['a', 'b']);
    await clock.pass(20_000);
    expect(await used).toEqual([]);
    expect(opened).toEqual([
      ['b', 2000],
      ['a', 10_000],
    ]);
  });

  it('waits a little for the better one', async () => {
    limits({ a: 1, b: 1 });
    await fill('a', 1500);
    const used = use(['a', 'b'], { enough: 1 });
    await clock.pass(20_000);
    expect(await used).toBe('enough');
    expect(opened).toEqual([['a', 1500]]);
  });

  it('takes whichever has room first when none has, and does not keep the other', async () => {
    limits({ a: 1, b: 1, c: 1 });
    await fill('a', 20_000);
    await fill('b', 9000);
    await fill('c', 9500);
    const used = use(['a', 'b', 'c'], { enough: 1 });
    await clock.pass(60_000);
    expect(await used).toBe('enough');
    expect(opened).toEqual([['b', 9000]]);
    expect(await inUse()).toEqual({ a: 0, b: 0, c: 0 });
    expect((await capacity.use()).map(({ waiting }) => waiting)).toEqual([0, 0, 0]);
    expect(clock.pending).toBe(0);
  });

  it('ends when the time of the call is over, and says which trunks it passed over', async () => {
    limits({ a: 1, b: 1 });
    await fill('a', 60_000);
    const used = use(['a', 'b'], { leftMs: 5000 });
    await clock.pass(4999);
    expect(opened).toEqual([['b', 2000]]);
    await clock.pass(1);
    expect(await used).toEqual([{ trunkId: 'a', why: 'deadline' }]);
  });

  it('waits for the only trunk as long as it can', async () => {
    limits({ a: 1 });
    await fill('a', 29_000);
    const used = use(['a']);
    await clock.pass(30_000);
    expect(await used).toEqual([]);
    expect(opened).toEqual([['a', 29_000]]);
  });

  it('passes over a trunk whose calls fail meanwhile, but not where there is no other', async () => {
    limits({ a: 1, b: 1 });
    for (let i = 0; i < 5; i++) states.begin('a')?.end('fails');
    expect(await use(['a', 'b'])).toEqual([{ trunkId: 'a', why: 'out_of_service' }]);
    expect(opened).toEqual([['b', 0]]);
    opened = [];
    await use(['a']);
    await use(['a'], { why: 'last_resort' });
    await use(['a', 'b'], { why: 'carrier_id', enough: 3 });
    expect(opened.map(([id]) => id)).toEqual(['a', 'a', 'a']);
    expect(await inUse()).toEqual({ a: 0, b: 0 });
  });

  it('lets a trial that says nothing be followed by another', async () => {
    limits({ a: 1 });
    for (let i = 0; i < 5; i++) states.begin('a')?.end('fails');
    await clock.pass(10_000);
    expect(states.of('a').trial).toBe(true);
    await use(['a']);
    expect(states.of('a').trial).toBe(true);
  });

  it('ends when the call is given up', async () => {
    limits({ a: 1, b: 1 });
    await fill('a', 60_000);
    const hangUp = new AbortController();
    const used = use(['a', 'b'], { signal: hangUp.signal, holdMs: 500 });
    await clock.pass(1000);
    hangUp.abort();
    await clock.pass(1000);
    expect(await used).toEqual([
      { trunkId: 'a', why: 'aborted' },
      { trunkId: 'b', why: 'aborted' },
    ]);
    expect(opened).toEqual([]);
    expect(await inUse()).toEqual({ a: 1, b: 0 });
  });
});
