import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/secret.ts';
import { domainOfTrust, type TlsTerms, TlsTrust, tlsFault, trustId } from '../../../src/sip/tls-trust.ts';
import { Authority, selfSigned } from '../../support/certificates.ts';

const authority = new Authority();
const certificate = authority.issue({ names: ['dns:us.example'] });
const PIN = 'ab'.repeat(32);

describe('terms of TLS', () => {
  it.each<[string, TlsTerms]>([
    ['nothing', {}],
    ['everything', { ca: authority.cert, pins: [PIN], certificate, serverName: 'x.example' }],
    ['several authorities', { ca: `${authority.cert}${new Authority().cert}` }],
    ['a pin in base64', { pins: [Buffer.from(PIN, 'hex').toString('base64')] }],
  ])('may have %s', (_, terms) => {
    expect(tlsFault(terms)).toBeUndefined();
    expect(new TlsTrust(terms, 'carrier.example').id).toBe(trustId(terms, 'carrier.example'));
  });

  it.each<[string, TlsTerms, RegExp]>([
    ['an authority that is none', { ca: 'PEM' }, /ca is no cert/],
    ['a pin that is none', { pins: ['abc'] }, /a pin is no SHA-256/],
    ['a pin of SHA-1', { pins: ['ab'.repeat(20)] }, /a pin is no SHA-256/],
    ['a certificate that is none', { certificate: { ...certificate, cert: 'x' } }, /no certificate in PEM/],
    ['a key that is none', { certificate: { ...certificate, key: new Secret('s3cret') } }, /no private key/],
    [
      'the key of another certificate',
      { certificate: { ...certificate, key: selfSigned({ names: [] }).key } },
      /the key is not that of/,
    ],
  ])('must not have %s', (_, terms, fault) => {
    expect(tlsFault(terms)).toMatch(fault);
    expect(tlsFault(terms)).not.toContain('s3cret');
    expect(() => new TlsTrust(terms, 'carrier.example')).toThrow(fault);
  });

  it.each<[TlsTerms, string, string | undefined]>([
    [{}, 'carrier.example', 'carrier.example'],
    [{ serverName: 'sbc.example' }, 'carrier.example', 'sbc.example'],
    [{ serverName: '*.example' }, 'carrier.example', 'carrier.example'],
    [{ serverName: 'sbc.example' }, '192.0.2.1', 'sbc.example'],
    [{}, '192.0.2.1', undefined],
  ])('%j ask %s for %s', (terms, domain, name) => {
    expect(new TlsTrust(terms, domain).options.servername).toBe(name);
  });

  it('are named alike in every process, differently where they differ, and without a secret', () => {
    const terms: TlsTerms[] = [
      {},
      { ca: authority.cert },
      { pins: [PIN] },
      { certificate },
      { serverName: 'x' },
    ];
    const ids = terms.map((one) => trustId(one, 'carrier.example'));
    expect(new Set(ids).size).toBe(terms.length);
    expect(trustId({}, 'other.example')).not.toBe(ids[0]);
    expect(ids[1]).toBe(trustId({ ca: authority.cert }, 'carrier.example'));
    expect(ids.map(domainOfTrust)).toEqual(terms.map(() => 'carrier.example'));
    expect(ids[3]).not.toContain(certificate.key.reveal().slice(40, 60));
  });
});
