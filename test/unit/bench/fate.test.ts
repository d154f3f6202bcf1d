import { describe, expect, it } from 'vitest';
import { behaviours, fateOf, nextNumber, seeded } from '../../../bench/chaos/fate.ts';

describe('fates of calls', () => {
  it('are the same for the same seed, and all there are', () => {
    const run = (seed: number): readonly string[] => {
      const random = seeded(seed);
      return Array.from({ length: 500 }, (_, index) => nextNumber(index, random));
    };
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expect(new Set(run(1)).size).toBe(500);
    expect(new Set(run(1).map(fateOf))).toEqual(
      new Set(['answers', 'busy', 'declines', 'fails_at_first', 'rings_out', 'slow']),
    );
  });

  it('are acted out: 503 at the first trunk only, and a first INVITE that is lost once at each', () => {
    const [first, second] = [behaviours(0), behaviours(1)];
    expect(first('+493000000450').final).toMatchObject({ status: 503 });
    expect(second('+493000000450').final).toMatchObject({ status: 200 });
    expect(first('+493000000650').silent).toBe(true);
    expect(first('+493000000650').final).toMatchObject({ status: 200 });
    expect(second('+493000000650').silent).toBe(true);
    expect(first('+493000000100').final).toEqual({ afterMs: 200, status: 200 });
    expect(first('+493000000199').final).toEqual({ afterMs: 3000, status: 200 });
    expect(first('+493000000500').final).toBe('never');
  });
});
