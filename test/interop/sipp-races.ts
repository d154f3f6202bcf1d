import { describe, expect, it } from 'vitest';
import type { LegEnd } from '../../src/engine/engine.ts';
import { tone } from '../support/legs.ts';
import { assertAll, CALLS, type Runs, requestsOf } from '../support/peers-calls.ts';
import { deviates } from './sipp-deviations.ts';

const FINISHED: LegEnd = { kind: 'hung_up', by: 'us', why: 'prompt_finished' };
const CROSSED: LegEnd = { kind: 'hung_up', by: 'us', why: 'crossed_cancel' };

const LOSSY = {
  lossPercent: 20,
  // SIPp waits as long, too.
  t1Ms: 100,
  // SIPp stays for what is sent again after its last response.
  pauseMs: 4000,
  leg: { timeouts: { setupMs: 20_000 }, prompt: tone(300) },
} as const;

/** Calls in which messages are lost, repeated or cross. */
export function describeRaces(runs: Runs): void {
  describe('messages that are lost, repeated or cross', () => {
    it.concurrent.each([
      ['lost-ack', 2],
      ['retransmitted-200', 3],
    ] as const)('acknowledges every 200: %s', async (scenario, acks) => {
      // SIPp would take the ACK that comes again for a reason to send the 200 again, and so on for ever.
      const result = await runs.run({ scenario, withoutRetransmission: true });
      assertAll(result, 'trying answered prompt_finished ended', FINISHED);
      expect(requestsOf(result.wire, 'ACK').length).toBe(CALLS * acks);
    });

    it.skipIf(deviates(runs, 'Timer A')).concurrent(
      'gives up a call that nobody answers at all, after Timer B',
      async () => {
        // Before the leg's own patience ends.
        const timeouts = { setupMs: 20_000 };
        const result = await runs.run({ scenario: 'silence', pauseMs: 3000, t1Ms: 50, leg: { timeouts } });
        assertAll(result, 'trying ended', { kind: 'setup_timeout' });
        // RFC 3261 §17.1.1.2: at 0, 1, 3, 7, 15, 31 and 63 × T1; the last is close to Timer B at 64.
        const sent = requestsOf(result.wire, 'INVITE').length;
        expect(sent).toBeGreaterThanOrEqual(6 * CALLS);
        expect(sent).toBeLessThanOrEqual(7 * CALLS);
      },
    );

    it.concurrent('gives up a call that nobody answers at all, when the leg wants no longer', async () => {
      const timeouts = { setupMs: 300 };
      const result = await runs.run({ scenario: 'silence', pauseMs: 1000, leg: { timeouts } });
      assertAll(result, 'trying ended', { kind: 'setup_timeout' });
      // §9.1: nothing to cancel without a provisional response.
      expect(requestsOf(result.wire, 'CANCEL')).toEqual([]);
    });

    it.concurrent.each(['udp', 'tcp'] as const)('cancels a call that rings, over %s', async (transport) => {
      const result = await runs.run({ scenario: 'rings', transport, abortOn: 'ringing' });
      assertAll(result, 'trying ringing ended', { kind: 'canceled' });
    });

    it.concurrent.each([
      ['cancel-crosses-200', 'udp'],
      ['cancel-crosses-200', 'tcp'],
      ['cancel-too-late', 'udp'],
    ] as const)('hangs up a 200 that comes after the CANCEL: %s over %s', async (scenario, transport) => {
      const result = await runs.run({ scenario, transport, abortOn: 'ringing' });
      assertAll(result, 'trying ringing answered ended', CROSSED);
      expect(result.streams).toEqual([]);
    });

    it.skipIf(deviates(runs, 'second fork')).concurrent.each(['udp', 'tcp'] as const)(
      'keeps the first of two forks and hangs up the other, over %s',
      async (transport) => {
        const result = await runs.run({ scenario: 'forked', transport });
        assertAll(result, 'trying ringing answered prompt_finished ended', FINISHED);
      },
    );

    it.skipIf(deviates(runs, 'lossy path')).concurrent(
      'carries every call to its answer where a fifth of the messages are lost',
      async () => {
        const result = await runs.run({ scenario: 'answers-lossy', ...LOSSY });
        expect(result.lost).toBeGreaterThan(CALLS);
        assertAll(result, 'trying answered prompt_finished ended', FINISHED);
      },
    );

    it.skipIf(deviates(runs, 'lossy path')).concurrent(
      'carries every call to its refusal where a fifth of the messages are lost',
      async () => {
        const result = await runs.run({ scenario: '486-lossy', ...LOSSY });
        expect(result.lost).toBeGreaterThan(0.5 * CALLS);
        assertAll(result, 'trying ended', { kind: 'rejected', sip: { status: 486, reason: 'Busy Here' } });
      },
    );
  });
}
