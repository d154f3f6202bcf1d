import { describe, expect, it } from 'vitest';
import type { PlainAnswer } from '../../../src/engine/engine.ts';
import { Secret } from '../../../src/secret.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import {
  bindingOf,
  grantOf,
  isRefusal,
  registerRequest,
  wordsFor,
} from '../../../src/trunk/register-request.ts';
import { someTrunk } from '../../support/records.ts';

const password = new Secret('swordfish');

function registering(change: Partial<Trunk> = {}): Trunk {
  return someTrunk({ username: 'us', password, register: { expiresSeconds: 600 }, ...change });
}

function said(status: number, more: { expiresSeconds?: number } = {}): PlainAnswer {
  return { kind: 'response', sip: { status, reason: 'Why' }, ...more };
}

describe('registerRequest', () => {
  it('registers the trunk’s user with its host', () => {
    expect(registerRequest(registering({ port: 5070 }), 600)).toEqual({
      method: 'REGISTER',
      requestUri: 'sip:alpha.example:5070',
      to: 'sip:us@alpha.example',
      from: 'sip:us@alpha.example',
      nextHop: { host: 'alpha.example', port: 5070, transport: 'udp' },
      credentials: { username: 'us', password },
      expiresSeconds: 600,
    });
  });

  it.each([
    ['sip.carrier.example', 'sip:sip.carrier.example', { host: 'sip.carrier.example', transport: 'udp' }],
    [
      'carrier.example:5080',
      'sip:carrier.example:5080',
      { host: 'carrier.example', port: 5080, transport: 'udp' },
    ],
    ['[2001:db8::1]', 'sip:[2001:db8::1]', { host: '2001:db8::1', transport: 'udp' }],
    ['[2001:db8::1]:5080', 'sip:[2001:db8::1]:5080', { host: '2001:db8::1', port: 5080, transport: 'udp' }],
  ])('registers with the registrar %s', (registrar, requestUri, nextHop) => {
    const request = registerRequest(
      registering({ port: 5070, register: { registrar, expiresSeconds: 60 } }),
      60,
    );
    expect(request).toMatchObject({ requestUri, nextHop });
    expect(request.nextHop).toEqual(nextHop);
    expect(request.to).toBe(`sip:us@${requestUri.slice(4).replace(/:5080$/, '')}`);
  });

  it('goes by the outbound proxy where there is one, also to a registrar elsewhere', () => {
    const outboundProxy = { host: 'proxy.example', port: 5061, transport: 'tls' } as const;
    const tls = { serverName: 'proxy.example' };
    const register = { registrar: 'carrier.example', expiresSeconds: 60 };
    expect(registerRequest(registering({ outboundProxy, tls, register }), 0)).toMatchObject({
      requestUri: 'sip:carrier.example',
      nextHop: outboundProxy,
      tls,
      expiresSeconds: 0,
    });
  });

  it('takes another user than that of the credentials, and escapes what a URI would read otherwise', () => {
    const to = (user: string) =>
      registerRequest(registering({ register: { user, expiresSeconds: 60 } }), 60).to;
    expect(to('+4930123')).toBe('sip:+4930123@alpha.example');
    expect(to('us@home;x ü')).toBe('sip:us%40home%3Bx%20%C3%BC@alpha.example');
  });
});

describe('bindingOf', () => {
  it('is another one when the address or the way to it is another one, and only then', () => {
    const binding = bindingOf(registering());
    const same = [
      registering({ id: 'beta', password: new Secret('another') }),
      registering({ register: { user: 'us', registrar: 'alpha.example', expiresSeconds: 60 } }),
    ];
    const other = [
      registering({ host: 'beta.example' }),
      registering({ port: 5062 }),
      registering({ transport: 'tcp' }),
      registering({ username: 'them' }),
      registering({ outboundProxy: { host: 'proxy.example' } }),
    ];
    expect(same.map(bindingOf)).toEqual([binding, binding]);
    expect(other.map(bindingOf)).not.toContain(binding);
  });
});

describe('what an answer means', () => {
  it.each([
    [said(200, { expiresSeconds: 90 }), 90, false, '200 Why'],
    [said(200), 600, false, '200 Why'],
    [said(200, { expiresSeconds: 4_294_967_295 }), 86_400, false, '200 Why'],
    [said(200, { expiresSeconds: 0 }), undefined, true, '200 Why, kept for 0 s'],
    [said(302), undefined, true, '302 Why'],
    [said(401), undefined, true, '401 Why'],
    [said(408), undefined, false, '408 Why'],
    [said(480), undefined, false, '480 Why'],
    [said(500), undefined, false, '500 Why'],
    [said(503), undefined, false, '503 Why'],
    [said(603), undefined, true, '603 Why'],
    [{ kind: 'no_response' }, undefined, false, 'no response'],
    [{ kind: 'unreachable', detail: 'ECONNREFUSED' }, undefined, false, 'ECONNREFUSED'],
    [{ kind: 'failed', detail: 'no server' }, undefined, false, 'no server'],
  ] as [PlainAnswer, number | undefined, boolean, string][])('%j', (answer, seconds, refusal, words) => {
    expect(grantOf(answer, 600)).toBe(seconds);
    expect(isRefusal(answer)).toBe(refusal);
    expect(wordsFor(answer)).toBe(words);
  });
});
