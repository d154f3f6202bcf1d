import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FlashTerms, LegTimeouts } from '../../../../src/engine/engine.ts';
import { LegProgress } from '../../../../src/engine/leg/leg-progress.ts';

describe('LegProgress', () => {
  let ends: string[];

  beforeEach(() => {
    ends = [];
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function begun(timeouts: Partial<LegTimeouts> = {}, flash?: FlashTerms): LegProgress {
    const progress: LegProgress = new LegProgress({
      timeouts: { setupMs: 8000, ringMs: 30_000, maxCallMs: 60_000, lingerMs: 0, ...timeouts },
      flash,
      leftover: () => ({}),
      giveUp: ({ kind }) => {
        ends.push(kind);
        progress.timers.clear();
      },
    });
    progress.begun();
    return progress;
  }
  const endsAfter = (ms: number): string[] => {
    vi.advanceTimersByTime(ms - 1);
    expect(ends).toEqual([]);
    vi.advanceTimersByTime(1);
    return ends;
  };
  const answer = (status: number, body = '') => ({ status, body });

  it('waits for any response, and from each kind of ringing on for the answer', () => {
    begun();
    expect(endsAfter(8000)).toEqual(['setup_timeout']);
    ends = [];
    const progress = begun();
    progress.provisional(answer(183, 'v=0'));
    vi.advanceTimersByTime(29_000);
    progress.provisional(answer(180));
    expect(endsAfter(30_000)).toEqual(['ring_timeout']);
  });

  it('bounds all of it, whatever comes meanwhile', () => {
    const progress = begun({ attemptMs: 40_000 });
    progress.provisional(answer(183, 'v=0'));
    vi.advanceTimersByTime(29_000);
    progress.provisional(answer(180));
    expect(endsAfter(11_000)).toEqual(['ring_timeout']);
    ends = [];
    begun({ attemptMs: 3000 });
    expect(endsAfter(3000)).toEqual(['setup_timeout']);
  });

  it('bounds a flash call by the smaller of both, and never calls that a timeout of the network', () => {
    const flash = { ringHoldMs: 2500, maxRingMs: 10_000, onAnswer: 'hangup' } as const;
    begun({ attemptMs: 6000 }, flash);
    expect(endsAfter(6000)).toEqual(['no_ring']);
    ends = [];
    const ringing = begun({ attemptMs: 1000 }, flash);
    ringing.provisional(answer(180));
    expect(endsAfter(1000)).toEqual(['rang']);
  });

  it('does not count the time in which no INVITE is out', async () => {
    const progress = begun();
    let left = 0;
    vi.advanceTimersByTime(5000);
    progress.again(() => void left++);
    expect(await progress.next()).toMatchObject({ type: 'again' });
    vi.advanceTimersByTime(20_000);
    expect([left, ends]).toEqual([0, []]);
    progress.repeat();
    progress.repeat();
    expect(left).toBe(1);
    expect(endsAfter(3000)).toEqual(['setup_timeout']);
  });

  it('lets nothing leave once the end is decided', () => {
    const progress = begun();
    let left = 0;
    progress.again(() => void left++);
    progress.silence();
    progress.repeat();
    progress.again(() => void left++);
    progress.repeat();
    expect(left).toBe(0);
  });
});
