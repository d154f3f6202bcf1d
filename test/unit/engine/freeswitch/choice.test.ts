import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leastLoaded } from '../../../../src/engine/freeswitch/choice.ts';

const weights = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 });
const draws = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));

/** Calls that never end, one after another; gives how many each server got. */
function placed(weightsOf: readonly number[], calls: number, random: () => number): number[] {
  const servers = weightsOf.map((weight) => ({ weight, load: 0 }));
  for (let call = 0; call < calls; call++) {
    const chosen = leastLoaded(servers, random);
    if (chosen === undefined) throw new Error('no server was chosen');
    chosen.load += 1;
  }
  return servers.map(({ load }) => load);
}

describe('leastLoaded', () => {
  it('gives none of none, and the only one of one', () => {
    expect(leastLoaded([], () => 0)).toBeUndefined();
    const only = { weight: 3, load: 1000 };
    expect(leastLoaded([only], () => 0.999)).toBe(only);
  });

  it('spreads calls exactly by weight, whatever is drawn', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 3 }), draws, (weightsOf, times, drawn) => {
        const total = weightsOf.reduce((sum, weight) => sum + weight, 0);
        const loads = placed(weightsOf, times * total, () => drawn.next().value);
        expect(loads).toEqual(weightsOf.map((weight) => weight * times));
      }),
    );
  });

  it('keeps equal servers within one call of each other at any time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(200), draws, (count, calls, drawn) => {
        const loads = placed(
          Array.from({ length: count }, () => 5),
          calls,
          () => drawn.next().value,
        );
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('takes one with the smallest fill, for all loads and weights', () => {
    const server = fc.record({ weight: fc.integer({ min: 1, max: 100 }), load: fc.nat(5000) });
    const fill = ({ weight, load }: { weight: number; load: number }): number => (load + 1) / weight;
    fc.assert(
      fc.property(fc.array(server, { minLength: 1, maxLength: 10 }), draws, (servers, drawn) => {
        const chosen = leastLoaded(servers, () => drawn.next().value);
        expect(chosen).toBeDefined();
        expect(chosen === undefined ? Number.NaN : fill(chosen)).toBeCloseTo(
          Math.min(...servers.map(fill)),
          12,
        );
      }),
    );
  });

  it('draws equals by weight', () => {
    const small = { weight: 1, load: 0 };
    const large = { weight: 3, load: 2 };
    expect(leastLoaded([small, large], () => 0.24)).toBe(small);
    expect(leastLoaded([small, large], () => 0.26)).toBe(large);
    expect(leastLoaded([small, large], () => 0.999)).toBe(large);
  });

  it('takes equal fills for equal where their quotients differ', () => {
    // 0.1 + 0.2 and its kind: 3 / 0.3 is not 1 / 0.1 in binary fractions, but 7 of 49 is 1 of 7.
    const a = { weight: 49, load: 6 };
    const b = { weight: 7, load: 0 };
    expect(leastLoaded([a, b], () => 0)).toBe(a);
    expect(leastLoaded([a, b], () => 0.99)).toBe(b);
  });
});
