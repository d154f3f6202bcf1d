import { describe, expect, it } from 'vitest';
import type { LegEnd } from '../../src/engine/engine.ts';
import { tone } from '../support/legs.ts';
import { longestGapMs } from '../support/peers-audio.ts';
import { assertAll, CALLS, type Runs, requestsOf } from '../support/peers-calls.ts';
import { deviates } from './sipp-deviations.ts';

const FINISHED: LegEnd = { kind: 'hung_up', by: 'us', why: 'prompt_finished' };
const SAID = 'answered prompt_finished ended';

/** What happens in a call once it is answered, and before its answer with 100rel. */
export function describeDialogs(runs: Runs): void {
  describe('dialogs', () => {
    it.concurrent.each(['udp', 'tcp'] as const)(
      'ends with a BYE in mid-prompt, over %s',
      async (transport) => {
        const result = await runs.run({
          scenario: 'bye-in-mid-prompt',
          transport,
          leg: { prompt: tone(20_000) },
        });
        const sip = { status: 200, reason: 'OK', q850: 16, reasonText: 'Normal call clearing' };
        assertAll(result, 'trying ringing answered ended', {
          kind: 'hung_up',
          by: 'callee',
          why: 'peer',
          sip,
        });
        for (const { length } of result.streams) expect(length).toBeLessThan(500);
      },
    );

    it.concurrent.each(['udp', 'tcp'] as const)(
      'is silent on hold and goes on after it, over %s',
      async (transport) => {
        const result = await runs.run({ scenario: 'reinvite-hold', transport, leg: { prompt: tone(2000) } });
        assertAll(result, `trying ${SAID}`, FINISHED);
        expect(result.streams.length).toBe(CALLS);
        for (const stream of result.streams) {
          expect(longestGapMs(stream)).toBeGreaterThan(700);
          // 100 packets of prompt and the silence after it; the hold would be 75 more.
          expect(stream.length).toBeGreaterThanOrEqual(100);
          expect(stream.length).toBeLessThan(160);
        }
      },
    );

    it.concurrent('keeps the prompt for a phone that is on hold from the beginning', async () => {
      const result = await runs.run({ scenario: 'hold-at-once', leg: { prompt: tone(800) } });
      assertAll(result, `trying ${SAID}`, FINISHED);
      expect(result.streams.length).toBe(CALLS);
      for (const { length } of result.streams) {
        expect(length).toBeGreaterThanOrEqual(40);
        expect(length).toBeLessThan(80);
      }
    });

    it.concurrent.each(['udp', 'tcp'] as const)(
      'acknowledges a reliable 183 by PRACK, over %s',
      async (transport) => {
        const result = await runs.run({ scenario: '100rel', transport });
        assertAll(result, `trying early_media ${SAID}`, FINISHED);
        expect(new Set(requestsOf(result.wire, 'PRACK')).size).toBe(CALLS);
      },
    );

    it.concurrent('answers UPDATE, with a session timer and with a new offer', async () => {
      const result = await runs.run({ scenario: 'update', leg: { prompt: tone(2000) } });
      assertAll(result, `trying ${SAID}`, FINISHED);
      for (const stream of result.streams) expect(longestGapMs(stream)).toBeGreaterThan(400);
    });

    it.skipIf(deviates(runs, 'session refresh')).concurrent.each([
      ['session-timer', 'UPDATE', CALLS],
      ['session-timer-reinvite', 'INVITE', 2 * CALLS],
    ] as const)('refreshes a session that asks for it: %s', async (scenario, method, count) => {
      const result = await runs.run({ scenario, leg: { prompt: tone(3000) } });
      assertAll(result, `trying ${SAID}`, FINISHED);
      expect(new Set(requestsOf(result.wire, method)).size).toBe(count);
    });

    it.concurrent('hangs up when a session was not refreshed', async () => {
      const result = await runs.run({ scenario: 'session-timer-expires', leg: { prompt: tone(20_000) } });
      assertAll(result, 'trying answered ended', { kind: 'hung_up', by: 'us', why: 'session_expired' });
    });

    it.concurrent.each(['udp', 'tcp'] as const)('follows the recorded route, over %s', async (transport) => {
      const result = await runs.run({ scenario: 'record-route', transport });
      assertAll(result, `trying ringing ${SAID}`, FINISHED);
    });
  });
}
