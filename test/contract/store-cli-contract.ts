import { expect, it } from 'vitest';
import type { CliRequest, CliTaken, Store } from '../../src/store/store.ts';
import { type CliCall, cliRequest, cliTally, FLASH_CALLS, FLASH_CLIS } from '../support/cli-calls.ts';
import { NOW } from '../support/records.ts';
import { seededRandom } from '../support/sip/seeded-random.ts';

const DAY_MS = 86_400_000;
const NOTHING = { verificationsBefore: 0, callsBefore: 0, cliUsesBefore: 0 };

/** What every store promises of the numbers that flash calls show. */
export function cliTests(store: () => Store, beside: () => Promise<Store>): void {
  const take = (change: Partial<CliRequest> = {}, on = store()): Promise<CliTaken> =>
    on.takeCli({
      clis: FLASH_CLIS.slice(0, 6),
      callee: '+4930123456',
      now: NOW,
      reuseWindowMs: DAY_MS,
      fewest: 1,
      random: 0,
      ...change,
    });

  async function takeAll(now: (i: number) => number): Promise<Set<string | undefined>> {
    const taken = new Set<string | undefined>();
    for (let i = 0; i < 6; i++) taken.add((await take({ now: now(i) })).cli);
    return taken;
  }

  it('takes each number once for a callee, until its window is over', async () => {
    expect(await takeAll((i) => NOW + i)).toEqual(new Set(FLASH_CLIS.slice(0, 6)));
    const none = { cli: undefined, choices: 0, candidates: 0 };
    expect(await take({ now: NOW + DAY_MS - 1 })).toEqual(none);
    expect((await take({ callee: '+4930999999', now: NOW + 6 })).choices).toBe(6);
    expect((await take({ now: NOW + DAY_MS })).choices).toBe(1);
    expect(await take({ now: NOW + DAY_MS })).toEqual(none);
  });

  it('shows no number again where the clock was set back', async () => {
    expect((await takeAll((i) => NOW - i * 3 * DAY_MS)).size).toBe(6);
    expect((await take({ now: NOW - 30 * DAY_MS })).cli).toBeUndefined();
    expect((await take({ now: NOW - 16 * DAY_MS })).choices).toBe(0);
  });

  it('takes none where too few are left to be guessed from', async () => {
    expect((await take({ fewest: 6 })).choices).toBe(6);
    expect(await take({ fewest: 6 })).toEqual({ cli: undefined, choices: 5, candidates: 0 });
    expect(await take({ clis: [], fewest: 0 })).toEqual({ cli: undefined, choices: 0, candidates: 0 });
    expect((await take()).cli).toBeDefined();
  });

  it('chooses by the random number among those used least, and among all where all are alike', async () => {
    const clis = FLASH_CLIS.slice(0, 6);
    const taken = [];
    for (const [i, random] of [0.999, 0, 0.5, 0, 0, 0, 0.999].entries()) {
      taken.push(await take({ callee: `+${i + 1}`, now: NOW + i, random }));
    }
    expect(taken.map(({ candidates }) => candidates)).toEqual([6, 5, 4, 3, 2, 2, 2]);
    expect(taken.every(({ choices }) => choices === 6)).toBe(true);
    const order = taken.map(({ cli }) => clis.indexOf(String(cli)));
    expect(order).toEqual([5, 0, 3, 1, 2, 4, 0]);
  });

  it('counts the uses of each list of numbers by themselves', async () => {
    for (let i = 0; i < 4; i++) await take({ callee: `+${i + 1}`, now: NOW + i });
    const more = FLASH_CLIS.slice(0, 9);
    expect(await take({ clis: more, now: NOW + 5 })).toMatchObject({ choices: 9, candidates: 9 });
    expect(await take({ now: NOW + 6 })).toMatchObject({ choices: 5 });
  });

  it('forgets what was shown before its window, and counts that nobody needs', async () => {
    await take();
    await store().sweep(NOW, { ...NOTHING, cliUsesBefore: NOW - 1, callsBefore: NOW });
    expect(await take({ now: NOW + 1 })).toMatchObject({ choices: 5, candidates: 5 });
    await store().sweep(NOW + 1, { ...NOTHING, cliUsesBefore: NOW, callsBefore: NOW + 1 });
    expect((await take({ now: NOW + 2, fewest: 9 })).choices).toBe(5);
    // One of the list was used later: the list is kept whole.
    expect(await take({ callee: '+2', now: NOW + 2 })).toMatchObject({ choices: 6, candidates: 4 });
    await store().sweep(NOW + 3, { ...NOTHING, cliUsesBefore: NOW + 3, callsBefore: NOW + 3 });
    expect(await take({ now: NOW + 3 })).toMatchObject({ choices: 6, candidates: 6 });
  });

  it('keeps the counts of a list by its latest use, also where the clock was set back', async () => {
    await take({ now: NOW + 10 });
    await take({ callee: '+2', now: NOW });
    await store().sweep(NOW + 5, { ...NOTHING, callsBefore: NOW + 5 });
    expect(await take({ callee: '+3', now: NOW + 11 })).toMatchObject({ choices: 6, candidates: 4 });
  });

  it('uses all about as often, with no reuse in the window, call after call', {
    timeout: 120_000,
  }, async () => {
    const random = seededRandom(20_251);
    const calls: CliCall[] = [];
    for (let call = 0; call < FLASH_CALLS; call++) {
      const { cli, choices, candidates } = await store().takeCli(cliRequest(call, random()));
      calls.push([call, cli]);
      if (choices < 150 || candidates < choices / 3) expect.unreachable(`${candidates} of ${choices}`);
    }
    const tally = cliTally(calls);
    expect(tally).toMatchObject({ reused: 0, none: 0 });
    expect(tally.fewestUses).toBeGreaterThanOrEqual(45);
    expect(tally.mostUses).toBeLessThanOrEqual(55);
  });

  it('shows a callee no number twice, however many ask two stores at once', async () => {
    const stores = [store(), await beside()];
    const clis = FLASH_CLIS.slice(0, 40);
    const random = seededRandom(20_252);
    const taken = await Promise.all(
      Array.from({ length: 50 }, (_, i) => take({ clis, random: random() }, stores[i % 2])),
    );
    const shown = taken.flatMap(({ cli }) => cli ?? []);
    expect(shown).toHaveLength(40);
    expect(new Set(shown).size).toBe(40);
  });
}
