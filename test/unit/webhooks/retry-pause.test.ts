import { describe, expect, it } from 'vitest';
import { nextTry, retryAfterMs, withoutLostTime } from '../../../src/webhooks/retry-pause.ts';
import { seededRandom } from '../../support/sip/seeded-random.ts';

const RULES = { firstPauseMs: 5000, longestPauseMs: 1_800_000, giveUpMs: 86_400_000 };
const NOW = 1_750_000_000_000;

describe('the pause before the next attempt', () => {
  const at = (tries: number, random: number, more = {}): number | undefined =>
    nextTry({ tries, triedSince: NOW, now: NOW, random, ...more }, RULES);

  it('has a bound that doubles, up to the longest', () => {
    const most = [1, 2, 3, 4, 9, 10, 50, 2000].map((tries) => (at(tries, 1) ?? 0) - NOW);
    expect(most).toEqual([5000, 10_000, 20_000, 40_000, 1_280_000, 1_800_000, 1_800_000, 1_800_000]);
    expect((at(5, 0) ?? 0) - NOW).toBe(1000);
    expect((at(5, 0.5) ?? 0) - NOW).toBe(40_000);
  });

  it('is what the receiver asks for where that is longer, and never longer than the longest', () => {
    expect((at(1, 1, { askedMs: 60_000 }) ?? 0) - NOW).toBe(60_000);
    expect((at(9, 1, { askedMs: 1000 }) ?? 0) - NOW).toBe(1_280_000);
    expect((at(1, 0, { askedMs: 1e12 }) ?? 0) - NOW).toBe(1_800_000);
  });

  it('ends with the time, at whose end the last attempt is made', () => {
    const end = NOW + RULES.giveUpMs;
    expect(nextTry({ tries: 60, triedSince: NOW, now: end - 10, random: 0.9 }, RULES)).toBe(end);
    expect(nextTry({ tries: 61, triedSince: NOW, now: end, random: 0.9 }, RULES)).toBeUndefined();
  });

  it('comes to a day of attempts, a few of them an hour', () => {
    const random = seededRandom(7);
    let tries = 1;
    for (let now = NOW; ; tries += 1) {
      const next = nextTry({ tries, triedSince: NOW, now, random: random() }, RULES);
      if (next === undefined) break;
      expect(next).toBeGreaterThan(now);
      now = next;
    }
    expect(tries).toBeGreaterThan(60);
    expect(tries).toBeLessThan(200);
  });
});

describe('time in which nothing could be tried', () => {
  const retried = { triedSince: NOW - 5000, dueAt: NOW, tries: 3 };

  it('is no part of that in which an event is tried', () => {
    const days = 2 * 86_400_000;
    expect(withoutLostTime(retried, NOW + days, 0)).toEqual({ ...retried, triedSince: NOW - 5000 + days });
    expect(withoutLostTime({ ...retried, triedSince: null }, NOW + days, 0).triedSince).toBeNull();
  });

  it('is not what was waited for a turn, nor what was planned', () => {
    expect(withoutLostTime(retried, NOW + 8000, 8000.4)).toEqual(retried);
    expect(withoutLostTime(retried, NOW + 8000, 7000.25).triedSince).toBe(NOW - 4000);
    // Another one's clock is behind.
    expect(withoutLostTime(retried, NOW - 300, 0)).toEqual(retried);
  });
});

it.each([
  ['120', 120_000],
  [new Date(NOW + 60_000).toUTCString(), 60_000],
  [new Date(NOW - 60_000).toUTCString(), 0],
  ['soon', undefined],
  ['-5', undefined],
  ['9'.repeat(99), undefined],
  [undefined, undefined],
])('Retry-After: %s', (value, ms) => {
  expect(retryAfterMs(value, NOW)).toBe(ms);
});
