import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FlashRing } from '../../../../src/engine/leg/flash-ring.ts';
import { TimerSet } from '../../../../src/sip/timer-set.ts';

describe('FlashRing', () => {
  let ends: string[];
  let timers: TimerSet<'attempt' | 'hold'>;

  beforeEach(() => {
    ends = [];
    timers = new TimerSet();
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** As a leg has it: the first end stops the timers. */
  function begun(ringHoldMs = 2500, maxRingMs = 10_000): FlashRing {
    const ring = new FlashRing({ ringHoldMs, maxRingMs, onAnswer: 'hangup' }, timers, ({ kind }) => {
      ends.push(kind);
      timers.clear();
    });
    ring.begun();
    return ring;
  }
  const endsAfter = (ms: number): string[] => {
    vi.advanceTimersByTime(ms - 1);
    expect(ends).toEqual([]);
    vi.advanceTimersByTime(1);
    return ends;
  };

  it('has rung when the ring hold is over, counted from the 180', () => {
    const ring = begun();
    vi.advanceTimersByTime(3000);
    ring.provisional(180);
    expect(endsAfter(2500)).toEqual(['rang']);
    vi.advanceTimersByTime(60_000);
    expect(ends).toEqual(['rang']);
  });

  it('takes nothing else for ringing', () => {
    const ring = begun();
    for (const status of [182, 183, 199]) ring.provisional(status);
    expect(endsAfter(10_000)).toEqual(['no_ring']);
  });

  it('has not rung where nothing came at all', () => {
    begun();
    expect(endsAfter(10_000)).toEqual(['no_ring']);
  });

  it('is not prolonged by further provisional responses', () => {
    const ring = begun();
    ring.provisional(180);
    vi.advanceTimersByTime(2000);
    for (const status of [183, 180, 180]) ring.provisional(status);
    expect(endsAfter(500)).toEqual(['rang']);
  });

  it('has rung, if shortly, when the attempt is over before the ring hold', () => {
    const ring = begun();
    vi.advanceTimersByTime(9000);
    ring.provisional(180);
    expect(endsAfter(1000)).toEqual(['rang']);
  });

  it.each([[[181]], [[180, 181]], [[183, 181]]])('is diverted at once after %j', (statuses) => {
    const ring = begun();
    for (const status of statuses) ring.provisional(status);
    expect(ends).toEqual(['diverted']);
  });

  it('says nothing when the leg has stopped its timers', () => {
    begun().provisional(180);
    timers.clear();
    vi.advanceTimersByTime(60_000);
    expect(ends).toEqual([]);
  });
});
