import { describe, expect, it } from 'vitest';
import type { CallWishes } from '../../../src/call/call.ts';
import type { PlannedLeg } from '../../../src/call/plan.ts';
import { callCredentials, plan, withOtherCodecs } from '../../../src/call/plan.ts';
import type { Leg } from '../../../src/engine/engine.ts';
import { Secret } from '../../../src/secret.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import { someTrunk } from '../../support/records.ts';

const prompt = { sampleRate: 8000, parts: [8] };
const password = new Secret('hunter2');

function planned(
  to: string,
  trunks: readonly Trunk[],
  wishes: Partial<CallWishes> = {},
): readonly PlannedLeg[] {
  return plan({
    callId: 'call_a',
    to,
    trunks,
    wishes: { cli: null, trunkId: null, ringTimeoutMs: null, ...wishes },
    prompt,
    timeouts: { maxCallMs: 60_000, lingerMs: 500 },
  });
}

function legs(to: string, ...trunks: readonly Trunk[]): readonly Leg[] {
  return planned(to, trunks).map(({ leg }) => leg);
}

function only(to: string, change: Partial<Trunk> = {}): Leg {
  const [leg] = legs(to, someTrunk(change));
  if (leg === undefined) {
    throw new Error('no leg');
  }
  return leg;
}

describe('plan for a number', () => {
  it('makes complete data of it', () => {
    expect(only('+4930123456', { username: 'otp', password, displayName: 'Shop' })).toEqual({
      callId: 'call_a',
      requestUri: 'sip:+4930123456@alpha.example',
      nextHop: { host: 'alpha.example', transport: 'udp' },
      from: { uri: 'sip:+498912345@alpha.example', displayName: 'Shop' },
      headers: [],
      credentials: { username: 'otp', password },
      codecs: ['PCMU', 'PCMA'],
      prompt,
      timeouts: { setupMs: 8000, ringMs: 30_000, maxCallMs: 60_000, lingerMs: 500 },
    });
  });

  it.each([
    ['+E164', '+4930123456', '+498912345'],
    ['E164', '4930123456', '498912345'],
    ['00E164', '004930123456', '+498912345'],
    ['9011E164', '90114930123456', '+498912345'],
  ])('writes numbers as %s', (numberFormat, dialled, shown) => {
    const leg = only('+4930123456', { numberFormat });
    expect(leg.requestUri).toBe(`sip:${dialled}@alpha.example`);
    expect(leg.from.uri).toBe(`sip:${shown}@alpha.example`);
  });

  it('leaves a calling number without plus as the carrier asked for it', () => {
    expect(only('+4930123456', { cli: 'acct-17', numberFormat: 'E164' }).from.uri).toBe(
      'sip:acct-17@alpha.example',
    );
  });

  it.each([['E.164'], ['+'], [''], ['0049'], ['+E164;x']])('refuses the number format %j', (numberFormat) => {
    expect(() => only('+4930123456', { numberFormat })).toThrow(/number format/);
  });

  it('shows the calling number as the trunk wants it (RFC 3325, RFC 3323)', () => {
    expect(only('+4930123456', { identity: 'pai', displayName: 'Shop' })).toMatchObject({
      from: { uri: 'sip:+498912345@alpha.example', displayName: 'Shop' },
      headers: [['P-Asserted-Identity', '"Shop" <sip:+498912345@alpha.example>']],
    });
    expect(only('+4930123456', { identity: 'pai_privacy' })).toMatchObject({
      from: { uri: 'sip:anonymous@anonymous.invalid', displayName: 'Anonymous' },
      headers: [
        ['P-Asserted-Identity', '<sip:+498912345@alpha.example>'],
        ['Privacy', 'id'],
      ],
    });
  });

  it('sends to the outbound proxy, and asks for the trunk', () => {
    const leg = only('+4930123456', {
      port: 5070,
      transport: 'tcp',
      outboundProxy: { host: 'proxy.example', port: 5080 },
    });
    expect(leg.requestUri).toBe('sip:+4930123456@alpha.example:5070');
    expect(leg.nextHop).toEqual({ host: 'proxy.example', port: 5080, transport: 'tcp' });
  });

  it('writes IPv6 hosts in brackets', () => {
    const leg = only('+4930123456', { host: '2001:db8::1', port: 5070 });
    expect(leg.requestUri).toBe('sip:+4930123456@[2001:db8::1]:5070');
    expect(leg.nextHop.host).toBe('2001:db8::1');
  });

  it('keeps the order of the trunks', () => {
    const uris = legs('+4930123456', someTrunk(), someTrunk({ id: 'beta', host: 'beta.example' }));
    expect(uris.map(({ nextHop }) => nextHop.host)).toEqual(['alpha.example', 'beta.example']);
  });

  it.each([
    { cli: '1>\r\nX-Evil: 1' },
    { displayName: 'a" <sip:evil@x>' },
    { displayName: 'a\nb' },
    { host: 'a<b' },
  ])('refuses a trunk with syntax in its texts: %j', (change) => {
    expect(() => only('+4930123456', change)).toThrow(/syntax/);
  });
});

describe('plan for a SIP address', () => {
  it('goes to the host of the address, without the password of the trunk', () => {
    const leg = only('sip:anna@pbx.example:5070', { username: 'otp', password });
    expect(leg.requestUri).toBe('sip:anna@pbx.example:5070');
    expect(leg.nextHop).toEqual({ host: 'pbx.example', port: 5070, transport: 'udp' });
    expect(leg).not.toHaveProperty('credentials');
    expect(
      callCredentials('sip:anna@pbx.example:5070', someTrunk({ username: 'otp', password })),
    ).toBeUndefined();
  });

  it('gives the password to the trunk itself and to its proxy', () => {
    const account = { username: 'otp', password };
    expect(only('sip:anna@alpha.example', account).credentials).toEqual(account);
    const proxied = only('sip:anna@pbx.example', { ...account, outboundProxy: { host: 'proxy.example' } });
    expect(proxied.nextHop.host).toBe('proxy.example');
    expect(proxied.credentials).toEqual(account);
  });

  it('asks the same host once, however many trunks there are', () => {
    const hops = legs(
      'sip:anna@pbx.example',
      someTrunk(),
      someTrunk({ id: 'beta', host: 'beta.example' }),
      someTrunk({ id: 'gamma', outboundProxy: { host: 'proxy.example' } }),
    ).map(({ nextHop }) => nextHop.host);
    expect(hops).toEqual(['pbx.example', 'proxy.example']);
  });
});

describe('withOtherCodecs', () => {
  it.each([
    [['PCMU', 'PCMA'], [], ['PCMU', 'PCMA']],
    [['PCMU', 'PCMA'], ['PCMU'], ['PCMA', 'PCMU']],
    [
      ['PCMU', 'PCMA'],
      ['PCMU', 'PCMA'],
      ['PCMA', 'PCMU'],
    ],
    [['PCMU'], ['PCMU'], ['PCMU']],
  ] as const)('%j after %j: %j', (codecs, offered, expected) => {
    expect(withOtherCodecs({ ...only('+4930123456'), codecs }, offered).codecs).toEqual(expected);
  });
});

describe('plan for a call with wishes', () => {
  const alpha = someTrunk({ numberFormat: 'E164', allowedClis: ['+498900001', '+498900002'] });
  const beta = someTrunk({ id: 'beta', host: 'beta.example', allowedClis: ['+498900002'] });

  it('shows the number that was asked for, by the trunks that may show it', () => {
    expect(planned('+4930123456', [alpha, beta], { cli: '+498900001' })).toMatchObject([
      { trunk: { id: 'alpha' }, cli: '498900001', leg: { from: { uri: 'sip:498900001@alpha.example' } } },
    ]);
    expect(planned('+4930123456', [alpha, beta], { cli: '+498900002' }).map(({ cli }) => cli)).toEqual([
      '498900002',
      '+498900002',
    ]);
    expect(planned('+4930123456', [alpha, beta], { cli: '+498900003' })).toEqual([]);
  });

  it('uses the trunk that was asked for and no other', () => {
    const ids = (trunkId: string): string[] =>
      planned('+4930123456', [alpha, beta], { trunkId }).map(({ trunk }) => trunk.id);
    expect(ids('beta')).toEqual(['beta']);
    expect(ids('gamma')).toEqual([]);
  });

  it('rings as long as it was asked to', () => {
    const [leg] = planned('+4930123456', [alpha], { ringTimeoutMs: 7000 });
    expect(leg?.leg.timeouts).toMatchObject({ ringMs: 7000, setupMs: 8000 });
  });
});
