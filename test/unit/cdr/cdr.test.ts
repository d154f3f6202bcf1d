import { describe, expect, it } from 'vitest';
import { endCall } from '../../../src/call/apply.ts';
import type { Attempt } from '../../../src/call/call.ts';
import { cdrsOf } from '../../../src/cdr/cdr.ts';
import { answeredCall, endedCall } from '../../support/cdr-calls.ts';
import { acceptedPair, NOW } from '../../support/records.ts';

const RATE = { amount: '0.0125', increment: '60/60', currency: 'EUR' };

describe('cdrsOf', () => {
  it('says all of an attempt that was refused', () => {
    expect(cdrsOf(endedCall('a', { rate: RATE }))[0]).toEqual({
      callId: 'call_a',
      attempt: 1,
      verificationId: null,
      clientId: 'shop',
      channel: 'voice',
      trunkId: 'alpha',
      route: null,
      cli: '+498912345',
      callee: '+4930123456',
      queuedAt: NOW,
      invitedAt: NOW + 10,
      ringingAt: null,
      earlyMediaAt: null,
      answeredAt: null,
      endedAt: NOW + 200,
      pddMs: null,
      ringMs: null,
      talkMs: null,
      billableSeconds: 0,
      increment: '60/60',
      segments: null,
      rate: '0.0125',
      priceMicros: 0,
      currency: 'EUR',
      codec: null,
      packetsSent: null,
      packetsReceived: null,
      jitterMicros: null,
      promptSentMs: null,
      promptFinished: false,
      sipStatus: 503,
      sipReason: 'Full, "sorry"',
      reasonText: '=1+1',
      redress: null,
      q850: 34,
      disposition: 'trunk_failure',
      blame: 'trunk',
      hungUpBy: null,
      answeredBy: null,
      deliveredCharacters: null,
      deliveredCodes: null,
      keysPressed: null,
      falseAnswer: null,
    });
  });

  it('says all of an attempt that was answered, and what it costs', () => {
    const route = { chosen: 'longest prefix', prefix: '+49' };
    expect(cdrsOf(endedCall('a', { rate: RATE, route, answeredBy: 'human' }))[1]).toMatchObject({
      attempt: 2,
      route: '{"chosen":"longest prefix","prefix":"+49"}',
      earlyMediaAt: NOW + 1300,
      ringingAt: NOW + 2300,
      answeredAt: NOW + 5300,
      endedAt: NOW + 66_300,
      pddMs: 1000,
      ringMs: 3000,
      talkMs: 61_000,
      billableSeconds: 120,
      priceMicros: 25_000,
      codec: 'PCMA',
      packetsSent: 3000,
      packetsReceived: 2990,
      jitterMicros: 1235,
      promptSentMs: 9000,
      reasonText: null,
      redress: null,
      hungUpBy: 'callee',
      answeredBy: 'human',
      keysPressed: 0,
      falseAnswer: false,
    });
  });

  it('counts seconds that began where no trunk has a price', () => {
    const unknown = { billableSeconds: 61, increment: '1/1', rate: null, priceMicros: null, currency: null };
    for (const change of [{}, { rate: null, route: null }]) {
      expect(cdrsOf(endedCall('a', change))[1]).toMatchObject({ ...unknown, route: null });
    }
  });

  it('closes what was under way when its process died', () => {
    const [, cdr] = cdrsOf(endCall(answeredCall('a', { rate: RATE }), NOW + 70_000, 'interrupted', 'us'));
    const expected = { disposition: 'interrupted', blame: 'us', endedAt: NOW + 70_000, billableSeconds: 120 };
    expect(cdr).toMatchObject({ ...expected, sipStatus: null, packetsSent: null, jitterMicros: null });
  });

  it('shows of the number of a flash call what its attempt shows, and charges an answer', () => {
    const flash = { channel: 'flash', cli: '+44161496••••', answeredAt: NOW + 9000 } as const;
    const [, cdr] = cdrsOf(endCall(answeredCall('a', flash), NOW + 9000, 'answered', 'none'));
    expect(cdr).toMatchObject({
      channel: 'flash',
      cli: '+44161496••••',
      billableSeconds: 1,
      jitterMicros: null,
    });
  });

  describe('of a text message', () => {
    const CHARGE = { segments: 3, price: { amount: '0.045', currency: 'EUR' } };
    const [refused] = endedCall('a').attempts as readonly [Attempt, Attempt];
    const text = (change: Partial<Attempt>) =>
      cdrsOf({ ...endedCall('a'), attempts: [{ ...refused, channel: 'sms', ...change }] })[0];

    it.each([
      ['sent', 202, 135_000],
      // Nobody heard what became of it: it may have been taken.
      ['trunk_timeout', 408, 135_000],
      ['interrupted', null, 135_000],
      ['canceled', null, 135_000],
      ['canceled', 487, 0],
      ['trunk_failure', 503, 0],
      ['invalid_number', 404, 0],
      ['unreachable', 408, 0],
      ['trunk_auth', 407, 0],
      ['failed', null, 0],
    ] as const)('that ended as %s with %s', (disposition, sipStatus, priceMicros) => {
      expect(text({ disposition, sipStatus, textCharge: CHARGE })).toMatchObject({
        segments: 3,
        rate: '0.045',
        priceMicros,
        currency: 'EUR',
        billableSeconds: 0,
      });
    });

    it('by a trunk without a price, and of an older record', () => {
      const unpriced = { rate: null, priceMicros: null, currency: null };
      const sent = { disposition: 'sent', sipStatus: 200 } as const;
      const textCharge = { segments: 2, price: null };
      expect(text({ ...sent, textCharge })).toMatchObject({ ...unpriced, segments: 2 });
      expect(text(sent)).toMatchObject({ ...unpriced, segments: null });
    });
  });

  it('has none of a call that was never dialled, and refuses one that has not ended', () => {
    expect(cdrsOf(endCall(acceptedPair('a').call, NOW, 'canceled', 'none'))).toEqual([]);
    expect(() => cdrsOf(answeredCall('a'))).toThrow(/attempt 2 of call_a has not ended/);
  });

  it('holds whole numbers only, so that every reader reads the same', () => {
    for (const cdr of cdrsOf(endedCall('a', { rate: RATE }))) {
      const numbers = Object.values(cdr).filter((value) => typeof value === 'number');
      expect(numbers.every(Number.isSafeInteger)).toBe(true);
    }
  });
});
