import { describe, expect, it } from 'vitest';
import { dialogOfUac } from '../../../src/sip/dialog.ts';
import { parseChallenges } from '../../../src/sip/digest.ts';
import { contactUri, faultOf, parseNumber, parseVia, tagOf } from '../../../src/sip/header.ts';
import { header, headerList, type SipRequest, type SipResponse } from '../../../src/sip/message.ts';
import { parseUri } from '../../../src/sip/uri.ts';
import { INVALID } from '../../support/sip/torture-invalid.ts';
import { nameIn, readTorture, tortureRequest, tortureResponse } from '../../support/sip/torture-reading.ts';
import { SEMANTICS } from '../../support/sip/torture-semantics.ts';

describe('RFC 4475 §3.1.2, invalid messages', () => {
  it('covers the section', () => {
    expect(Object.keys(INVALID)).toHaveLength(19);
  });

  // A request that can be answered keeps what an answer needs, whatever is wrong with it.
  it.each([
    ['clerr', 'body shorter than Content-Length'],
    ['ncl', 'bad Content-Length'],
    ['ltgtruri', 'bad request line'],
    ['lwsruri', 'bad request line'],
    ['lwsstart', 'bad request line'],
    ['trws', 'bad request line'],
    ['badvers', 'version'],
  ])('%s is malformed (%s), and can be refused', (key, why) => {
    const message = readTorture(INVALID, key);
    if (message.kind !== 'malformed') throw new Error(`${key} was taken`);
    expect(message.why).toBe(why);
    const partial = message.partial as SipRequest;
    expect(header(partial, 'Call-ID')).toMatch(new RegExp(`^${key}\\.`));
    expect(header(partial, 'Via')).toBeDefined();
    expect(partial.method).toMatch(/^(INVITE|OPTIONS)$/);
  });

  it.each([
    ['badinv01', 'Via is malformed'],
    ['scalar02', 'CSeq is malformed'],
    ['quotbal', 'To is malformed'],
    ['baddn', 'From is malformed'],
    ['mismatch01', 'CSeq names another method'],
    ['mismatch02', 'CSeq names another method'],
  ])('%s: %s', (key, fault) => {
    expect(faultOf(tortureRequest(INVALID, key))).toBe(fault);
  });

  it('3.1.2.4 scalar02: numbers out of range are not read', () => {
    const message = tortureRequest(INVALID, 'scalar02');
    expect(parseNumber(header(message, 'Expires'))).toBeUndefined();
    expect(parseNumber(nameIn(message, 'Contact')?.params.get('expires'))).toBeUndefined();
  });

  it('3.1.2.5 scalarlg: a response with such a CSeq is dropped', () => {
    const message = tortureResponse(INVALID, 'scalarlg');
    expect(faultOf(message)).toBe('CSeq is malformed');
    expect(parseNumber(header(message, 'Retry-After'))).toBeUndefined();
  });

  it('3.1.2.11 escruri: headers in a Request-URI are passed over, never added to the request', () => {
    const message = tortureRequest(INVALID, 'escruri');
    expect(headerList(message, 'Route')).toEqual([]);
    expect(parseUri(message.uri)).toEqual({
      ...{ scheme: 'sip', user: 'user', host: 'example.com', port: undefined, params: new Map() },
    });
  });

  it('3.1.2.12 baddate: Date means nothing to us, so a wrong one does no harm', () => {
    expect(faultOf(tortureRequest(INVALID, 'baddate'))).toBeUndefined();
  });

  it('3.1.2.13 regbadct: a Contact with "?" outside of brackets is not read', () => {
    expect(contactUri(tortureRequest(INVALID, 'regbadct'))).toBeUndefined();
  });

  it('3.1.2.14 badaspec: spaces inside the brackets are tolerated, as the RFC allows', () => {
    const message = tortureRequest(INVALID, 'badaspec');
    expect(faultOf(message)).toBeUndefined();
    expect(nameIn(message, 'To')?.uri).toBe('sip:t.watson@example.org');
  });

  it('3.1.2.19 bigcode: no status, so no response, and nothing to answer', () => {
    const message = readTorture(INVALID, 'bigcode');
    expect(message).toEqual({
      kind: 'malformed',
      why: 'neither a request line nor a status line',
    });
  });
});

describe('RFC 4475 §3.2 to §3.4, above the syntax', () => {
  it('covers the sections', () => {
    expect(Object.keys(SEMANTICS)).toHaveLength(17);
  });

  // These parse; what is special about them concerns whoever handles the request (see each test below).
  it.each([
    'badbranch',
    'unkscm',
    'novelsc',
    'unksm2',
    'bext01',
    'invut',
    'regaut01',
    'zeromf',
    'cparam01',
    'cparam02',
    'regescrt',
    'sdp01',
    'inv2543',
  ])('%s is well-formed', (key) => {
    expect(faultOf(tortureRequest(SEMANTICS, key))).toBeUndefined();
  });

  it('3.2.1 badbranch: a branch without a word after the cookie is no transaction identifier', () => {
    const via = parseVia(header(tortureRequest(SEMANTICS, 'badbranch'), 'Via') ?? '');
    // ServerTransactions then matches as for RFC 2543: server-transactions.test.ts.
    expect(via?.params.get('branch')).toBe('z9hG4bK');
  });

  it('3.3.1 insuf: what is missing is named', () => {
    expect(faultOf(tortureRequest(SEMANTICS, 'insuf'))).toBe('From is missing');
  });

  it.each(['unkscm', 'novelsc'])('3.3.2, 3.3.3 %s: not our kind of URI: the endpoint answers 416', (key) => {
    expect(parseUri(tortureRequest(SEMANTICS, key).uri)).toBeUndefined();
  });

  it('3.3.4 unksm2: other schemes in To and From are just names; a Contact like that leads nowhere', () => {
    const message = tortureRequest(SEMANTICS, 'unksm2');
    expect(nameIn(message, 'To')?.uri).toBe('isbn:2983792873');
    expect(nameIn(message, 'From')?.uri).toBe('http://www.example.com');
    expect(parseUri(contactUri(message) ?? '')).toBeUndefined();
  });

  it('3.3.5 bext01: Require is readable for whoever answers 420', () => {
    expect(headerList(tortureRequest(SEMANTICS, 'bext01'), 'Require')).toEqual([
      'nothingSupportsThis',
      'nothingSupportsThisEither',
    ]);
  });

  it('3.3.6 invut: an unknown body is framed, its type readable for whoever answers 415', () => {
    const message = tortureRequest(SEMANTICS, 'invut');
    expect(header(message, 'Content-Type')).toBe('application/unknownformat');
    expect(message.body).toBe('<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n');
  });

  it('3.3.7 regaut01: an unknown scheme of authorization is no challenge and no credential', () => {
    const value = header(tortureRequest(SEMANTICS, 'regaut01'), 'Authorization') ?? '';
    expect(parseChallenges([value])).toEqual([]);
  });

  it('3.3.8 multi01: a header that may be there once is there twice', () => {
    expect(faultOf(tortureRequest(SEMANTICS, 'multi01'))).toBe('From is there twice');
  });

  it('3.3.9 mcl01: two lengths that differ', () => {
    expect(readTorture(SEMANTICS, 'mcl01')).toMatchObject({
      kind: 'malformed',
      why: 'bad Content-Length',
      partial: { method: 'OPTIONS' },
    });
  });

  it('3.3.10 bcast: well-formed; no transaction of ours has its branch, so it is dropped', () => {
    const message = tortureResponse(SEMANTICS, 'bcast');
    expect(faultOf(message)).toBeUndefined();
    expect(headerList(message, 'Via')).toHaveLength(2);
  });

  it('3.3.11 zeromf: Max-Forwards 0 stops a proxy; the endpoint it reached answers', () => {
    expect(parseNumber(header(tortureRequest(SEMANTICS, 'zeromf'), 'Max-Forwards'))).toBe(0);
  });

  it('3.3.12 cparam01, 3.3.13 cparam02: brackets decide whose parameter it is', () => {
    const outside = nameIn(tortureRequest(SEMANTICS, 'cparam01'), 'Contact');
    expect(outside).toMatchObject({ uri: 'sip:+19725552222@gw1.example.net' });
    expect(outside?.params.has('unknownparam')).toBe(true);
    const inside = nameIn(tortureRequest(SEMANTICS, 'cparam02'), 'Contact');
    expect(inside?.params.size).toBe(0);
    expect(parseUri(inside?.uri ?? '')?.params.has('unknownparam')).toBe(true);
  });

  it('3.3.14 regescrt: headers escaped in a Contact stay with the URI', () => {
    const message = tortureRequest(SEMANTICS, 'regescrt');
    expect(contactUri(message)).toBe('sip:user@example.com?Route=%3Csip:sip.example.com%3E');
    expect(headerList(message, 'Route')).toEqual([]);
    expect(parseUri(contactUri(message) ?? '')).toMatchObject({ user: 'user', host: 'example.com' });
  });

  it('3.3.15 sdp01: Accept is readable for whoever answers 406', () => {
    const message = tortureRequest(SEMANTICS, 'sdp01');
    expect(headerList(message, 'Accept')).toEqual(['text/nobodyKnowsThis']);
    expect(message.body.startsWith('v=0\r\n')).toBe(true);
  });

  it('3.4.1 inv2543: no tag, no branch, no Contact, no Content-Length', () => {
    const message = tortureRequest(SEMANTICS, 'inv2543');
    expect(tagOf(message, 'From')).toBe('');
    expect(parseVia(header(message, 'Via') ?? '')?.params.has('branch')).toBe(false);
    expect(message.body.endsWith('m=audio 49217 RTP/AVP 0\r\n')).toBe(true);
    // Its route is one of strict routing.
    const answer: SipResponse = { ...message, kind: 'response', status: 200, reason: 'OK' };
    expect(dialogOfUac(message, answer)?.routeSet).toEqual(['<sip:UserB@example.com;maddr=ss1.example.com>']);
  });
});
