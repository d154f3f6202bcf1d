import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import type { CliRequest, CliTaken, Store } from '../../src/store/store.ts';
import { NOW } from '../support/records.ts';

const DAY_MS = 86_400_000;
const CALLERS = 200;
const CALLEES = 1000;
const CALLS = 10_000;

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `+4989900${String(i).padStart(5, '0')}`);
}

/** What every store promises of the numbers that flash calls show. */
export function cliTests(store: () => Store, beside: () => Promise<Store>): void {
  const take = (change: Partial<CliRequest> = {}, on = store()): Promise<CliTaken> =>
    on.takeCli({
      clis: numbers(4),
      callee: '+4930123456',
      now: NOW,
      reuseWindowMs: DAY_MS,
      fewest: 1,
      random: 0,
      ...change,
    });

  it('takes each number once for a callee, until its window is over', async () => {
    const taken = new Set<string | undefined>();
    for (let i = 0; i < 4; i++) taken.add((await take({ now: NOW + i })).cli);
    expect(taken).toEqual(new Set(numbers(4)));
    expect(await take({ now: NOW + 4 })).toEqual({ cli: undefined, choices: 0 });
    expect((await take({ callee: '+4930999999', now: NOW + 4 })).cli).toBeDefined();
    expect((await take({ now: NOW + DAY_MS })).choices).toBe(1);
    expect((await take({ now: NOW + DAY_MS })).cli).toBeUndefined();
  });

  it('takes none where too few are left to be guessed from', async () => {
    expect((await take({ fewest: 4 })).choices).toBe(4);
    expect(await take({ fewest: 4 })).toEqual({ cli: undefined, choices: 3 });
    expect(await take({ clis: [], fewest: 0 })).toEqual({ cli: undefined, choices: 0 });
  });

  it('chooses by the random number, without the quarter that was used most', async () => {
    const [first, second, third, fourth] = numbers(4);
    expect((await take({ callee: '+1', random: 0 })).cli).toBe(first);
    expect((await take({ callee: '+2', random: 0.999, fewest: 4 })).cli).toBe(first);
    expect((await take({ callee: '+3', random: 0.999 })).cli).toBe(fourth);
    expect((await take({ callee: '+4', random: 0 })).cli).toBe(second);
    expect((await take({ callee: '+5', random: 0 })).cli).toBe(third);
  });

  it('forgets what was shown before its window', async () => {
    await take();
    await store().sweep(NOW + 1, { verificationsBefore: 0, callsBefore: 0, cliUsesBefore: NOW + 1 });
    expect((await take({ now: NOW + 2 })).choices).toBe(3);
  });

  it('shows no callee a number twice, and all about as often, however many ask at once', {
    timeout: 120_000,
  }, async () => {
    const stores = [store(), await beside()];
    const clis = numbers(CALLERS);
    const uses = new Map<string, number>();
    const shown = new Set<string>();
    const order = Array.from({ length: CALLS }, (_, i) => i % CALLEES);
    const taking = order.map(async (callee, i) => {
      const random = randomInt(2 ** 40) / 2 ** 40;
      const request = { clis, callee: `+49301${callee}`, now: NOW + i, fewest: 150, random };
      const { cli = '', choices } = await take(request, stores[i % 2]);
      expect(choices).toBeGreaterThanOrEqual(150);
      uses.set(cli, (uses.get(cli) ?? 0) + 1);
      shown.add(`${callee} ${cli}`);
    });
    await Promise.all(taking);
    expect(shown.size).toBe(CALLS);
    expect(uses.size).toBe(CALLERS);
    const mean = CALLS / CALLERS;
    for (const count of uses.values()) expect(Math.abs(count - mean)).toBeLessThanOrEqual(mean / 10);
  });
}
