import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { LegEnd, SipResult } from '../../src/engine/engine.ts';
import { Secret } from '../../src/secret.ts';
import type { LegOverrides } from '../support/legs.ts';
import { assertAll, CALLS, type Runs, requestsOf } from '../support/peers-calls.ts';

const FINISHED: LegEnd = { kind: 'hung_up', by: 'us', why: 'prompt_finished' };
const SAID = 'answered prompt_finished ended';
const BUSY = { status: 486, reason: 'Busy Here', q850: 17, reasonText: 'User busy' };
const OVERLOADED = { status: 503, reason: 'Service Unavailable', retryAfterSeconds: 30 };
const MOVED = { status: 302, reason: 'Moved Temporarily' };

/** Calls that are answered or refused, and the credentials that some of them need. */
export function describeCalls(runs: Runs): void {
  describe('answers and refusals', () => {
    it.concurrent.each([
      ['answers', 'udp', `trying ringing ${SAID}`],
      ['answers', 'tcp', `trying ringing ${SAID}`],
      ['183-then-180', 'udp', `trying early_media ringing ${SAID}`],
      ['183-then-180', 'tcp', `trying early_media ringing ${SAID}`],
    ] as const)('says the prompt to a phone that does %s, over %s', async (scenario, transport, types) => {
      const result = await runs.run({ scenario, transport });
      assertAll(result, types, FINISHED);
      expect(result.streams.length).toBe(CALLS);
      // 200 ms of prompt; silence is sent on until the BYE.
      for (const { length } of result.streams) expect(length).toBeGreaterThanOrEqual(10);
    });

    it.concurrent.each([
      ['486', 'udp', BUSY],
      ['486', 'tcp', BUSY],
      ['503', 'udp', OVERLOADED],
      ['503', 'tcp', OVERLOADED],
      ['302', 'udp', MOVED],
    ] as const)('ends with the refusal %s, over %s', async (scenario, transport, sip: SipResult) => {
      const result = await runs.run({ scenario, transport });
      assertAll(result, 'trying ended', { kind: 'rejected', sip });
      expect(result.streams).toEqual([]);
    });

    it.concurrent('answers a 401 with MD5, as SIPp verifies in INVITE and BYE', async () => {
      const result = await runs.run({ scenario: '401-md5', leg: legWith('sipp-secret') });
      assertAll(result, `trying ${SAID}`, FINISHED);
      expect(result.sipp.errors).not.toContain('verifyAuthHeader');
    });

    it.concurrent('ends with the 403 that SIPp has for a wrong password', async () => {
      const end: LegEnd = { kind: 'rejected', sip: { status: 403, reason: 'Forbidden' } };
      assertAll(await runs.run({ scenario: '401-md5', leg: legWith('wrong') }), 'trying ended', end);
    });

    it.concurrent.each([
      ['407-md5', 'udp', 'Proxy-Authorization', 'md5'],
      ['407-md5', 'tcp', 'Proxy-Authorization', 'md5'],
      ['401-sha256', 'udp', 'Authorization', 'sha256'],
      ['401-sha256', 'tcp', 'Authorization', 'sha256'],
    ] as const)(
      'answers %s over %s, each request with a digest of its own',
      async (scenario, transport, name, hash) => {
        const result = await runs.run({ scenario, transport, leg: legWith('sipp-secret') });
        assertAll(result, `trying ${SAID}`, FINISHED);
        // SIPp does not verify these: what it saw is worked out here.
        const answers = ['INVITE', 'BYE'].flatMap((method) =>
          requestsOf(result.wire, method).flatMap((request) =>
            credentialsIn(request, { method, name, hash }),
          ),
        );
        expect(new Set(answers.map(({ cnonce, nc }) => `${cnonce} ${nc}`)).size).toBe(2 * CALLS);
        for (const { response, expected } of answers) expect(response).toBe(expected);
      },
    );
  });
}

function legWith(password: string): LegOverrides {
  return { credentials: { username: 'sipp', password: new Secret(password) } };
}

/** The credentials of a request, and the response that they should have (RFC 7616 §3.4.1). */
function credentialsIn(
  request: string,
  { method, name, hash }: { method: string; name: string; hash: 'md5' | 'sha256' },
): Record<string, string>[] {
  const line = new RegExp(`^${name}: Digest (.*)$`, 'm').exec(request)?.[1];
  if (line === undefined) return [];
  const values = Object.fromEntries([...line.matchAll(/(\w+)="?([^",]*)"?/g)].map((m) => [m[1], m[2]]));
  const { realm, nonce, uri, nc, cnonce, qop } = values;
  const digest = (text: string): string => createHash(hash).update(text).digest('hex');
  const secret = digest(`sipp:${realm}:sipp-secret`);
  const expected = digest(`${secret}:${nonce}:${nc}:${cnonce}:${qop}:${digest(`${method}:${uri}`)}`);
  return [{ ...values, expected }];
}
