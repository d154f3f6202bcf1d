import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CountedCli } from '../../../src/trunk/cli-pool.ts';
import {
  cliGroups,
  guessProbability,
  leastUsed,
  numbersNeeded,
  rangeSize,
} from '../../../src/trunk/cli-pool.ts';
import { someTrunk } from '../../support/records.ts';
import { below, type Random, seededRandom } from '../../support/sip/seeded-random.ts';

describe('cliGroups', () => {
  const trunk = someTrunk({
    flashPool: [
      { first: '+498990000998', last: '+498990001001' },
      { first: '+442079460100', countries: ['GB'] },
      { first: '+498990001000' },
    ],
  });

  it('puts together what begins alike, each number once', () => {
    expect(cliGroups(trunk, '+4930123456', 4)).toEqual([
      {
        prefix: '+49899000',
        clis: ['+498990000998', '+498990000999', '+498990001000', '+498990001001'],
      },
    ]);
    expect(cliGroups(trunk, '+4930123456', 3).map(({ prefix, clis }) => [prefix, clis.length])).toEqual([
      ['+498990000', 2],
      ['+498990001', 2],
    ]);
  });

  it('keeps numbers for countries to those', () => {
    const prefixes = (callee: string): string[] => cliGroups(trunk, callee, 4).map(({ prefix }) => prefix);
    expect(prefixes('+442079460200')).toEqual(['+49899000', '+44207946']);
    expect(prefixes('+4930123456')).toEqual(['+49899000']);
    expect(prefixes('sip:alice@pbx.example')).toEqual(['+49899000']);
  });

  it('counts each hidden part of a group once, however ranges overlap', () => {
    const start = fc.integer({ min: 0, max: 400 });
    const ranges = fc.array(fc.tuple(start, fc.nat(150)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(ranges, fc.integer({ min: 2, max: 8 }), (pairs, hiddenDigits) => {
        const number = (i: number): string => `+49899000${String(i).padStart(4, '0')}`;
        const flashPool = pairs.map(([from, more]) => ({ first: number(from), last: number(from + more) }));
        const expected = new Set(
          pairs.flatMap(([from, more]) => Array.from({ length: more + 1 }, (_, i) => number(from + i))),
        );
        const groups = cliGroups(someTrunk({ flashPool }), '+4930123456', hiddenDigits);
        for (const { prefix, clis } of groups) {
          expect(clis.every((cli) => cli.startsWith(prefix))).toBe(true);
          expect(new Set(clis.map((cli) => cli.slice(-hiddenDigits))).size).toBe(clis.length);
          expect(clis.every((cli) => cli.length === prefix.length + hiddenDigits)).toBe(true);
        }
        expect(new Set(groups.map(({ prefix }) => prefix)).size).toBe(groups.length);
        expect(groups.flatMap(({ clis }) => clis).toSorted()).toEqual([...expected].toSorted());
      }),
    );
  });

  it('is empty for a trunk without a pool', () => {
    expect(cliGroups(someTrunk(), '+4930123456', 4)).toEqual([]);
  });
});

describe('rangeSize', () => {
  it.each([
    ['+498990000000', '+498990000199', 200],
    ['+498990000000', undefined, 1],
    ['+498990000001', '+498990000000', 0],
    ['+4989900', '+498990000', 0],
  ])('%s to %s: %d', (first, last, size) => {
    expect(rangeSize({ first, last })).toBe(size);
  });
});

describe('leastUsed', () => {
  const counted = (...uses: readonly (readonly [uses: number, usedAt: number])[]): readonly CountedCli[] =>
    uses.map(([count, usedAt], i) => ({ cli: `+${i}`, uses: count, usedAt }));
  const chosen = (clis: readonly CountedCli[]): string =>
    leastUsed(clis)
      .map(({ cli }) => cli)
      .join(' ');

  it('is the third that was used least, then longest ago', () => {
    expect(chosen(counted([2, 1], [1, 9], [1, 8], [3, 2], [1, 7], [2, 3]))).toBe('+4 +2');
    expect(chosen(counted([1, 5], [1, 4], [1, 6], [1, 3]))).toBe('+3 +1');
    expect(chosen(counted([1, 5]))).toBe('+0');
    expect(chosen([])).toBe('');
  });

  it('leaves out none that was used just alike', () => {
    expect(leastUsed(counted(...Array.from({ length: 9 }, () => [0, 0] as const)))).toHaveLength(9);
    expect(chosen(counted([0, 0], [1, 5], [1, 5], [1, 5], [1, 6]))).toBe('+0 +1 +2 +3');
  });

  it.each([
    [50, 2500],
    [200, 10_000],
    [100, 5000],
  ])('keeps the uses of %d numbers within a tenth of their mean after %d calls', (numbers, calls) => {
    const fewest: number[] = [];
    const most: number[] = [];
    for (const seed of [1, 2, 3]) {
      const uses = simulate(numbers, calls, seededRandom(seed * numbers));
      fewest.push(Math.min(...uses));
      most.push(Math.max(...uses));
    }
    expect(Math.min(...fewest)).toBeGreaterThanOrEqual(45);
    expect(Math.max(...most)).toBeLessThanOrEqual(55);
  });

  it('gives each number the same chance, as far as the pool tells', () => {
    const [numbers, calls, runs] = [12, 30, 6000];
    const last = Array.from({ length: numbers }, () => 0);
    const random = seededRandom(77);
    for (let run = 0; run < runs; run++) {
      const before = Array.from(simulate(numbers, calls - 1, random), (uses, i) => ({
        cli: String(i),
        uses,
        usedAt: random(),
      }));
      const candidates = leastUsed(before);
      const { cli = '' } = candidates[below(random, candidates.length)] ?? {};
      last[Number(cli)] = (last[Number(cli)] ?? 0) + 1;
    }
    const mean = runs / numbers;
    const chiSquare = last.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
    // Of 11 degrees of freedom; beyond it lies a ten thousandth.
    expect(chiSquare).toBeLessThan(37.4);
  });

  /** How often each number was used, where nothing is left out for a callee's sake. */
  function simulate(numbers: number, calls: number, random: Random): readonly number[] {
    const clis = Array.from({ length: numbers }, (_, i) => ({ cli: String(i), uses: 0, usedAt: 0 }));
    for (let call = 1; call <= calls; call++) {
      const candidates = leastUsed(clis);
      const one = clis[Number(candidates[below(random, candidates.length)]?.cli)];
      if (one === undefined) throw new Error('no candidate');
      one.uses++;
      one.usedAt = call;
    }
    return clis.map(({ uses }) => uses);
  }
});

describe('the probability of a guess', () => {
  it('is checks by numbers', () => {
    expect(guessProbability(3, 150)).toBeCloseTo(0.02);
    expect(guessProbability(3, 2)).toBe(1);
    expect(guessProbability(3, 0)).toBe(1);
  });

  it('says how many numbers are needed', () => {
    expect(numbersNeeded(3, 0.02)).toBe(150);
    expect(numbersNeeded(1, 0.3)).toBe(4);
    for (const [checks, bound] of [
      [3, 0.02],
      [1, 0.3],
      [7, 0.0013],
    ] as const) {
      expect(guessProbability(checks, numbersNeeded(checks, bound))).toBeLessThanOrEqual(bound);
    }
  });
});
