import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isOfDomain, listNames, readAltNames } from '../../../src/sip/tls-identity.ts';
import { type AltName, selfSigned } from '../../support/certificates.ts';

function namesOf(...names: AltName[]) {
  return readAltNames(new X509Certificate(selfSigned({ names }).cert).subjectAltName);
}

describe('the domains of a certificate (RFC 5922 §7)', () => {
  it.each<[string, readonly AltName[], string, boolean]>([
    ['a DNS name', ['dns:carrier.example'], 'carrier.example', true],
    ['in other letters', ['dns:CARRIER.example'], 'carrier.EXAMPLE', true],
    ['with the dot of the root', ['dns:carrier.example'], 'carrier.example.', true],
    ['one of several', ['dns:a.example', 'dns:carrier.example'], 'carrier.example', true],
    ['not a host of the domain', ['dns:carrier.example'], 'sbc.carrier.example', false],
    ['not the domain of the host', ['dns:sbc.carrier.example'], 'carrier.example', false],
    ['not by a wildcard', ['dns:*.carrier.example'], 'sbc.carrier.example', false],
    ['a wildcard that is asked for', ['dns:*.carrier.example'], '*.carrier.example', true],
    ['a SIP URI', ['uri:sip:carrier.example'], 'carrier.example', true],
    ['a SIP URI with a port', ['uri:SIP:carrier.example:5061'], 'carrier.example', true],
    ['not a SIP URI of a user', ['uri:sip:someone@carrier.example'], 'carrier.example', false],
    ['not a URI of another kind', ['uri:https://carrier.example'], 'carrier.example', false],
    ['not a sips: URI', ['uri:sips:carrier.example'], 'carrier.example', false],
    ['DNS where no URI is a domain', ['uri:sip:a@b.example', 'dns:carrier.example'], 'carrier.example', true],
    ['not DNS where a URI is one', ['uri:sip:b.example', 'dns:carrier.example'], 'carrier.example', false],
    ['an address', ['ip:192.0.2.7'], '192.0.2.7', true],
    ['an address next to a URI', ['uri:sip:b.example', 'ip:192.0.2.7'], '192.0.2.7', true],
    ['not another address', ['ip:192.0.2.7'], '192.0.2.8', false],
    ['nothing without names', [], 'carrier.example', false],
  ])('%s', (_, names, domain, expected) => {
    expect(isOfDomain(namesOf(...names), domain)).toBe(expected);
  });

  it.each([
    'evil.example, DNS:carrier.example',
    'evil.example,DNS:carrier.example',
    'evil.example"',
    '"carrier.example"',
    'carrier.example\0.evil.example',
  ])('are not made by tricks: %j', (name) => {
    expect(isOfDomain(namesOf(`dns:${name}`), 'carrier.example')).toBe(false);
    expect(isOfDomain(namesOf(`uri:sip:${name}`), 'carrier.example')).toBe(false);
  });

  it('are those in the certificate and no others, whatever they hold', () => {
    const name = fc.string({ unit: fc.constantFrom(...'ab.,": \\*'), minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(name, { maxLength: 3 }), name, (dns, domain) => {
        const matches = isOfDomain(namesOf(...dns.map((one) => `dns:${one}` as const)), domain);
        const bare = (one: string) => one.replace(/\.$/, '');
        expect(matches && !dns.some((one) => bare(one) === bare(domain))).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  it('are read in IPv6 too, and listed for people', () => {
    const names = readAltNames('IP Address:2001:DB8:0:0:0:0:0:7, DNS:a.example, URI:sip:b.example');
    expect(isOfDomain(names, '2001:db8::7')).toBe(true);
    expect(listNames(names)).toBe('sip:b.example, a.example, 2001:DB8:0:0:0:0:0:7');
    expect(listNames(readAltNames(undefined))).toBe('no name');
  });
});
