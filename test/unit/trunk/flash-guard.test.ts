import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { FlashGuardRules, FlashPause } from '../../../src/trunk/flash-guard.ts';
import { FlashGuard } from '../../../src/trunk/flash-guard.ts';
import { NOW } from '../../support/records.ts';

const RULES: FlashGuardRules = {
  prefixDigits: 5,
  window: 10,
  fewest: 4,
  answeredRatio: 0.5,
  pauseMs: 900_000,
};
const TO = '+4930123456';
const SAME = '+4930199999';
const OTHER = '+4930223456';

let epoch: number;
let elapsed: number;

beforeEach(() => {
  epoch = NOW;
  elapsed = 0;
});

function pass(ms: number): void {
  epoch += ms;
  elapsed += ms;
}

function guardWith(rules: Partial<FlashGuardRules> = {}): FlashGuard {
  return new FlashGuard({ ...RULES, ...rules }, { now: () => epoch, elapsed: () => elapsed });
}

/** `a`: answered, `-`: not. */
function feed(guard: FlashGuard, calls: string, to = TO): readonly (FlashPause | undefined)[] {
  return [...calls].map((call) => guard.record(to, call === 'a'));
}

describe('FlashGuard', () => {
  it('pauses a prefix when more than the share was answered, and no other', () => {
    const guard = guardWith();
    expect(feed(guard, '--aaa')).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      { prefix: '+49301', ratio: 0.6, until: NOW + 900_000 },
    ]);
    expect(guard.pausedUntil(TO)).toBe(NOW + 900_000);
    expect(guard.pausedUntil(SAME)).toBe(NOW + 900_000);
    expect(guard.pausedUntil(OTHER)).toBeUndefined();
  });

  it('does not judge few calls', () => {
    const guard = guardWith();
    expect(feed(guard, 'aaa')).toEqual([undefined, undefined, undefined]);
    expect(feed(guard, 'aaa', OTHER)).toEqual([undefined, undefined, undefined]);
    expect(guard.record(SAME, true)).toMatchObject({ ratio: 1 });
  });

  it('judges the last calls only', () => {
    const guard = guardWith({ window: 4 });
    expect(feed(guard, '----------------aa').every((pause) => pause === undefined)).toBe(true);
    expect(guard.record(TO, true)).toMatchObject({ ratio: 0.75 });
  });

  it('lets be what is no telephone number, and takes a short number whole', () => {
    const guard = guardWith();
    feed(guard, 'aaaaaaaa', 'sip:anna@pbx.example');
    expect(guard.pausedUntil('sip:anna@pbx.example')).toBeUndefined();
    expect(guard.paused()).toEqual([]);
    expect(feed(guard, 'aaaa', '+4930').at(-1)?.prefix).toBe('+4930');
    expect(guard.pausedUntil(TO)).toBeUndefined();
  });

  it('begins afresh after the pause, whatever ended in it', () => {
    const guard = guardWith();
    feed(guard, 'aaaa');
    pass(899_999);
    expect(feed(guard, 'aaaaaaaa').every((pause) => pause === undefined)).toBe(true);
    expect(guard.pausedUntil(TO)).toBe(NOW + 900_000);
    pass(1);
    expect(guard.pausedUntil(TO)).toBeUndefined();
    expect(feed(guard, 'aaa')).toEqual([undefined, undefined, undefined]);
    expect(guard.record(TO, true)?.until).toBe(NOW + 1_800_000);
  });

  it('lists the pauses that are not over', () => {
    const guard = guardWith();
    feed(guard, 'aaaa');
    pass(1000);
    feed(guard, 'aaaa', OTHER);
    expect(guard.paused().map(({ prefix }) => prefix)).toEqual(['+49301', '+49302']);
    pass(899_000);
    expect(guard.paused()).toEqual([{ prefix: '+49302', ratio: 1, until: NOW + 901_000 }]);
    pass(1000);
    expect(guard.paused()).toEqual([]);
  });

  it.each([-86_400_000, 86_400_000])('measures a pause whose clock is set by %d ms', (jump) => {
    const guard = guardWith();
    feed(guard, 'aaaa');
    pass(300_000);
    epoch += jump;
    expect(guard.pausedUntil(TO)).toBe(NOW + 900_000 + jump);
    pass(599_999);
    expect(guard.pausedUntil(TO)).toBeDefined();
    pass(1);
    expect(guard.pausedUntil(TO)).toBeUndefined();
  });

  it('remembers a pause and forgets old calls, however many prefixes there are', () => {
    const guard = guardWith({ prefixDigits: 10 });
    feed(guard, 'aaaa');
    feed(guard, 'aaa', OTHER);
    for (let i = 0; i < 10_000; i++) guard.record(`+1${String(i).padStart(9, '0')}`, true);
    expect(guard.record(OTHER, true)).toBeUndefined();
    expect(guard.pausedUntil(TO)).toBeDefined();
  });

  it('pauses exactly when a plain count of the last calls says so', () => {
    const calls = fc.array(fc.record({ answered: fc.boolean(), waitMs: fc.nat(400_000) }), { maxLength: 60 });
    fc.assert(
      fc.property(
        calls,
        fc.integer({ min: 1, max: 8 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (list, fewest, answeredRatio) => {
          const guard = guardWith({ fewest, window: 8, answeredRatio });
          let seen: boolean[] = [];
          let over = 0;
          for (const { answered, waitMs } of list) {
            pass(waitMs);
            const paused = elapsed < over;
            expect(guard.pausedUntil(TO) !== undefined).toBe(paused);
            const pause = guard.record(TO, answered);
            if (paused) {
              expect(pause).toBeUndefined();
              continue;
            }
            seen = [...seen, answered].slice(-8);
            const ratio = seen.filter((one) => one).length / seen.length;
            const expected = seen.length >= fewest && ratio > answeredRatio;
            expect(pause !== undefined).toBe(expected);
            if (!expected) continue;
            expect(pause).toEqual({ prefix: '+49301', ratio, until: epoch + 900_000 });
            over = elapsed + 900_000;
            seen = [];
          }
          pass(900_000);
        },
      ),
    );
  });
});
