import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  contactUri,
  faultOf,
  formatVia,
  parseCSeq,
  parseNameAddress,
  parseNumber,
  parseReason,
  parseSessionExpires,
  parseVia,
  tagOf,
} from '../../../src/sip/header.ts';
import type { SipHeader, SipRequest } from '../../../src/sip/message.ts';

const HEADERS: readonly SipHeader[] = [
  ['Via', 'SIP/2.0/UDP a;branch=z9hG4bK1'],
  ['From', '<sip:a@b>;tag=1'],
  ['To', '<sip:c@d>'],
  ['Call-ID', '1@a'],
  ['CSeq', '1 OPTIONS'],
];

function withHeaders(...changed: readonly SipHeader[]): SipRequest {
  const names = new Set(changed.map(([name]) => name));
  const headers = [...HEADERS.filter(([name]) => !names.has(name)), ...changed];
  return { kind: 'request', method: 'OPTIONS', uri: 'sip:c@d', headers, body: '' };
}

describe('parseVia', () => {
  it.each([
    ['SIP/2.0/UDP a', 'UDP', 'a', undefined, {}],
    [
      'sip / 2.0 / tcp  [2001:db8::1] : 5060 ;rport; Branch = z9hG4bK1',
      'TCP',
      '2001:db8::1',
      5060,
      { rport: '', branch: 'z9hG4bK1' },
    ],
    ['SIP/2.0/UDP 192.0.2.1:5060;x="a;b,\\"c"', 'UDP', '192.0.2.1', 5060, { x: 'a;b,"c' }],
    ['SIP/2.0/UDP sip_proxy:5060', 'UDP', 'sip_proxy', 5060, {}],
  ])('reads %s', (text, transport, host, port, params) => {
    expect(parseVia(text)).toEqual({ transport, host, port, params: new Map(Object.entries(params)) });
  });

  it.each([
    '',
    ';',
    'SIP/2.0/UDP',
    'SIP/3.0/UDP a',
    'SIP/2.0/UDP a b',
    'SIP/2.0/UDP a:0',
    'SIP/2.0/U"DP a',
    'SIP/2.0/UDP a;"x',
  ])('refuses %j', (text) => expect(parseVia(text)).toBeUndefined());

  it('is undone by formatVia, quotes and all', () => {
    const via = fc.record({
      transport: fc.constantFrom('UDP', 'TCP', 'TLS', 'TLS-SCTP'),
      host: fc.oneof(fc.domain(), fc.ipV4(), fc.constant('2001:db8::1')),
      port: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
      params: fc
        .array(fc.tuple(fc.stringMatching(/^[a-z0-9._-]{1,9}$/), fc.string()), { maxLength: 5 })
        .map((pairs) => new Map(pairs)),
    });
    fc.assert(
      fc.property(via, (written) => {
        expect(parseVia(formatVia(written))).toEqual(written);
      }),
    );
  });
});

describe('parseNameAddress', () => {
  it.each([
    ['<sip:a@b>', '', 'sip:a@b', {}],
    ['"A. \\"B\\" <x>" <sip:a@b;lr?x=y>;tag=1;q', 'A. "B" <x>', 'sip:a@b;lr?x=y', { tag: '1', q: '' }],
    ['Alice B<sip:a@b> ; Tag = Xy', 'Alice B', 'sip:a@b', { tag: 'Xy' }],
    ['sip:a@b;tag=1', '', 'sip:a@b', { tag: '1' }],
    ['tel:+4930123;tag=1', '', 'tel:+4930123', { tag: '1' }],
    ['<sip:a@b>;tag="x;y"', '', 'sip:a@b', { tag: 'x;y' }],
    ['"a\\\\" <sip:a@b>', 'a\\', 'sip:a@b', {}],
  ])('reads %s', (text, displayName, uri, params) => {
    expect(parseNameAddress(text)).toEqual({ displayName, uri, params: new Map(Object.entries(params)) });
  });

  it.each([
    ...['', '<>', '<sip:a@b', 'sip:a@b>', '"x <sip:a@b>', '"x" y <sip:a@b>', 'a,b <sip:a@b>', '<sip:a b@c>'],
    ...[
      '<sip:a@b>, <sip:c@d>',
      '<sip:a@b> x',
      'alice',
      'sip:a@b, sip:c@d',
      'sip:a@b?x=y',
      '<"sip:a@b">',
      '"a\\" <sip:a@b>',
    ],
  ])('refuses %j', (text) => expect(parseNameAddress(text)).toBeUndefined());
});

describe('numbers', () => {
  it.each([
    ['1 INVITE', { number: 1, method: 'INVITE' }],
    ['0009   PRACK', { number: 9, method: 'PRACK' }],
    ['2147483647 X', { number: 2 ** 31 - 1, method: 'X' }],
    ['2147483648 X', undefined],
    ['-1 X', undefined],
    ['1', undefined],
    ['1 (', undefined],
    [undefined, undefined],
  ])('CSeq %s', (text, cseq) => expect(parseCSeq(text)).toEqual(cseq));

  it.each([
    ['120', 120],
    ['0068', 68],
    ['120;duration=3600', 120],
    ['120 (in a meeting);duration=60', 120],
    ['12 0', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['99999999999', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('number %s', (text, number) => expect(parseNumber(text)).toBe(number));

  it.each([
    ['1800', { seconds: 1800, refresher: undefined }],
    ['90;Refresher=UAS;x', { seconds: 90, refresher: 'uas' }],
    ['90;refresher=proxy', { seconds: 90, refresher: undefined }],
    // A session of no length would end, or be refreshed, without a pause.
    ['0', undefined],
    ['000', undefined],
    ['-5', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('Session-Expires %s', (text, interval) => expect(parseSessionExpires(text)).toEqual(interval));
});

describe('parseReason', () => {
  it.each([
    [['Q.850;cause=16;text="Normal, call clearing"'], { q850: 16, text: 'Normal, call clearing' }],
    [
      ['SIP;cause=200;text="Call completed elsewhere", q.850 ;cause=26'],
      { q850: 26, text: 'Call completed elsewhere' },
    ],
    [['Q.850;cause=17', 'Q.850;cause=16'], { q850: 17 }],
    [['Q.850;cause=1e1', 'Q.850', 'X.999;cause=3', ''], {}],
  ])('%j', (lines, reason) => {
    expect(parseReason(withHeaders(...lines.map((line): SipHeader => ['Reason', line])))).toEqual(reason);
  });
});

describe('faultOf', () => {
  it('finds nothing wrong with what is complete', () => expect(faultOf(withHeaders())).toBeUndefined());

  it.each(HEADERS.map(([name]) => name))('misses %s', (missing) => {
    const message = withHeaders();
    expect(faultOf({ ...message, headers: message.headers.filter(([name]) => name !== missing) })).toBe(
      `${missing} is missing`,
    );
  });

  it.each(['From', 'To', 'Call-ID', 'CSeq'])('%s twice', (name) => {
    const message = withHeaders();
    const again = message.headers.filter(([key]) => key === name);
    expect(faultOf({ ...message, headers: [...message.headers, ...again] })).toBe(`${name} is there twice`);
  });

  it.each<[SipHeader, string]>([
    [['Via', ';'], 'Via is malformed'],
    [['Via', ''], 'Via is malformed'],
    [['Via', 'SIP/2.0/UDP a, nonsense'], 'Via is malformed'],
    [['Call-ID', ''], 'Call-ID is malformed'],
    [['Call-ID', 'a b'], 'Call-ID is malformed'],
    [['From', 'alice'], 'From is malformed'],
    [['To', '<sip:a@b>, <sip:c@d>'], 'To is malformed'],
    [['CSeq', '1'], 'CSeq is malformed'],
    [['CSeq', '1 INVITE'], 'CSeq names another method'],
  ])('%j', (changed, fault) => expect(faultOf(withHeaders(changed))).toBe(fault));

  it('looks at the first Via of a response only: the others are not ours', () => {
    const { headers, body } = withHeaders(['Via', 'SIP/2.0/UDP a;branch=z9hG4bK1, nonsense']);
    expect(faultOf({ kind: 'response', status: 200, reason: 'OK', headers, body })).toBeUndefined();
  });
});

describe('tagOf, contactUri', () => {
  it('reads the tag, or nothing', () => {
    expect([tagOf(withHeaders(), 'From'), tagOf(withHeaders(), 'To')]).toEqual(['1', '']);
    expect(tagOf(withHeaders(['To', '<<']), 'To')).toBe('');
  });

  it('reads the first Contact', () => {
    expect(contactUri(withHeaders(['Contact', '"a,b" <sip:x@y>;q=1, <sip:z@y>']))).toBe('sip:x@y');
    expect(contactUri(withHeaders(['Contact', '*']))).toBeUndefined();
    expect(contactUri(withHeaders())).toBeUndefined();
  });
});
