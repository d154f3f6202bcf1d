import { setMaxListeners } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CapacityAnswer, CapacityWish, Permit, TrunkLimits } from '../../../src/trunk/capacity.ts';
import type { LocalCapacityOptions } from '../../../src/trunk/local-capacity.ts';
import { LocalCapacity } from '../../../src/trunk/local-capacity.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);
const KNOWN = new Map<string, readonly number[]>();
/** The guard of 20 ms makes a second of five INVITEs this long for each. */
const GAP_MS = 1020 / 5;

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

function capacityOf(
  limits: Partial<TrunkLimits>,
  options: Partial<LocalCapacityOptions> = {},
): LocalCapacity {
  const { elapsed, wake } = clock;
  return new LocalCapacity([{ id: 'alpha', ...limits }], { elapsed, wake, recent: KNOWN, ...options });
}

function wish(change: Partial<CapacityWish> = {}): CapacityWish {
  return { trunkId: 'alpha', callId: 'call_a', priority: 5, waitMs: 60_000, ...change };
}

function permitOf(answer: CapacityAnswer): Permit {
  if (answer.kind !== 'permit') throw new Error(`no permit: ${JSON.stringify(answer)}`);
  return answer.permit;
}

/** Asks, and sends as soon as it may; tells when that was, from the beginning of the test. */
function sending(capacity: LocalCapacity, count: number, change: Partial<CapacityWish> = {}): number[] {
  const sentAt: number[] = [];
  const begin = clock.elapsed();
  for (let i = 0; i < count; i++) {
    void capacity.acquire(wish(change), NEVER).then((answer) => {
      permitOf(answer).sent();
      sentAt.push(clock.elapsed() - begin);
    });
  }
  return sentAt;
}

/** The most that are within any second, begin included, end excluded. */
function mostInASecond(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return Math.max(0, ...sorted.map((from, i) => sorted.slice(i).filter((at) => at < from + 1000).length));
}

async function useOf(capacity: LocalCapacity) {
  const [use] = await capacity.use();
  if (use === undefined) throw new Error('no trunk');
  return use;
}

describe('LocalCapacity: INVITEs per second', () => {
  it('sends the first at once and spreads a burst of 50 evenly', async () => {
    const sentAt = sending(capacityOf({ cps: 5 }), 50);
    await clock.passAll(60_000);
    expect(sentAt).toHaveLength(50);
    expect(sentAt.slice(0, 3)).toEqual([0, GAP_MS, 2 * GAP_MS]);
    expect(mostInASecond(sentAt)).toBe(5);
    expect(Math.max(...sentAt)).toBeLessThan(50 * GAP_MS);
  });

  it('counts an INVITE from when it left, however late that is', async () => {
    const capacity = capacityOf({ cps: 2 });
    const first = permitOf(await capacity.acquire(wish(), NEVER));
    const later = sending(capacity, 2);
    await clock.pass(5000);
    // The first is still about to leave, the second has left 4.5 s ago: the third has its place.
    expect(later).toEqual([510, 1530]);
    const last = sending(capacity, 2);
    first.sent();
    await clock.pass(3000);
    expect(mostInASecond([5000, ...last.map((at) => at + 5000)])).toBe(2);
  });

  it('lets nothing leave while as many as may are about to', async () => {
    const capacity = capacityOf({ cps: 1 });
    const first = permitOf(await capacity.acquire(wish(), NEVER));
    const sentAt = sending(capacity, 1);
    await clock.pass(10_000);
    expect(sentAt).toEqual([]);
    first.sent();
    await clock.pass(1019);
    expect(sentAt).toEqual([]);
    await clock.pass(1);
    expect(sentAt).toEqual([11_020]);
  });

  it('does not count an INVITE that never left', async () => {
    const capacity = capacityOf({ cps: 1 });
    permitOf(await capacity.acquire(wish(), NEVER)).release();
    expect(await useOf(capacity)).toMatchObject({ inUse: 0, invites: 0 });
    const sentAt = sending(capacity, 1);
    await clock.pass(1020);
    expect(sentAt).toEqual([1020]);
  });

  it('counts one that has left after its call is over', async () => {
    const capacity = capacityOf({ cps: 1 });
    const permit = permitOf(await capacity.acquire(wish(), NEVER));
    permit.sent();
    permit.release();
    permit.sent();
    expect(await useOf(capacity)).toMatchObject({ inUse: 0, invites: 1 });
    await clock.pass(1020);
    expect(await useOf(capacity)).toMatchObject({ invites: 0 });
  });

  it('counts an INVITE that was handed over until it has left, also when its call is over', async () => {
    const capacity = capacityOf({ cps: 1 });
    const permit = permitOf(await capacity.acquire(wish(), NEVER));
    const over = permit.keep();
    permit.leaving();
    permit.release();
    const sentAt = sending(capacity, 1);
    await clock.pass(3000);
    permit.sent();
    await clock.pass(1019);
    over();
    expect(sentAt).toEqual([]);
    await clock.pass(1);
    expect(sentAt).toEqual([4020]);
  });

  it('counts one that was handed over and never heard of as sent in the end', async () => {
    const capacity = capacityOf({ cps: 1 });
    const permit = permitOf(await capacity.acquire(wish(), NEVER));
    const over = permit.keep();
    permit.leaving();
    permit.release();
    const sentAt = sending(capacity, 1);
    await clock.pass(3000);
    over();
    await clock.pass(1020);
    expect(sentAt).toEqual([4020]);
  });

  it('waits for a second where it does not know what left before', async () => {
    const { elapsed, wake } = clock;
    const sentAt = sending(new LocalCapacity([{ id: 'alpha', cps: 5 }], { elapsed, wake }), 2);
    await clock.passAll(5000);
    expect(sentAt).toEqual([1020, 1020 + GAP_MS]);
  });

  it('goes on where the process before it ended', async () => {
    const before = capacityOf({ cps: 5 });
    const first = sending(before, 5);
    await clock.pass(900);
    await before.close();
    const recent = new Map([...before.recent()].map(([id, ages]) => [id, ages.map((age) => age + 10)]));
    await clock.pass(10);
    const then = sending(capacityOf({ cps: 5 }, { recent }), 5);
    await clock.passAll(5000);
    expect(first).toHaveLength(5);
    expect(mostInASecond([...first, ...then.map((at) => at + 910)])).toBe(5);
  });

  it('keeps to a lower limit from when it is told, and waits for a second with its first one', async () => {
    const capacity = capacityOf({ cps: 5 });
    const before = sending(capacity, 5);
    await clock.pass(1000);
    capacity.limit([{ id: 'alpha', cps: 2 }]);
    const after = sending(capacity, 4);
    await clock.passAll(10_000);
    expect(mostInASecond([...before.slice(-1), ...after.map((at) => at + 1000)])).toBeLessThanOrEqual(2);
    capacity.limit([{ id: 'alpha' }]);
    expect(await useOf(capacity)).toMatchObject({ cps: null, invites: 0 });
    capacity.limit([{ id: 'alpha', cps: 2 }]);
    const begin = clock.elapsed();
    const again = sending(capacity, 1);
    await clock.passAll(10_000);
    expect(again).toEqual([1020]);
    expect(clock.elapsed() - begin).toBe(1020);
  });

  it('reaches a high rate with timers that come late', async () => {
    const { elapsed } = clock;
    const late = (ms: number, work: () => void): (() => void) => clock.wake(ms + 2, work);
    const sentAt = sending(
      new LocalCapacity([{ id: 'alpha', cps: 100 }], { elapsed, wake: late, recent: KNOWN }),
      1000,
    );
    await clock.passAll(60_000);
    expect(mostInASecond(sentAt)).toBeLessThanOrEqual(100);
    expect(Math.max(...sentAt)).toBeLessThan(10_600);
  });
});

describe('LocalCapacity: channels', () => {
  it('gives so many and no more, and the next when one is free', async () => {
    const capacity = capacityOf({ channels: 10 });
    const permits: Permit[] = [];
    for (let i = 0; i < 25; i++) {
      void capacity.acquire(wish(), NEVER).then((answer) => permits.push(permitOf(answer)));
    }
    await clock.pass(1000);
    expect(permits).toHaveLength(10);
    permits[3]?.release();
    permits[3]?.release();
    await clock.pass(0);
    expect(permits).toHaveLength(11);
    expect(await useOf(capacity)).toEqual({
      trunkId: 'alpha',
      cps: null,
      channels: 10,
      inUse: 10,
      invites: 0,
      waiting: 14,
    });
  });

  it('is in use as long as the carrier has something of the call', async () => {
    const capacity = capacityOf({ channels: 1 });
    const permit = permitOf(await capacity.acquire(wish(), NEVER));
    const overs = [permit.keep(), permit.keep()];
    const sentAt = sending(capacity, 1);
    overs[0]?.();
    overs[0]?.();
    permit.release();
    permit.keep()();
    await clock.pass(100);
    expect([sentAt, (await useOf(capacity)).inUse]).toEqual([[], 1]);
    overs[1]?.();
    await clock.pass(0);
    expect(sentAt).toEqual([100]);
    expect(await useOf(capacity)).toMatchObject({ inUse: 1, waiting: 0 });
  });

  it('counts legs of an earlier process, beyond the limit too', async () => {
    const capacity = capacityOf({ channels: 1 });
    const legs = await Promise.all([capacity.occupy('alpha'), capacity.occupy('alpha')]);
    const sentAt = sending(capacity, 1);
    legs[0]?.release();
    await clock.pass(100);
    expect(sentAt).toEqual([]);
    legs[1]?.release();
    await clock.pass(0);
    expect(sentAt).toEqual([100]);
  });

  it('takes new limits, and counts what is up under the old ones', async () => {
    const capacity = capacityOf({ channels: 3 });
    const permits = await Promise.all([1, 2, 3].map(() => capacity.acquire(wish(), NEVER)));
    capacity.limit([{ id: 'alpha', channels: 1 }]);
    expect(await capacity.acquire(wish({ waitMs: 0 }), NEVER)).toEqual({ kind: 'refused', why: 'deadline' });
    capacity.limit([{ id: 'beta' }]);
    capacity.limit([{ id: 'alpha', channels: 4 }]);
    expect(await useOf(capacity)).toMatchObject({ trunkId: 'alpha', inUse: 3 });
    permitOf(await capacity.acquire(wish({ waitMs: 0 }), NEVER));
    expect(await capacity.acquire(wish({ waitMs: 0 }), NEVER)).toMatchObject({ kind: 'refused' });
    for (const permit of permits) permitOf(permit).release();
    expect(await useOf(capacity)).toMatchObject({ inUse: 1 });
  });

  it('lets whoever wants it have a trunk without limits', async () => {
    const capacity = capacityOf({});
    const sentAt = sending(capacity, 1000, { waitMs: 0 });
    const elsewhere = await capacity.acquire(wish({ trunkId: 'nowhere', waitMs: 0 }), NEVER);
    await clock.pass(0);
    expect(sentAt).toHaveLength(1000);
    expect(elsewhere.kind).toBe('permit');
  });
});

describe('LocalCapacity: the waiting', () => {
  it('serves by priority, then in the order of coming', async () => {
    const capacity = capacityOf({ channels: 1 });
    const permit = permitOf(await capacity.acquire(wish(), NEVER));
    const served: string[] = [];
    for (const [name, priority] of [
      ['a', 5],
      ['b', 5],
      ['c', 1],
      ['d', 9],
      ['e', 1],
    ] as const) {
      void capacity.acquire(wish({ priority }), NEVER).then((answer) => {
        served.push(name);
        permitOf(answer).release();
      });
    }
    permit.release();
    await clock.pass(0);
    expect(served).toEqual(['c', 'e', 'a', 'b', 'd']);
  });

  it('lets nobody pass by, not even one who would wait for nothing', async () => {
    const capacity = capacityOf({ cps: 5 });
    const sentAt = sending(capacity, 2);
    await clock.pass(GAP_MS - 1);
    const impatient = await capacity.acquire(wish({ waitMs: 0 }), NEVER);
    expect(impatient).toEqual({ kind: 'refused', why: 'deadline' });
    expect(sentAt).toEqual([0]);
  });

  it('refuses at the deadline, and not before', async () => {
    const capacity = capacityOf({ channels: 1 });
    const permit = permitOf(await capacity.acquire(wish(), NEVER));
    const answers: CapacityAnswer[] = [];
    void capacity.acquire(wish({ waitMs: 500 }), NEVER).then((answer) => answers.push(answer));
    await clock.pass(499);
    expect(answers).toEqual([]);
    await clock.pass(1);
    expect(answers).toEqual([{ kind: 'refused', why: 'deadline' }]);
    permit.release();
    expect(await useOf(capacity)).toMatchObject({ inUse: 0, waiting: 0 });
    expect(clock.pending).toBe(0);
  });

  it('serves nobody after the deadline when timers come late', async () => {
    const wake = (ms: number, work: () => void): (() => void) => clock.wake(ms + 200, work);
    const capacity = capacityOf({ channels: 1 }, { wake });
    const permit = permitOf(await capacity.acquire(wish(), NEVER));
    const answer = capacity.acquire(wish({ waitMs: 500 }), NEVER);
    await clock.pass(600);
    permit.release();
    expect(await answer).toEqual({ kind: 'refused', why: 'deadline' });
  });

  it('is given up by a signal, before and while it waits', async () => {
    const capacity = capacityOf({ channels: 1 });
    permitOf(await capacity.acquire(wish(), NEVER));
    expect(await capacity.acquire(wish(), AbortSignal.abort())).toEqual({ kind: 'refused', why: 'aborted' });
    const hangUp = new AbortController();
    const answer = capacity.acquire(wish(), hangUp.signal);
    hangUp.abort();
    expect(await answer).toEqual({ kind: 'refused', why: 'aborted' });
    expect(await useOf(capacity)).toMatchObject({ inUse: 1, waiting: 0 });
    expect(clock.pending).toBe(0);
  });

  it('refuses whoever comes when too many wait, and all when it is closed', async () => {
    const capacity = capacityOf({ channels: 1 }, { maxWaiting: 2 });
    permitOf(await capacity.acquire(wish(), NEVER));
    const waiting = [1, 2].map(() => capacity.acquire(wish(), NEVER));
    expect(await capacity.acquire(wish(), NEVER)).toEqual({ kind: 'refused', why: 'full' });
    await capacity.close();
    const closed = { kind: 'refused', why: 'closed' };
    expect(await Promise.all(waiting)).toEqual([closed, closed]);
    expect(await capacity.acquire(wish(), NEVER)).toEqual(closed);
    expect(clock.pending).toBe(0);
  });

  it('refuses those who wait for a trunk that is configured no more', async () => {
    const capacity = capacityOf({ channels: 1 });
    const permit = permitOf(await capacity.acquire(wish(), NEVER));
    const waiting = capacity.acquire(wish(), NEVER);
    capacity.limit([]);
    expect(await waiting).toEqual({ kind: 'refused', why: 'closed' });
    expect(await capacity.use()).toEqual([]);
    // A call that found its way before goes by another trunk, also once nothing of this one is in use.
    expect(await capacity.acquire(wish(), NEVER)).toEqual({ kind: 'refused', why: 'closed' });
    permit.release();
    capacity.limit([]);
    expect(await capacity.acquire(wish(), NEVER)).toEqual({ kind: 'refused', why: 'closed' });
  });

  it('serves 10,000 in their order, with one timer for all', async () => {
    const capacity = capacityOf({ channels: 1 });
    const permit = permitOf(await capacity.acquire(wish(), NEVER));
    const served: number[] = [];
    let alarms = 0;
    for (let i = 0; i < 10_000; i++) {
      void capacity.acquire(wish({ waitMs: 1_000_000 - i }), NEVER).then((answer) => {
        served.push(i);
        permitOf(answer).release();
      });
      alarms = Math.max(alarms, clock.pending);
    }
    expect(alarms).toBe(1);
    expect(await useOf(capacity)).toMatchObject({ waiting: 10_000 });
    permit.release();
    await clock.pass(0);
    expect(served).toHaveLength(10_000);
    expect(served.every((one, i) => one === i)).toBe(true);
  });

  it.each([[-1], [10], [0.5]])('knows no priority %d', async (priority) => {
    await expect(capacityOf({ channels: 1 }).acquire(wish({ priority }), NEVER)).rejects.toThrow(/priority/);
  });
});
