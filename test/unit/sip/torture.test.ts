import { describe, expect, it } from 'vitest';
import { dialogOfUac } from '../../../src/sip/dialog.ts';
import { parseChallenges } from '../../../src/sip/digest.ts';
import {
  contactUri,
  faultOf,
  parseCSeq,
  parseNameAddress,
  parseNumber,
  parseVia,
  tagOf,
} from '../../../src/sip/header.ts';
import {
  header,
  headerList,
  type Malformed,
  parseMessage,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../../src/sip/message.ts';
import { parseUri } from '../../../src/sip/uri.ts';
import { INVALID } from '../../support/sip/torture-invalid.ts';
import type { TortureTable } from '../../support/sip/torture-message.ts';
import { SEMANTICS } from '../../support/sip/torture-semantics.ts';
import { VALID } from '../../support/sip/torture-valid.ts';

function read(table: TortureTable, name: string): SipMessage | Malformed {
  const message = parseMessage(table[name] ?? Buffer.alloc(0));
  if (message.kind === 'keep_alive') throw new Error(`there is no message ${name}`);
  return message;
}

function request(table: TortureTable, name: string): SipRequest {
  const message = read(table, name);
  if (message.kind !== 'request') throw new Error(`${name} is ${JSON.stringify(message)}`);
  return message;
}

function response(table: TortureTable, name: string): SipResponse {
  const message = read(table, name);
  if (message.kind !== 'response') throw new Error(`${name} is ${JSON.stringify(message)}`);
  return message;
}

/** What is the same to read in each of them. */
function essence(message: SipMessage) {
  return {
    start: message.kind === 'request' ? message.method : message.status,
    callId: header(message, 'Call-ID'),
    cseq: parseCSeq(header(message, 'CSeq'))?.number,
    fromTag: tagOf(message, 'From'),
    toTag: tagOf(message, 'To'),
    vias: headerList(message, 'Via').length,
    bodyBytes: Buffer.byteLength(message.body),
  };
}

const name = (message: SipMessage, key: 'From' | 'To' | 'Contact') =>
  parseNameAddress(header(message, key) ?? '');

describe('RFC 4475 §3.1.1, valid messages', () => {
  const INTERESTING = "!interesting-Method0123456789_*+`.%indeed'~";
  it.each([
    // start, Call-ID, CSeq, From-tag, To-tag, number of Via values, bytes of the body
    ['wsinv', 'INVITE', 'wsinv.ndaksdj@192.0.2.1', 9, '98asjd8', '1918181833n', 3, 150],
    [
      'intmeth',
      INTERESTING,
      `intmeth.word%ZK-!.*_+'@word\`~)(><:\\/"][?}{`,
      139122385,
      "_token~1'+`*%!-.",
      '',
      1,
      0,
    ],
    ['esc01', 'INVITE', 'esc01.239409asdfakjkn23onasd0-3234', 234234, '938', '', 1, 150],
    ['escnull', 'REGISTER', 'escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd', 14398234, '839923423', '', 1, 0],
    ['esc02', 'RE%47IST%45R', 'esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf', 29344, 'f232jadfj23', '', 1, 0],
    ['lwsdisp', 'OPTIONS', 'lwsdisp.1234abcd@funky.example.com', 60, '323', '', 1, 0],
    [
      ...['longreq', 'INVITE', `longreq.one${'really'.repeat(20)}longcallid`, 3882340],
      ...[`12${'982'.repeat(50)}424`, '', 34, 150],
    ],
    ['dblreq', 'REGISTER', 'dblreq.0ha0isndaksdj99sdfafnl3lk233412', 8, '43251j3j324', '', 1, 0],
    ['semiuri', 'OPTIONS', 'semiuri.0ha0isndaksdj', 8, '33242', '', 1, 0],
    ['transports', 'OPTIONS', 'transports.kijh4akdnaqjkwendsasfdj', 60, '323', '', 5, 0],
    ['noreason', 100, 'noreason.asndj203insdf99223ndf', 35, '39ansfi3', '902jndnke3', 1, 0],
    ['unreason', 200, 'unreason.1234ksdfak3j2erwedfsASdf', 35, '11141343', '2229', 1, 154],
  ])('%s', (key, start, callId, cseq, fromTag, toTag, vias, bodyBytes) => {
    const message = read(VALID, String(key));
    if (message.kind === 'malformed') throw new Error(message.why);
    expect(faultOf(message)).toBeUndefined();
    expect(essence(message)).toEqual({ start, callId, cseq, fromTag, toTag, vias, bodyBytes });
  });

  it('covers the section', () => {
    expect(Object.keys(VALID)).toHaveLength(13);
  });

  it('3.1.1.1 wsinv: folding, white space, compact forms, leading zeros, quoted pairs', () => {
    const message = request(VALID, 'wsinv');
    expect(message.uri).toBe('sip:vivekg@chair-dnrc.example.com;unknownparam');
    expect(parseUri(message.uri)?.params.get('unknownparam')).toBe('');
    expect(name(message, 'To')?.uri).toBe('sip:vivekg@chair-dnrc.example.com');
    expect(name(message, 'From')).toMatchObject({
      displayName: 'J Rosenberg \\"',
      uri: 'sip:jdrosen@example.com',
    });
    expect(parseNumber(header(message, 'Max-Forwards'))).toBe(68);
    expect(header(message, 'Subject')).toBe('');
    expect(header(message, 'Newfangledheader')).toMatch(/^newfangled value +continued newfangled value$/);
    expect(header(message, 'Unknownheaderwithunusualvalue')).toBe(';;,,;;,;');
    expect(headerList(message, 'Via').map((via) => parseVia(via))).toEqual([
      { transport: 'UDP', host: '192.0.2.2', port: undefined, params: new Map([['branch', '390skdjuw']]) },
      {
        ...{ transport: 'TCP', host: 'spindle.example.com', port: undefined },
        params: new Map([['branch', 'z9hG4bK9ikj8']]),
      },
      {
        ...{ transport: 'UDP', host: '192.168.255.111', port: undefined },
        params: new Map([['branch', 'z9hG4bK30239']]),
      },
    ]);
    expect(headerList(message, 'Route')).toEqual([
      '<sip:services.example.com;lr;unknownwith=value;unknown-no-value>',
    ]);
    expect(name(message, 'Contact')).toEqual({
      displayName: 'Quoted string ""',
      uri: 'sip:jdrosen@example.com',
      params: new Map([
        ['newparam', 'newvalue'],
        ['secondparam', ''],
        ['q', '0.33'],
      ]),
    });
  });

  it('3.1.1.2 intmeth: every character that is allowed, NUL and UTF-8 among them', () => {
    const message = request(VALID, 'intmeth');
    expect(parseUri(message.uri)).toMatchObject({
      user: "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
      host: 'example.com',
    });
    expect(name(message, 'To')).toMatchObject({
      displayName: 'BEL:\u0007 NUL:\0 DEL:\u007f',
      uri: "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com",
    });
    expect(name(message, 'From')?.params.get("fromparam''~+*_!.-%")).toBe('работающий');
    expect(parseVia(header(message, 'Via') ?? '')?.params.get('branch')).toBe("z9hG4bK-.!%66*_+`'~");
  });

  it('3.1.1.3 esc01: escapes are kept, and do not end the user part', () => {
    const message = request(VALID, 'esc01');
    expect(parseUri(message.uri)).toMatchObject({ user: 'sips%3Auser%40example.com', host: 'example.net' });
    expect(header(message, 'Content-Type')).toBe('application/sdp');
    const contact = parseUri(contactUri(message) ?? '');
    expect(contact).toMatchObject({ user: 'cal%6Cer', host: 'host5.example.net' });
    // "%6C%72" is not read as "lr": comparing parameters is nobody's work here, and loose routing is not to be forged.
    expect(contact?.params.has('lr')).toBe(false);
    expect(contact?.params.get('n%61me')).toBe('v%61lue%25%34%31');
  });

  it('3.1.1.4 escnull: an escaped NUL ends nothing', () => {
    const message = request(VALID, 'escnull');
    expect(headerList(message, 'Contact').map((value) => parseNameAddress(value)?.uri)).toEqual([
      'sip:%00@host5.example.com',
      'sip:%00%00@host5.example.com',
    ]);
    expect(parseUri(contactUri(message) ?? '')?.user).toBe('%00');
  });

  it('3.1.1.5 esc02: a % in a method, a header name or a display name is a character like others', () => {
    const message = request(VALID, 'esc02');
    expect(name(message, 'To')?.displayName).toBe('%Z%45');
    expect(headerList(message, 'Contact')).toHaveLength(2);
    expect(header(message, 'C%6fntact')).toBe('<sip:alias2@host2.example.com>');
  });

  it('3.1.1.6 lwsdisp: no space between the display name and its bracket', () => {
    expect(name(request(VALID, 'lwsdisp'), 'From')).toMatchObject({
      displayName: 'caller',
      uri: 'sip:caller@example.com',
    });
  });

  it('3.1.1.7 longreq: long values, and 34 Via lines in every spelling', () => {
    const message = request(VALID, 'longreq');
    const to = name(message, 'To');
    expect(to?.displayName).toBe(`I have a user name of ${'extreme'.repeat(10)} proportion`);
    expect(parseUri(to?.uri ?? '')?.params.get(`longparam${'name'.repeat(25)}`)).toBe('shortvalue');
    expect(headerList(message, 'Via').map((via) => parseVia(via)?.host)).toEqual([
      ...Array.from({ length: 33 }, (_, i) => `sip${33 - i}.example.com`),
      'host.example.com',
    ]);
  });

  it('3.1.1.8 dblreq: what follows Content-Length in a datagram is not ours', () => {
    const message = request(VALID, 'dblreq');
    expect(message.body).toBe('');
    expect(header(message, 'Content-Type')).toBeUndefined();
  });

  it('3.1.1.9 semiuri: a semicolon in the user part starts no parameter', () => {
    const message = request(VALID, 'semiuri');
    expect(parseUri(message.uri)).toEqual({
      ...{ scheme: 'sip', user: 'user;par=u%40example.net', host: 'example.com', port: undefined },
      params: new Map(),
    });
    expect(headerList(message, 'Accept')).toHaveLength(6);
  });

  it('3.1.1.10 transports: known and unknown', () => {
    const vias = headerList(request(VALID, 'transports'), 'Via');
    expect(vias.map((via) => parseVia(via)?.transport)).toEqual(['UDP', 'SCTP', 'TLS', 'UNKNOWN', 'TCP']);
  });

  it('3.1.1.11 mpart01: a binary body with NULs is framed by its length', () => {
    const message = request(VALID, 'mpart01');
    expect(faultOf(message)).toBeUndefined();
    expect(message.method).toBe('MESSAGE');
    expect(message.body.startsWith('--7a9cbec02ceef655\r\n')).toBe(true);
    expect(message.body.endsWith('\r\n--7a9cbec02ceef655--\r\n')).toBe(true);
    // The same bytes with one missing are not a message.
    expect(parseMessage((VALID.mpart01 as Buffer).subarray(0, -1)).kind).toBe('malformed');
  });

  it('3.1.1.12 unreason and 3.1.1.13 noreason: any reason phrase, or none', () => {
    expect(response(VALID, 'unreason').reason).toBe('= 2**3 * 5**2 но сто девяносто девять - простое');
    expect(response(VALID, 'noreason').reason).toBe('');
  });
});

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
    const message = read(INVALID, key);
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
    expect(faultOf(request(INVALID, key))).toBe(fault);
  });

  it('3.1.2.4 scalar02: numbers out of range are not read', () => {
    const message = request(INVALID, 'scalar02');
    expect(parseNumber(header(message, 'Expires'))).toBeUndefined();
    expect(parseNumber(name(message, 'Contact')?.params.get('expires'))).toBeUndefined();
  });

  it('3.1.2.5 scalarlg: a response with such a CSeq is dropped', () => {
    const message = response(INVALID, 'scalarlg');
    expect(faultOf(message)).toBe('CSeq is malformed');
    expect(parseNumber(header(message, 'Retry-After'))).toBeUndefined();
  });

  it('3.1.2.11 escruri: headers in a Request-URI are passed over, never added to the request', () => {
    const message = request(INVALID, 'escruri');
    expect(headerList(message, 'Route')).toEqual([]);
    expect(parseUri(message.uri)).toEqual({
      ...{ scheme: 'sip', user: 'user', host: 'example.com', port: undefined, params: new Map() },
    });
  });

  it('3.1.2.12 baddate: Date means nothing to us, so a wrong one does no harm', () => {
    expect(faultOf(request(INVALID, 'baddate'))).toBeUndefined();
  });

  it('3.1.2.13 regbadct: a Contact with "?" outside of brackets is not read', () => {
    expect(contactUri(request(INVALID, 'regbadct'))).toBeUndefined();
  });

  it('3.1.2.14 badaspec: spaces inside the brackets are tolerated, as the RFC allows', () => {
    const message = request(INVALID, 'badaspec');
    expect(faultOf(message)).toBeUndefined();
    expect(name(message, 'To')?.uri).toBe('sip:t.watson@example.org');
  });

  it('3.1.2.19 bigcode: no status, so no response, and nothing to answer', () => {
    const message = read(INVALID, 'bigcode');
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
    expect(faultOf(request(SEMANTICS, key))).toBeUndefined();
  });

  it('3.2.1 badbranch: a branch without a word after the cookie is no transaction identifier', () => {
    const via = parseVia(header(request(SEMANTICS, 'badbranch'), 'Via') ?? '');
    // ServerTransactions then matches as for RFC 2543: server-transactions.test.ts.
    expect(via?.params.get('branch')).toBe('z9hG4bK');
  });

  it('3.3.1 insuf: what is missing is named', () => {
    expect(faultOf(request(SEMANTICS, 'insuf'))).toBe('From is missing');
  });

  it.each(['unkscm', 'novelsc'])('3.3.2, 3.3.3 %s: not our kind of URI: the endpoint answers 416', (key) => {
    expect(parseUri(request(SEMANTICS, key).uri)).toBeUndefined();
  });

  it('3.3.4 unksm2: other schemes in To and From are just names; a Contact like that leads nowhere', () => {
    const message = request(SEMANTICS, 'unksm2');
    expect(name(message, 'To')?.uri).toBe('isbn:2983792873');
    expect(name(message, 'From')?.uri).toBe('http://www.example.com');
    expect(parseUri(contactUri(message) ?? '')).toBeUndefined();
  });

  it('3.3.5 bext01: Require is readable for whoever answers 420', () => {
    expect(headerList(request(SEMANTICS, 'bext01'), 'Require')).toEqual([
      'nothingSupportsThis',
      'nothingSupportsThisEither',
    ]);
  });

  it('3.3.6 invut: an unknown body is framed, its type readable for whoever answers 415', () => {
    const message = request(SEMANTICS, 'invut');
    expect(header(message, 'Content-Type')).toBe('application/unknownformat');
    expect(message.body).toBe('<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n');
  });

  it('3.3.7 regaut01: an unknown scheme of authorization is no challenge and no credential', () => {
    const value = header(request(SEMANTICS, 'regaut01'), 'Authorization') ?? '';
    expect(parseChallenges([value])).toEqual([]);
  });

  it('3.3.8 multi01: a header that may be there once is there twice', () => {
    expect(faultOf(request(SEMANTICS, 'multi01'))).toBe('From is there twice');
  });

  it('3.3.9 mcl01: two lengths that differ', () => {
    expect(read(SEMANTICS, 'mcl01')).toMatchObject({
      kind: 'malformed',
      why: 'bad Content-Length',
      partial: { method: 'OPTIONS' },
    });
  });

  it('3.3.10 bcast: well-formed; no transaction of ours has its branch, so it is dropped', () => {
    const message = response(SEMANTICS, 'bcast');
    expect(faultOf(message)).toBeUndefined();
    expect(headerList(message, 'Via')).toHaveLength(2);
  });

  it('3.3.11 zeromf: Max-Forwards 0 stops a proxy; the endpoint it reached answers', () => {
    expect(parseNumber(header(request(SEMANTICS, 'zeromf'), 'Max-Forwards'))).toBe(0);
  });

  it('3.3.12 cparam01, 3.3.13 cparam02: brackets decide whose parameter it is', () => {
    const outside = name(request(SEMANTICS, 'cparam01'), 'Contact');
    expect(outside).toMatchObject({ uri: 'sip:+19725552222@gw1.example.net' });
    expect(outside?.params.has('unknownparam')).toBe(true);
    const inside = name(request(SEMANTICS, 'cparam02'), 'Contact');
    expect(inside?.params.size).toBe(0);
    expect(parseUri(inside?.uri ?? '')?.params.has('unknownparam')).toBe(true);
  });

  it('3.3.14 regescrt: headers escaped in a Contact stay with the URI', () => {
    const message = request(SEMANTICS, 'regescrt');
    expect(contactUri(message)).toBe('sip:user@example.com?Route=%3Csip:sip.example.com%3E');
    expect(headerList(message, 'Route')).toEqual([]);
    expect(parseUri(contactUri(message) ?? '')).toMatchObject({ user: 'user', host: 'example.com' });
  });

  it('3.3.15 sdp01: Accept is readable for whoever answers 406', () => {
    const message = request(SEMANTICS, 'sdp01');
    expect(headerList(message, 'Accept')).toEqual(['text/nobodyKnowsThis']);
    expect(message.body.startsWith('v=0\r\n')).toBe(true);
  });

  it('3.4.1 inv2543: no tag, no branch, no Contact, no Content-Length', () => {
    const message = request(SEMANTICS, 'inv2543');
    expect(tagOf(message, 'From')).toBe('');
    expect(parseVia(header(message, 'Via') ?? '')?.params.has('branch')).toBe(false);
    expect(message.body.endsWith('m=audio 49217 RTP/AVP 0\r\n')).toBe(true);
    // Its route is one of strict routing.
    const answer: SipResponse = { ...message, kind: 'response', status: 200, reason: 'OK' };
    expect(dialogOfUac(message, answer)?.routeSet).toEqual(['<sip:UserB@example.com;maddr=ss1.example.com>']);
  });
});
