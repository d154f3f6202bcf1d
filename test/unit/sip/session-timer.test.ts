import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SessionTimer } from '../../../src/sip/session-timer.ts';

describe('SessionTimer (RFC 4028)', () => {
  const events: string[] = [];
  const timer = () =>
    new SessionTimer({ refresh: () => events.push('refresh'), expired: () => events.push('expired') });

  beforeEach(() => {
    events.length = 0;
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const DAY_MS = 86_400_000;

  it('refreshes at half of the interval where that is ours (§7.2)', () => {
    timer().start(1800, true);
    vi.advanceTimersByTime(899_999);
    expect(events).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(events).toEqual(['refresh']);
  });

  it.each([
    [1800, 1768_000],
    [90, 60_000],
    [3, 2_000],
  ])('%i s without a refresh: over after %i ms (§10)', (seconds, ms) => {
    timer().start(seconds, false);
    vi.advanceTimersByTime(ms - 1);
    expect(events).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(events).toEqual(['expired']);
    vi.advanceTimersByTime(DAY_MS);
    expect(events).toEqual(['expired']);
  });

  it('starts anew with each refresh, and leaves it to the peer where it takes over', () => {
    const session = timer();
    for (let i = 0; i < 10; i++) {
      session.start(90, true);
      vi.advanceTimersByTime(40_000);
    }
    session.start(1800, false);
    vi.advanceTimersByTime(1_000_000);
    expect(events).toEqual([]);
    expect(session.seconds).toBe(1800);
  });

  it('stops', () => {
    const session = timer();
    session.start(90, true);
    session.stop();
    vi.advanceTimersByTime(DAY_MS);
    expect(events).toEqual([]);
  });

  it.each([4_294_968, 9_999_999_999])('%i s: longer than any timer, and no refresh at once', (seconds) => {
    timer().start(seconds, true);
    vi.advanceTimersByTime(DAY_MS);
    expect(events).toEqual([]);
  });
});
