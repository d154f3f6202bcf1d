import { describe, expect, it } from 'vitest';
import { DEFAULT_TIMERS, timerD, timersFor, transactionMs } from '../../../src/sip/timers.ts';

describe('timers (RFC 3261 table 4)', () => {
  it('are those of the RFC', () => {
    expect(DEFAULT_TIMERS).toEqual({ t1Ms: 500, t2Ms: 4000, t4Ms: 5000 });
    expect([transactionMs(DEFAULT_TIMERS), timerD(DEFAULT_TIMERS)]).toEqual([32_000, 32_000]);
  });

  it('keep their proportions', () => {
    expect(timersFor(500)).toEqual(DEFAULT_TIMERS);
    expect(timersFor(10)).toEqual({ t1Ms: 10, t2Ms: 80, t4Ms: 100 });
    expect([transactionMs(timersFor(10)), timerD(timersFor(10))]).toEqual([640, 640]);
  });
});
