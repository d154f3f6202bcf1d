import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { LegEnd, SipResult } from '../../src/engine/engine.ts';
import { Secret } from '../../src/secret.ts';
import { describeWithPeer } from '../support/peers.ts';
import { assertAll, requestsOf, Runs } from '../support/peers-calls.ts';

const FINISHED: LegEnd = { kind: 'hung_up', by: 'us', why: 'prompt_finished' };
const SAID = 'answered prompt_finished ended';
const BUSY = { status: 486, reason: 'Busy Here', q850: 17, reasonText: 'User busy' };
const OVERLOADED = { status: 503, reason: 'Service Unavailable', retryAfterSeconds: 30 };
const MOVED = { status: 302, reason: 'Moved Temporarily' };

describeWithPeer('sipp', 'calls to SIPp', () => {
  const runs = new Runs();

  it.each([
    ['answers', 'udp', `trying ringing ${SAID}`],
    ['answers', 'tcp', `trying ringing ${SAID}`],
    ['183-then-180', 'udp', `trying early_media ringing ${SAID}`],
    ['183-then-180', 'tcp', `trying early_media ringing ${SAID}`],
  ] as const)('says the prompt to a phone that does %s, over %s', async (scenario, transport, types) => {
    const result = await runs.run({ scenario, transport });
    assertAll(result, types, FINISHED);
    expect(result.streams.length).toBe(100);
    // 200 ms of prompt; silence is sent on until the BYE.
    for (const { length } of result.streams) expect(length).toBeGreaterThanOrEqual(10);
  });

  it.each([
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

  it.each(['udp', 'tcp'] as const)('answers a 407 with MD5, as SIPp verifies, over %s', async (transport) => {
    const leg = { credentials: { username: 'sipp', password: new Secret('sipp-secret') } };
    assertAll(await runs.run({ scenario: '407-md5', transport, leg }), `trying ${SAID}`, FINISHED);
  });

  it('ends with the 403 that SIPp has for a wrong password', async () => {
    const leg = { credentials: { username: 'sipp', password: new Secret('wrong') } };
    const end: LegEnd = { kind: 'rejected', sip: { status: 403, reason: 'Forbidden' } };
    assertAll(await runs.run({ scenario: '407-md5', leg }), 'trying ended', end);
  });

  it.each(['udp', 'tcp'] as const)('answers a 401 with SHA-256 rather than MD5, over %s', async (transport) => {
    const leg = { credentials: { username: 'sipp', password: new Secret('sipp-secret') } };
    const result = await runs.run({ scenario: '401-sha256', transport, leg });
    assertAll(result, `trying ${SAID}`, FINISHED);
    // SIPp knows MD5 only: what it saw is worked out here, by RFC 7616 §3.4.1.
    const answers = ['INVITE', 'BYE'].flatMap((method) =>
      requestsOf(result.wire, method).flatMap((request) => credentialsIn(request, method)),
    );
    expect(new Set(answers.map(({ nonce, cnonce, nc }) => `${nonce} ${cnonce} ${nc}`)).size).toBe(200);
    for (const { response, expected } of answers) expect(response).toBe(expected);
  });

  it('leaves nothing behind', () => runs.assertNothingLeft());
});

function credentialsIn(request: string, method: string): Record<string, string>[] {
  const line = /^Authorization: Digest (.*)$/m.exec(request)?.[1];
  if (line === undefined) return [];
  const values = Object.fromEntries([...line.matchAll(/(\w+)="?([^",]*)"?/g)].map((m) => [m[1], m[2]]));
  const { realm, nonce, uri, nc, cnonce, qop } = values;
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  const secret = sha256(`sipp:${realm}:sipp-secret`);
  const expected = sha256(`${secret}:${nonce}:${nc}:${cnonce}:${qop}:${sha256(`${method}:${uri}`)}`);
  return [{ ...values, expected }];
}
