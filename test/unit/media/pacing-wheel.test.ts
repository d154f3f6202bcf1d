import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacingWheel } from '../../../src/media/pacing-wheel.ts';

const TURN = 120;
const period = fc.constantFrom(10, 20, 30, 40, 60);

describe('PacingWheel', () => {
  it('has each stream once in every period, wherever one looks', () => {
    fc.assert(
      fc.property(fc.array(period, { maxLength: 300 }), fc.nat(1e6), (periods, begin) => {
        const wheel = new PacingWheel<number>();
        for (const [item, length] of periods.entries()) wheel.add(item, length);
        const counts = periods.map(() => 0);
        for (let slot = begin; slot < begin + TURN; slot++) {
          for (const item of wheel.at(slot)) counts[item] = (counts[item] ?? 0) + 1;
        }
        expect(counts).toEqual(periods.map((length) => TURN / length));
      }),
      { numRuns: 30 },
    );
  });

  it('spreads many streams evenly', () => {
    const wheel = new PacingWheel<number>();
    for (let item = 0; item < 2000; item++) wheel.add(item, 20);
    const loads = Array.from({ length: 20 }, (_, slot) => wheel.at(slot).length);
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
  });

  it('wakes up seldom for few streams', () => {
    const wheel = new PacingWheel<number>();
    for (let item = 0; item < 20; item++) wheel.add(item, 20);
    const busy = Array.from({ length: 20 }, (_, slot) => wheel.at(slot).length).filter((load) => load > 0);
    expect(busy).toHaveLength(4);
  });

  it('finds the next stream, and nothing when all are gone', () => {
    const wheel = new PacingWheel<string>();
    expect(wheel.next(5)).toBeUndefined();
    wheel.add('a', 60);
    const slot = wheel.next(1000) ?? 0;
    expect(slot).toBeLessThan(1060);
    expect(wheel.at(slot)).toEqual(['a']);
    expect(wheel.next(slot)).toBe(slot);
    wheel.remove('a');
    wheel.remove('a');
    expect(wheel.next(1000)).toBeUndefined();
    expect(wheel.size).toBe(0);
  });

  it('moves a stream to another period', () => {
    const wheel = new PacingWheel<string>();
    wheel.add('a', 20);
    wheel.add('a', 60);
    const slots = Array.from({ length: TURN }, (_, slot) => wheel.at(slot).length);
    expect(slots.reduce((sum, load) => sum + load)).toBe(2);
    expect(wheel.size).toBe(1);
  });

  it('refuses a period that it cannot keep', () => {
    expect(() => new PacingWheel<string>().add('a', 25)).toThrow(RangeError);
  });
});
