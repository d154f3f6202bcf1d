import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minus, plus, slotAt, slotEnd, slotsAt, slotsOf, slotsText } from '../../../src/limits/slots.ts';

const HOUR_MS = 3_600_000;

describe('slots of a window', () => {
  it('end when all of them is outside the window, and not a twelfth later', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2_000_000_000_000 }),
        fc.integer({ min: 12, max: 86_400_000 }),
        (at, windowMs) => {
          const end = slotEnd(slotAt(at, windowMs), windowMs);
          expect(end).toBeGreaterThan(at + windowMs);
          expect(end).toBeLessThanOrEqual(at + windowMs + Math.ceil(windowMs / 12));
        },
      ),
    );
  });

  it('count until then exactly', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 }),
        fc.integer({ min: 12, max: 86_400_000 }),
        (at, windowMs) => {
          const slot = slotAt(at, windowMs);
          const taken = plus(slotsAt(undefined, slot), 1);
          const end = slotEnd(slot, windowMs);
          expect(sum(slotsAt(taken, slotAt(end - 1, windowMs)).amounts)).toBe(1);
          expect(sum(slotsAt(taken, slotAt(end, windowMs)).amounts)).toBe(0);
        },
      ),
    );
  });

  it('are read as they were written', () => {
    const amounts = fc.array(fc.integer({ min: 0, max: 10 ** 15 }), { maxLength: 13 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), amounts, (latest, given) => {
        const read = slotsOf(slotsText({ latest, amounts: given }));
        expect(read.latest).toBe(latest);
        expect([...read.amounts, ...given.slice(read.amounts.length)]).toEqual(given);
        expect(given.slice(read.amounts.length).every((one) => one === 0)).toBe(true);
      }),
    );
    expect(slotsText({ latest: 7, amounts: [0, 0] })).toBe('7:');
    expect(slotsText({ latest: 7, amounts: [0, 10, 0] })).toBe('7:0,10');
    expect(slotsText({ latest: 7, amounts: [100] })).toBe('7:100');
  });

  it('lose what is given back, and no more', () => {
    const slots = { latest: 20, amounts: [3, 0, 2] };
    expect(minus(slots, 18, 5).amounts).toEqual([3, 0, 0]);
    expect(minus(slots, 20, 1).amounts).toEqual([2, 0, 2]);
    for (const other of [21, 17, 19]) expect(minus(slots, other, 1).amounts).toEqual([3, 0, 2]);
  });

  it('stay where the clock goes back by up to a window, and go with it where by more', () => {
    const slots = { latest: slotAt(10 * HOUR_MS, HOUR_MS), amounts: [1] };
    expect(slotsAt(slots, slots.latest - 12)).toBe(slots);
    expect(slotsAt(slots, slots.latest - 13)).toEqual({ latest: slots.latest - 13, amounts: [1] });
  });
});

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, one) => total + one, 0);
}
