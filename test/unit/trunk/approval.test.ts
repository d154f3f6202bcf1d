import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { approvalScores, bestRate, failsToApprove, wilson } from '../../../src/trunk/approval.ts';

const SOME = fc
  .tuple(fc.nat(500), fc.nat(500))
  .map(([approved, failed]) => ({ approved, of: approved + failed }));

describe('wilson', () => {
  it.each([
    [0, 0, 0, 1],
    [0, 3, 0, 0.689],
    [0, 30, 0, 0.181],
    [0, 60, 0, 0.0996],
    [3, 3, 0.311, 1],
    [50, 100, 0.375, 0.625],
    [1, 10, 0.0119, 0.507],
  ])('of %d in %d reaches from %d to %d', (approved, of, lower, upper) => {
    const range = wilson({ approved, of });
    expect(range.lower).toBeCloseTo(lower, 3);
    expect(range.upper).toBeCloseTo(upper, 3);
  });

  it('holds the rate itself, within 0 and 1, and is narrower the more there is', () => {
    fc.assert(
      fc.property(SOME, ({ approved, of }) => {
        const { lower, upper } = wilson({ approved, of });
        expect(lower).toBeGreaterThanOrEqual(0);
        expect(upper).toBeLessThanOrEqual(1);
        if (of === 0) return;
        expect(lower - 1e-12).toBeLessThanOrEqual(approved / of);
        expect(upper + 1e-12).toBeGreaterThanOrEqual(approved / of);
        const more = wilson({ approved: approved * 4, of: of * 4 });
        expect(more.upper - more.lower).toBeLessThan(upper - lower);
      }),
    );
  });

  it('holds the true rate in 97 of 100 samples at least, be they as small as they are here', () => {
    for (const [rate, of] of [
      [0.02, 20],
      [0.3, 5],
      [0.6, 50],
      [0.95, 12],
    ] as const) {
      let within = 0;
      for (let approved = 0; approved <= of; approved++) {
        const { lower, upper } = wilson({ approved, of });
        if (lower <= rate && rate <= upper) within += binomial(of, approved, rate);
      }
      expect(within).toBeGreaterThan(0.97);
    }
  });
});

describe('failsToApprove', () => {
  it('is said of no trunk with five results or fewer, whatever the others do', () => {
    fc.assert(
      fc.property(fc.nat(5), fc.nat(5), fc.array(SOME), (approved, failed, others) => {
        const of = Math.min(5, approved + failed);
        expect(failsToApprove({ approved: Math.min(approved, of), of }, bestRate(others))).toBe(false);
      }),
    );
  });

  it('is not said of one that is as good as the best', () => {
    fc.assert(fc.property(SOME, (one) => failsToApprove(one, bestRate([one])) === wilson(one).upper < 0.1));
  });

  it('is over when probes succeed', () => {
    const best = bestRate([
      { approved: 120, of: 200 },
      { approved: 0, of: 0 },
    ]);
    expect(failsToApprove({ approved: 0, of: 200 }, best)).toBe(true);
    expect(failsToApprove({ approved: 60, of: 200 }, best)).toBe(false);
  });
});

describe('approvalScores', () => {
  it('takes one without results for average, and few results for little', () => {
    const [much, none, few] = approvalScores([
      { approved: 160, of: 200 },
      { approved: 0, of: 0 },
      { approved: 0, of: 2 },
    ]);
    expect(much).toBeCloseTo(0.797, 2);
    expect(none).toBeCloseTo(0.778, 2);
    expect(few).toBeCloseTo(0.708, 2);
  });

  it('lies between 0 and 1', () => {
    fc.assert(
      fc.property(fc.array(SOME), (all) => approvalScores(all).every((score) => score > 0 && score < 1)),
    );
  });
});

function binomial(of: number, hits: number, rate: number): number {
  let chance = (1 - rate) ** (of - hits) * rate ** hits;
  for (let i = 0; i < hits; i++) chance *= (of - i) / (i + 1);
  return chance;
}
