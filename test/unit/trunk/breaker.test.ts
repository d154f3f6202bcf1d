import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Attempt } from '../../../src/call/call.ts';
import type { BreakerPass, TrunkVerdict } from '../../../src/trunk/breaker.ts';
import { BREAKER_RULES, Breaker, verdictOf } from '../../../src/trunk/breaker.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { NOW } from '../../support/records.ts';

let clock: FakeClock;
let breaker: Breaker;

beforeEach(() => {
  clock = new FakeClock();
  breaker = new Breaker(BREAKER_RULES, clock);
});

function pass(anyway = false): BreakerPass {
  const given = breaker.begin(anyway);
  if (given === undefined) throw new Error('not let through');
  return given;
}

/** `x`: fails, `-`: carries, `?`: silent. */
function feed(calls: string): void {
  const verdicts: Readonly<Record<string, TrunkVerdict>> = { x: 'fails', '-': 'carries', '?': 'silent' };
  for (const call of calls) pass().end(verdicts[call] ?? 'silent');
}

describe('Breaker', () => {
  it('opens when half of its last calls failed', () => {
    feed('--xx');
    expect(breaker.report()).toEqual({ state: 'closed', since: NOW, until: null, failures: 2, of: 4 });
    feed('?????');
    expect(breaker.admits()).toBe(true);
    feed('x');
    expect(breaker.report()).toEqual({ state: 'open', since: NOW, until: NOW + 10_000, failures: 3, of: 5 });
    expect(breaker.admits()).toBe(false);
    expect(breaker.begin()).toBeUndefined();
  });

  it('does not judge few calls, nor those of long ago', () => {
    feed('xxxx');
    expect(breaker.report().state).toBe('closed');
    feed('----');
    feed('-'.repeat(20));
    feed('x'.repeat(9));
    expect(breaker.report()).toMatchObject({ state: 'closed', failures: 9, of: 20 });
    feed('x');
    expect(breaker.report().state).toBe('open');
  });

  it('lets one trial at a time through after a while, and closes after three that succeed', async () => {
    feed('xxxxx');
    await clock.pass(9999);
    expect(breaker.begin()).toBeUndefined();
    await clock.pass(1);
    expect(breaker.report()).toMatchObject({ state: 'half_open', since: NOW + 10_000, until: null });
    const trial = pass();
    expect(trial.trial).toBe(true);
    expect(breaker.begin()).toBeUndefined();
    trial.end('carries');
    trial.end('fails');
    feed('-');
    expect(breaker.report().state).toBe('half_open');
    feed('-');
    expect(breaker.report()).toEqual({
      state: 'closed',
      since: NOW + 10_000,
      until: null,
      failures: 0,
      of: 0,
    });
  });

  it('is open twice as long after each trial that fails, up to five minutes', async () => {
    feed('xxxxx');
    for (const seconds of [10, 20, 40, 80, 160, 300, 300]) {
      await clock.pass(seconds * 1000 - 1);
      expect(breaker.admits()).toBe(false);
      await clock.pass(1);
      feed('x');
    }
    await clock.pass(300_000);
    feed('---');
    feed('xxxxx');
    expect(breaker.report().until).toBe(clock.now() + 10_000);
  });

  it('hears a silent trial as none, and does not wait for one for ever', async () => {
    feed('xxxxx');
    await clock.pass(10_000);
    feed('?');
    pass();
    await clock.pass(179_999);
    expect(breaker.admits()).toBe(false);
    await clock.pass(1);
    expect(breaker.admits()).toBe(true);
  });

  it('takes no account of calls that began before a change', async () => {
    const early = Array.from({ length: 8 }, () => pass());
    feed('xxxxx');
    for (const one of early.slice(0, 4)) one.end('carries');
    expect(breaker.report().state).toBe('open');
    await clock.pass(10_000);
    feed('---');
    for (const one of early.slice(4)) one.end('fails');
    expect(breaker.report()).toMatchObject({ state: 'closed', of: 0 });
  });

  it('lets a call through anyway, and believes it when it is carried', () => {
    feed('xxxxx');
    pass(true).end('fails');
    expect(breaker.report().until).toBe(NOW + 10_000);
    pass(true).end('carries');
    expect(breaker.report().state).toBe('half_open');
    expect(breaker.admits()).toBe(true);
  });

  it('goes by time that nobody sets', async () => {
    feed('xxxxx');
    clock.epoch += 86_400_000;
    expect(breaker.admits()).toBe(false);
    clock.epoch -= 2 * 86_400_000;
    await clock.pass(10_000);
    expect(breaker.admits()).toBe(true);
  });

  it('never has two trials at a time, whatever comes', async () => {
    const step = fc.oneof(
      fc.constantFrom('begin' as const, 'carries' as const, 'fails' as const, 'silent' as const),
      fc.integer({ min: 1, max: 60_000 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        clock = new FakeClock();
        breaker = new Breaker({ ...BREAKER_RULES, trialPatienceMs: 1e9 }, clock);
        const up: BreakerPass[] = [];
        feed('xxxxx');
        for (const one of steps) {
          if (typeof one === 'number') await clock.pass(one);
          else if (one === 'begin') {
            const given = breaker.begin();
            if (given !== undefined) up.push(given);
          } else up.shift()?.end(one);
          expect(up.filter(({ trial }) => trial).length <= 1 || breaker.report().state === 'closed').toBe(
            true,
          );
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('verdictOf', () => {
  const NOTHING = { ringingAt: null, answeredAt: null };

  it.each([
    ['trunk_failure', 'fails'],
    ['trunk_timeout', 'fails'],
    ['trunk_auth', 'fails'],
    ['busy', 'carries'],
    ['unreachable', 'carries'],
    ['declined', 'carries'],
    ['rejected', 'silent'],
    ['media_rejected', 'silent'],
    ['redirected', 'silent'],
    ['canceled', 'silent'],
    ['failed', 'silent'],
    ['interrupted', 'silent'],
    [null, 'silent'],
  ] as const)('takes %s for %s', (disposition, verdict) => {
    expect(verdictOf({ ...NOTHING, disposition } as Attempt)).toBe(verdict);
  });

  it('sees that a trunk carries calls when one rang, whatever came of it', () => {
    expect(verdictOf({ ...NOTHING, ringingAt: NOW, disposition: 'trunk_failure' } as Attempt)).toBe(
      'carries',
    );
  });
});
