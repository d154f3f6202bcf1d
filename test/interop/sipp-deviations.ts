import { describe, expect, it } from 'vitest';
import type { LegEnd } from '../../src/engine/engine.ts';
import { tone } from '../support/legs.ts';
import { assertAll, CALLS, type Runs, requestsOf } from '../support/peers-calls.ts';

const FINISHED: LegEnd = { kind: 'hung_up', by: 'us', why: 'prompt_finished' };

/** Where drachtio behaves in another way than the embedded engine, and we cannot help it: what it does, and why. */
const DEVIATIONS = {
  'second fork':
    'a 200 of a second fork is taken for the first 200 that comes again: over UDP the first ACK is sent again, over TCP nothing, and there is no BYE, since the app is not told',
  'session refresh':
    'a session is refreshed by re-INVITE, UPDATE or not, up to 5 s before or after the half of its interval; an answer with an interval below 10 s can end the whole server by an assertion (RFC 4028 wants 90 s at least)',
  'Timer A':
    'a request is sent again after 1 s at the earliest, however small T1 is; that and the doubling leave three INVITEs in 3.2 s',
  'lossy path':
    'for the same reason a loss of a fifth would take half a minute now and then: it is a tenth, with a T1 of 250 ms',
} as const;

export type Deviation = keyof typeof DEVIATIONS;

/** Whether the engine of these runs behaves in its own way there, which is tested apart. */
export function deviates(runs: Runs, deviation: Deviation): boolean {
  return runs.engine === 'freeswitch' && deviation in DEVIATIONS;
}

/** What the engine with drachtio does instead. */
export function describeDeviations(runs: Runs): void {
  describe('deviations of drachtio', () => {
    describe(`second fork: ${DEVIATIONS['second fork']}`, () => {
      it.concurrent.each(['udp', 'tcp'] as const)(
        'keeps the first of two forks, over %s',
        async (transport) => {
          // SIPp would send the 200 again for every ACK, and drachtio the ACK for every 200.
          const result = await runs.run({
            scenario: 'forked-drachtio',
            transport,
            withoutRetransmission: true,
          });
          assertAll(result, 'trying ringing answered prompt_finished ended', FINISHED);
          expect(requestsOf(result.wire, 'ACK').length).toBe(transport === 'udp' ? 2 * CALLS : CALLS);
          expect(requestsOf(result.wire, 'BYE').length).toBe(CALLS);
        },
      );
    });

    describe(`session refresh: ${DEVIATIONS['session refresh']}`, () => {
      it.concurrent('refreshes a session that asks for it', async () => {
        const result = await runs.run({ scenario: 'session-timer-drachtio', leg: { prompt: tone(11_000) } });
        assertAll(result, 'trying answered prompt_finished ended', FINISHED);
        expect(new Set(requestsOf(result.wire, 'INVITE')).size).toBe(2 * CALLS);
        expect(requestsOf(result.wire, 'UPDATE')).toEqual([]);
      });
    });

    describe(`Timer A: ${DEVIATIONS['Timer A']}`, () => {
      it.concurrent('gives up a call that nobody answers at all, after Timer B', async () => {
        const timeouts = { setupMs: 20_000 };
        const result = await runs.run({ scenario: 'silence', pauseMs: 3500, t1Ms: 50, leg: { timeouts } });
        assertAll(result, 'trying ended', { kind: 'setup_timeout' });
        // At 0, 1 and 3 s.
        expect(requestsOf(result.wire, 'INVITE').length).toBe(3 * CALLS);
      });
    });

    describe(`lossy path: ${DEVIATIONS['lossy path']}`, () => {
      const lossy = {
        lossPercent: 10,
        t1Ms: 250,
        pauseMs: 4000,
        leg: { timeouts: { setupMs: 30_000 }, prompt: tone(300) },
      };

      it.concurrent('carries every call to its answer where a tenth of the messages are lost', async () => {
        const result = await runs.run({ scenario: 'answers-lossy', ...lossy });
        expect(result.lost).toBeGreaterThan(0.4 * CALLS);
        assertAll(result, 'trying answered prompt_finished ended', FINISHED);
      });

      it.concurrent('carries every call to its refusal where a tenth of the messages are lost', async () => {
        const result = await runs.run({ scenario: '486-lossy', ...lossy });
        expect(result.lost).toBeGreaterThan(0.2 * CALLS);
        assertAll(result, 'trying ended', { kind: 'rejected', sip: { status: 486, reason: 'Busy Here' } });
      });
    });
  });
}
