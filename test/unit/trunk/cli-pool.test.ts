import { describe, expect, it } from 'vitest';
import { cliGroups, guessProbability, numbersNeeded, rangeSize } from '../../../src/trunk/cli-pool.ts';
import { someTrunk } from '../../support/records.ts';

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
