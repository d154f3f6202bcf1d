import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_MARKS, saidOf } from '../../../src/prompt/delivered.ts';

const TWICE = {
  codes: [
    [1000, 2000, 3000],
    [5000, 6000, 7000],
  ],
};

/** Codes that are said one after another, as marks are. */
const marks = fc
  .array(fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 10 }), { maxLength: 5 })
  .map((times) => {
    let at = 0;
    return { codes: times.map((steps) => steps.map((step) => (at += step))) };
  });
const moment = fc.integer({ min: 0, max: 120_000 });

describe('what was said of a code', () => {
  it.each([
    [0, 0, 0],
    [999, 0, 0],
    [1000, 1, 0],
    [2999, 2, 0],
    [3000, 3, 1],
    [6500, 3, 1],
    [7000, 3, 2],
    [Number.POSITIVE_INFINITY, 3, 2],
    [-1, 0, 0],
    [Number.NaN, 0, 0],
  ])('after %d ms is %i characters, and the code %i times', (sentMs, characters, codes) => {
    expect(saidOf(TWICE, sentMs)).toEqual({ characters, codes });
  });

  it('is of the time that went furthest', () => {
    expect(
      saidOf(
        {
          codes: [
            [10, 20],
            [30, 40, 50, 60],
          ],
        },
        50,
      ),
    ).toEqual({ characters: 3, codes: 1 });
  });

  it('is nothing where no code is said', () => {
    expect(saidOf(NO_MARKS, 60_000)).toEqual({ characters: 0, codes: 0 });
    expect(saidOf({ codes: [[]] }, 60_000)).toEqual({ characters: 0, codes: 0 });
  });

  it('never becomes less, and all of it has been said at the last mark and not before', () => {
    fc.assert(
      fc.property(marks, moment, moment, (all, a, b) => {
        const [earlier, later] = [saidOf(all, Math.min(a, b)), saidOf(all, Math.max(a, b))];
        expect(later.characters).toBeGreaterThanOrEqual(earlier.characters);
        expect(later.codes).toBeGreaterThanOrEqual(earlier.codes);
        const end = all.codes.at(-1)?.at(-1) ?? 0;
        expect(saidOf(all, end).codes).toBe(all.codes.length);
        if (all.codes.length > 0) expect(saidOf(all, end - 1).codes).toBe(all.codes.length - 1);
      }),
    );
  });

  it('agrees with counting mark by mark', () => {
    fc.assert(
      fc.property(marks, moment, (all, sentMs) => {
        let [furthest, complete] = [0, 0];
        for (const ends of all.codes) {
          let said = 0;
          while ((ends[said] ?? Number.POSITIVE_INFINITY) <= sentMs) said++;
          if (said > furthest) furthest = said;
          if (said === ends.length) complete++;
        }
        expect(saidOf(all, sentMs)).toEqual({ characters: furthest, codes: complete });
      }),
    );
  });
});
