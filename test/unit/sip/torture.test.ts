import { describe, expect, it } from 'vitest';
import {
  contactUri,
  faultOf,
  parseCSeq,
  parseNameAddress,
  parseNumber,
  parseVia,
  tagOf,
} from '../../../src/sip/header.ts';
import { header, headerList, parseMessage, type SipMessage } from '../../../src/sip/message.ts';
import { parseUri } from '../../../src/sip/uri.ts';
import { nameIn, readTorture, tortureRequest, tortureResponse } from '../../support/sip/torture-reading.ts';
import { VALID } from '../../support/sip/torture-valid.ts';

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
    const message = readTorture(VALID, String(key));
    if (message.kind === 'malformed') throw new Error(message.why);
    expect(faultOf(message)).toBeUndefined();
    expect(essence(message)).toEqual({ start, callId, cseq, fromTag, toTag, vias, bodyBytes });
  });

  it('covers the section', () => {
    expect(Object.keys(VALID)).toHaveLength(13);
  });

  it('3.1.1.1 wsinv: folding, white space, compact forms, leading zeros, quoted pairs', () => {
    const message = tortureRequest(VALID, 'wsinv');
    expect(message.uri).toBe('sip:vivekg@chair-dnrc.example.com;unknownparam');
    expect(parseUri(message.uri)?.params.get('unknownparam')).toBe('');
    expect(nameIn(message, 'To')?.uri).toBe('sip:vivekg@chair-dnrc.example.com');
    expect(nameIn(message, 'From')).toMatchObject({
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
    expect(nameIn(message, 'Contact')).toEqual({
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
    const message = tortureRequest(VALID, 'intmeth');
    expect(parseUri(message.uri)).toMatchObject({
      user: "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
      host: 'example.com',
    });
    expect(nameIn(message, 'To')).toMatchObject({
      displayName: 'BEL:\u0007 NUL:\0 DEL:\u007f',
      uri: "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com",
    });
    expect(nameIn(message, 'From')?.params.get("fromparam''~+*_!.-%")).toBe('работающий');
    expect(parseVia(header(message, 'Via') ?? '')?.params.get('branch')).toBe("z9hG4bK-.!%66*_+`'~");
  });

  it('3.1.1.3 esc01: escapes are kept, and do not end the user part', () => {
    const message = tortureRequest(VALID, 'esc01');
    expect(parseUri(message.uri)).toMatchObject({ user: 'sips%3Auser%40example.com', host: 'example.net' });
    expect(header(message, 'Content-Type')).toBe('application/sdp');
    const contact = parseUri(contactUri(message) ?? '');
    expect(contact).toMatchObject({ user: 'cal%6Cer', host: 'host5.example.net' });
    // "%6C%72" is not read as "lr": comparing parameters is nobody's work here, and loose routing is not to be forged.
    expect(contact?.params.has('lr')).toBe(false);
    expect(contact?.params.get('n%61me')).toBe('v%61lue%25%34%31');
  });

  it('3.1.1.4 escnull: an escaped NUL ends nothing', () => {
    const message = tortureRequest(VALID, 'escnull');
    expect(headerList(message, 'Contact').map((value) => parseNameAddress(value)?.uri)).toEqual([
      'sip:%00@host5.example.com',
      'sip:%00%00@host5.example.com',
    ]);
    expect(parseUri(contactUri(message) ?? '')?.user).toBe('%00');
  });

  it('3.1.1.5 esc02: a % in a method, a header name or a display name is a character like others', () => {
    const message = tortureRequest(VALID, 'esc02');
    expect(nameIn(message, 'To')?.displayName).toBe('%Z%45');
    expect(headerList(message, 'Contact')).toHaveLength(2);
    expect(header(message, 'C%6fntact')).toBe('<sip:alias2@host2.example.com>');
  });

  it('3.1.1.6 lwsdisp: no space between the display name and its bracket', () => {
    expect(nameIn(tortureRequest(VALID, 'lwsdisp'), 'From')).toMatchObject({
      displayName: 'caller',
      uri: 'sip:caller@example.com',
    });
  });

  it('3.1.1.7 longreq: long values, and 34 Via lines in every spelling', () => {
    const message = tortureRequest(VALID, 'longreq');
    const to = nameIn(message, 'To');
    expect(to?.displayName).toBe(`I have a user name of ${'extreme'.repeat(10)} proportion`);
    expect(parseUri(to?.uri ?? '')?.params.get(`longparam${'name'.repeat(25)}`)).toBe('shortvalue');
    expect(headerList(message, 'Via').map((via) => parseVia(via)?.host)).toEqual([
      ...Array.from({ length: 33 }, (_, i) => `sip${33 - i}.example.com`),
      'host.example.com',
    ]);
  });

  it('3.1.1.8 dblreq: what follows Content-Length in a datagram is not ours', () => {
    const message = tortureRequest(VALID, 'dblreq');
    expect(message.body).toBe('');
    expect(header(message, 'Content-Type')).toBeUndefined();
  });

  it('3.1.1.9 semiuri: a semicolon in the user part starts no parameter', () => {
    const message = tortureRequest(VALID, 'semiuri');
    expect(parseUri(message.uri)).toEqual({
      ...{ scheme: 'sip', user: 'user;par=u%40example.net', host: 'example.com', port: undefined },
      params: new Map(),
    });
    expect(headerList(message, 'Accept')).toHaveLength(6);
  });

  it('3.1.1.10 transports: known and unknown', () => {
    const vias = headerList(tortureRequest(VALID, 'transports'), 'Via');
    expect(vias.map((via) => parseVia(via)?.transport)).toEqual(['UDP', 'SCTP', 'TLS', 'UNKNOWN', 'TCP']);
  });

  it('3.1.1.11 mpart01: a binary body with NULs is framed by its length', () => {
    const message = tortureRequest(VALID, 'mpart01');
    expect(faultOf(message)).toBeUndefined();
    expect(message.method).toBe('MESSAGE');
    expect(message.body.startsWith('--7a9cbec02ceef655\r\n')).toBe(true);
    expect(message.body.endsWith('\r\n--7a9cbec02ceef655--\r\n')).toBe(true);
    // The same bytes with one missing are not a message.
    expect(parseMessage((VALID.mpart01 as Buffer).subarray(0, -1)).kind).toBe('malformed');
  });

  it('3.1.1.12 unreason and 3.1.1.13 noreason: any reason phrase, or none', () => {
    expect(tortureResponse(VALID, 'unreason').reason).toBe('= 2**3 * 5**2 но сто девяносто девять - простое');
    expect(tortureResponse(VALID, 'noreason').reason).toBe('');
  });
});
