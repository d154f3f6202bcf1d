import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { billableSeconds, formatMicros, priceMicros, textPriceMicros } from '../../../src/cdr/billing.ts';

describe('billableSeconds', () => {
  it.each<readonly [string, readonly (readonly [talkMs: number, seconds: number])[]]>([
    [
      '60/60',
      [
        [0, 60],
        [1, 60],
        [60_000, 60],
        [60_001, 120],
        [120_000, 120],
        [120_001, 180],
      ],
    ],
    [
      '1/1',
      [
        [0, 1],
        [1, 1],
        [999, 1],
        [1000, 1],
        [1001, 2],
        [61_000, 61],
        [61_001, 62],
      ],
    ],
    [
      '30/6',
      [
        [0, 30],
        [30_000, 30],
        [30_001, 36],
        [36_000, 36],
        [36_001, 42],
        [66_000, 66],
      ],
    ],
    [
      '6/6',
      [
        [5999, 6],
        [6000, 6],
        [6001, 12],
      ],
    ],
    [
      '1/60',
      [
        [1000, 1],
        [1001, 61],
        [61_000, 61],
        [61_001, 121],
      ],
    ],
  ])('%s', (increment, calls) => {
    for (const [talkMs, seconds] of calls) expect(billableSeconds(talkMs, increment)).toBe(seconds);
  });

  it('covers the call, and no step more than it needs', () => {
    fc.assert(
      fc.property(
        fc.nat(90_000_000),
        fc.integer({ min: 1, max: 3600 }),
        fc.integer({ min: 1, max: 3600 }),
        (talkMs, first, next) => {
          const seconds = billableSeconds(talkMs, `${first}/${next}`);
          expect((seconds - first) % next).toBe(0);
          expect(seconds * 1000).toBeGreaterThanOrEqual(talkMs);
          if (seconds > first) expect((seconds - next) * 1000).toBeLessThan(talkMs);
        },
      ),
    );
  });

  it.each(['', '60', '60/', '0/60', '60/0', '-1/1', '1.5/1', '60/60/60', '60 / 60'])(
    'refuses %j',
    (increment) => {
      expect(() => billableSeconds(1, increment)).toThrow(RangeError);
    },
  );
});

describe('priceMicros', () => {
  it.each([
    [60, '0.0125', 12_500],
    [120, '0.0125', 25_000],
    [61, '0.0125', 12_708],
    [1, '0.01', 167],
    [1, '0.06', 1000],
    [3, '0.1', 5000],
    [1, '0.00003', 1],
    [1, '0.000029999', 0],
    [60, '0.0000005', 1],
    [0, '9.99', 0],
    [86_400, '999999', 1_439_998_560_000_000],
  ])('%d s at %s', (seconds, amount, micros) => {
    expect(priceMicros(seconds, amount)).toBe(micros);
  });

  it('is exact where floating point is not', () => {
    // 0.1 × 3 and its like: whole minutes cost whole multiples.
    fc.assert(
      fc.property(fc.nat(999_999), fc.integer({ min: 1, max: 600 }), (micros, minutes) => {
        expect(priceMicros(minutes * 60, formatMicros(micros))).toBe(micros * minutes);
      }),
    );
  });

  it.each(['', '-1', '1,5', '.5', '1.', '1e3', '0.0000000001'])('refuses %j', (amount) => {
    expect(() => priceMicros(60, amount)).toThrow(RangeError);
  });
});

describe('textPriceMicros', () => {
  it.each([
    [1, '0.045', 45_000],
    [3, '0.045', 135_000],
    [3, '0.1', 300_000],
    [1, '0.0000005', 1],
    [3, '0.0000005', 2],
    [1, '0.000000499', 0],
    [0, '9.99', 0],
    [8, '999999999.999999999', 8_000_000_000_000_000],
    [8, '999999999', 7_999_999_992_000_000],
  ])('%d at %s', (segments, amount, micros) => {
    expect(textPriceMicros(segments, amount)).toBe(micros);
  });

  it('is exact where floating point is not', () => {
    fc.assert(
      fc.property(fc.nat(999_999_999), fc.integer({ min: 1, max: 8 }), (micros, segments) => {
        expect(textPriceMicros(segments, formatMicros(micros))).toBe(micros * segments);
      }),
    );
  });

  it.each(['', '-1', '1,5', '1e3'])('refuses %j', (amount) => {
    expect(() => textPriceMicros(1, amount)).toThrow(RangeError);
  });
});

it.each([
  [0, '0.000000'],
  [1, '0.000001'],
  [12_300, '0.012300'],
  [1_000_000, '1.000000'],
  [123_456_789_012, '123456.789012'],
])('formatMicros(%d)', (micros, text) => {
  expect(formatMicros(micros)).toBe(text);
});
