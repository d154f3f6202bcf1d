import { expect, it } from 'vitest';
import type { Count, GrowingPause, Taken } from '../../src/limits/limit-store.ts';
import type { Store } from '../../src/store/store.ts';
import { NOW } from '../support/records.ts';
import { seededRandom } from '../support/sip/seeded-random.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What a window may hold longer. */
const TWELFTH = HOUR_MS / 12;
const TAKEN = { kind: 'taken' };

function count(change: Partial<Count> = {}): Count {
  return { key: 'client shop', windowMs: HOUR_MS, max: 3, amount: 1, ...change };
}

function pause(change: Partial<GrowingPause> = {}): GrowingPause {
  return { key: 'number +4930123456', pausesMs: [0, 30_000, 60_000], forgetMs: DAY_MS, ...change };
}

/** What every store promises of limits. */
export function limitTests(store: () => Store, beside: () => Promise<Store>): void {
  const take = (
    counts: readonly Count[],
    now: number,
    pauses: readonly GrowingPause[] = [],
  ): Promise<Taken> => store().limits.take(counts, pauses, now);
  const giveBack = (counts: readonly Count[], at: number, now = at): Promise<void> =>
    store().limits.giveBack(counts, [], at, now);

  /** How many of one there is room for. */
  async function room(now: number, one = count()): Promise<number> {
    let taken = 0;
    while ((await take([one], now)).kind === 'taken') taken += 1;
    await giveBack([{ ...one, amount: Math.max(1, taken) }], now);
    return taken;
  }

  it('takes as much as there is room for, and says when there is more', async () => {
    for (let i = 0; i < 3; i++) expect(await take([count()], NOW + i)).toEqual(TAKEN);
    const refused = await take([count()], NOW + 3);
    expect(refused).toMatchObject({ kind: 'refused', key: 'client shop' });
    const { retryAfterMs } = refused as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThanOrEqual(HOUR_MS - 3);
    expect(retryAfterMs).toBeLessThanOrEqual(HOUR_MS + TWELFTH);
    expect((await take([count()], NOW + 3 + retryAfterMs - 1)).kind).toBe('refused');
    expect(await take([count()], NOW + 3 + retryAfterMs)).toEqual(TAKEN);
  });

  it('takes nothing where nothing is asked, and never more than a window holds', async () => {
    expect(await take([], NOW)).toEqual(TAKEN);
    const refused = { kind: 'refused', key: 'client shop', retryAfterMs: HOUR_MS };
    expect(await take([count({ amount: 4 })], NOW)).toEqual(refused);
    expect(await take([count({ max: 0 })], NOW)).toEqual(refused);
    expect(await room(NOW)).toBe(3);
  });

  it('counts all, or none', async () => {
    const other = count({ key: 'country DE', max: 5, amount: 2 });
    expect(await take([count(), other], NOW, [pause()])).toEqual(TAKEN);
    expect(await take([count(), other], NOW, [pause()])).toEqual(TAKEN);
    expect(await take([count(), other], NOW + 30_000, [pause()])).toMatchObject({ key: 'country DE' });
    expect(await room(NOW, count())).toBe(1);
    expect(await room(NOW, count({ key: 'country DE', max: 5 }))).toBe(1);
    // The pause too was counted twice only: the third would have to wait for 60 s after the second.
    expect(await take([count()], NOW + 30_000, [pause()])).toEqual(TAKEN);
  });

  it('names what it takes longest to wait for', async () => {
    const short = count({ key: 'second', windowMs: 1200, max: 1 });
    const long = count({ key: 'day', windowMs: DAY_MS, max: 1 });
    expect(await take([short, long], NOW, [pause({ pausesMs: [5000] })])).toEqual(TAKEN);
    const refused = await take([short, long], NOW, [pause({ pausesMs: [5000] })]);
    expect(refused).toMatchObject({ kind: 'refused', key: 'day' });
    const paused = await take([short], NOW, [pause({ pausesMs: [5000] })]);
    expect(paused).toEqual({ kind: 'refused', key: 'number +4930123456', retryAfterMs: 5000 });
  });

  it('never has more than may be in any window, wherever it begins', async () => {
    const random = seededRandom(8_001);
    const taken: { at: number; amount: number }[] = [];
    let now = NOW;
    for (let i = 0; i < 600; i++) {
      now += Math.floor(random() * random() * 2 * TWELFTH);
      const amount = 1 + Math.floor(random() * 3);
      if ((await take([count({ max: 20, amount })], now)).kind === 'taken') taken.push({ at: now, amount });
    }
    const within = (from: number, to: number): number =>
      taken.reduce((sum, { at, amount }) => sum + (at > from && at <= to ? amount : 0), 0);
    expect(Math.max(...taken.map(({ at }) => within(at - HOUR_MS, at)))).toBeLessThanOrEqual(20);
    // Nor much less than may be: a thirteenth is what it costs to keep little.
    const hours = (now - NOW) / HOUR_MS;
    expect(within(0, now)).toBeGreaterThan(hours * 20 * 0.8);
  });

  it('takes as many as there may be, however many ask two stores at once', async () => {
    const stores = [store(), await beside()];
    const one = count({ key: 'service', max: 137 });
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => (stores[i % 2] as Store).limits.take([one], [], NOW + (i % 7))),
    );
    expect(answers.filter((answer) => answer?.kind === 'taken')).toHaveLength(137);
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => (stores[i % 2] as Store).limits.giveBack([one], [], NOW, NOW + 7)),
    );
    expect(await room(NOW + 7, one)).toBe(50);
  });

  it('lets one of many through a pause', async () => {
    const stores = [store(), await beside()];
    const one = pause({ pausesMs: [30_000] });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => (stores[i % 2] as Store).limits.take([], [one], NOW)),
    );
    expect(answers.filter((answer) => answer?.kind === 'taken')).toHaveLength(1);
  });

  it('gives back what was taken, as far as it still counts, and never more', async () => {
    const two = count({ amount: 2 });
    await take([two], NOW);
    await giveBack([two], NOW, NOW + TWELFTH);
    expect(await room(NOW + TWELFTH)).toBe(3);
    const later = NOW + TWELFTH;
    await giveBack([two], later);
    await giveBack([two], later - 5 * HOUR_MS, later);
    await giveBack([count({ key: 'client unknown' })], later);
    expect(await room(later)).toBe(3);
    // What was taken later is not what is given back.
    await take([two], later);
    await take([count()], later + 2 * TWELFTH);
    await giveBack([count({ amount: 3 })], later, later + 3 * TWELFTH);
    expect(await room(later + 3 * TWELFTH)).toBe(2);
    await giveBack([count()], later, later + 3 * HOUR_MS);
    expect(await room(later + 3 * HOUR_MS)).toBe(3);
  });

  it('makes pauses longer and longer, and forgets them after their time', async () => {
    const wait = async (now: number): Promise<number> => {
      const answer = await take([], now, [pause()]);
      return answer.kind === 'taken' ? 0 : answer.retryAfterMs;
    };
    expect(await wait(NOW)).toBe(0);
    expect(await wait(NOW)).toBe(0);
    expect(await wait(NOW)).toBe(30_000);
    expect(await wait(NOW + 29_999)).toBe(1);
    expect(await wait(NOW + 30_000)).toBe(0);
    expect(await wait(NOW + 30_000)).toBe(60_000);
    expect(await wait(NOW + 90_000)).toBe(0);
    expect(await wait(NOW + 90_001)).toBe(59_999);
    expect(await wait(NOW + 90_000 + DAY_MS - 1)).toBe(0);
    const later = NOW + 90_000 + DAY_MS - 1 + DAY_MS;
    expect(await wait(later)).toBe(0);
    expect(await wait(later)).toBe(0);
    expect(await wait(later)).toBe(30_000);
    await store().limits.forget([pause().key, 'number unknown']);
    expect(await wait(later)).toBe(0);
    expect(await wait(later)).toBe(0);
  });

  it('gives a pause back: it was one time less', async () => {
    for (const at of [NOW, NOW, NOW + 30_000]) expect(await take([], at, [pause()])).toEqual(TAKEN);
    const given = [pause(), pause({ key: 'number unknown' })];
    await store().limits.giveBack([], given, NOW + 30_000, NOW + 30_000);
    expect(await take([], NOW + 60_000, [pause()])).toEqual(TAKEN);
    expect(await take([], NOW + 60_000, [pause()])).toMatchObject({ retryAfterMs: 60_000 });
    for (let i = 0; i < 4; i++) await store().limits.giveBack([], [pause()], NOW, NOW + 60_000);
    for (let i = 0; i < 2; i++) expect(await take([], NOW + 60_000, [pause()])).toEqual(TAKEN);
    expect(await take([], NOW + 60_000, [pause()])).toMatchObject({ retryAfterMs: 30_000 });
  });

  it('has nobody wait for what was given back, and for all else as before', async () => {
    for (const at of [NOW, NOW]) expect(await take([], at, [pause()])).toEqual(TAKEN);
    // The pause of 30 s is over: one that comes to nothing does not begin it anew.
    for (let i = 0; i < 5; i++) {
      const at = NOW + 30_000 + i;
      expect(await take([], at, [pause()])).toEqual(TAKEN);
      await store().limits.giveBack([], [pause()], at, at + 1);
    }
    const last = NOW + 30_005;
    expect(await take([], last, [pause()])).toEqual(TAKEN);
    expect(await take([], last, [pause()])).toMatchObject({ retryAfterMs: 60_000 });
    // What was given back is not the last that there was: that one counts on.
    await store().limits.giveBack([], [pause()], NOW + 30_004, last);
    expect(await take([], last + 1, [pause()])).toMatchObject({ retryAfterMs: 29_999 });
  });

  it('holds on to counts where the clock goes back a little, and goes back with it where it goes far', async () => {
    await take([count({ amount: 3 })], NOW);
    // Clocks of two nodes, in turns: time that goes back and forth is no time that passes.
    for (let i = 0; i < 50; i++) {
      const now = i % 2 === 0 ? NOW - TWELFTH : NOW + TWELFTH;
      expect((await take([count()], now)).kind).toBe('refused');
    }
    expect((await take([count()], NOW - HOUR_MS)).kind).toBe('refused');
    await take([count({ key: 'other', amount: 3 })], NOW);
    const back = NOW - 400 * DAY_MS;
    const refused = await take([count({ key: 'other' })], back);
    expect(refused.kind).toBe('refused');
    const { retryAfterMs } = refused as { retryAfterMs: number };
    expect(retryAfterMs).toBeLessThanOrEqual(HOUR_MS + TWELFTH);
  });

  it('does not wait for years where the clock goes back by years during a pause', async () => {
    const one = pause({ pausesMs: [30_000] });
    await take([], NOW, [one]);
    expect(await take([], NOW - 10_000, [one])).toMatchObject({ kind: 'refused', retryAfterMs: 40_000 });
    expect(await take([], NOW - 400 * DAY_MS, [one])).toEqual(TAKEN);
    expect(await take([], NOW - 400 * DAY_MS, [one])).toMatchObject({ retryAfterMs: 30_000 });
  });

  it('counts amounts of money, and fractions of no slot', async () => {
    const money = count({
      key: 'spend EUR',
      windowMs: 1000,
      max: 9_000_000_000_000,
      amount: 8_999_999_999_999,
    });
    expect(await take([money], NOW)).toEqual(TAKEN);
    expect(await take([{ ...money, amount: 1 }], NOW)).toEqual(TAKEN);
    expect((await take([{ ...money, amount: 1 }], NOW + 999)).kind).toBe('refused');
    expect(await take([{ ...money, amount: 1 }], NOW + 1084)).toEqual(TAKEN);
  });

  it('still counts after a sweep what counts, and is seen by a store beside it', async () => {
    await take([count({ amount: 2 })], NOW, [pause({ pausesMs: [30_000] })]);
    const keep = { verificationsBefore: 0, callsBefore: 0, cliUsesBefore: 0 };
    await store().sweep(NOW + HOUR_MS - 1, keep);
    const other = (await beside()).limits;
    expect((await other.take([count({ amount: 2 })], [], NOW + HOUR_MS - 1)).kind).toBe('refused');
    expect((await other.take([], [pause({ pausesMs: [30_000] })], NOW)).kind).toBe('refused');
    await store().sweep(NOW + 2 * DAY_MS, keep);
    expect(await other.take([count({ amount: 3 })], [pause()], NOW + 2 * DAY_MS)).toEqual(TAKEN);
  });
}
