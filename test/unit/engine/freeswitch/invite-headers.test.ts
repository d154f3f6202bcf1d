import { createRequire } from 'node:module';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Leg } from '../../../../src/engine/engine.ts';
import { checkLeg, inviteHeaders } from '../../../../src/engine/freeswitch/invite-headers.ts';
import { parseNameAddress } from '../../../../src/sip/header.ts';
import { header, parseMessage, type SipRequest } from '../../../../src/sip/message.ts';
import { legTo } from '../../../support/legs.ts';

/** What drachtio-srf makes of an object of headers on its way to the server; it has no types. */
const DrachtioMessage = createRequire(import.meta.url)('drachtio-srf/lib/sip-parser/message.js') as new (
  parts: Record<string, unknown>,
) => { toString(): string };

const IDENTITY = { callId: 'f00d', fromTag: 'abc', userAgent: 'voice-otp/1' };

function written(leg: Leg, identity: Parameters<typeof inviteHeaders>[1] = IDENTITY): string {
  const headers = inviteHeaders(leg, identity);
  return new DrachtioMessage({ method: 'INVITE', uri: leg.requestUri, headers, body: 'v=0' }).toString();
}

function read(text: string): SipRequest {
  const message = parseMessage(Buffer.from(text));
  if (message.kind !== 'request') throw new Error(`not a request: ${message.kind}`);
  return message;
}

/** Names as the server finds them: it splits at every CR and LF, and takes _ for -. */
function namesIn(text: string): string[] {
  const lines = text.split(/[\r\n]+/).slice(1, -1);
  return lines.map((line) => line.slice(0, line.indexOf(':')).trim().toLowerCase().replaceAll('_', '-'));
}

const OURS = ['from', 'to', 'call-id', 'allow', 'supported', 'user-agent', 'expires'];

function legWith(change: Partial<Leg>): Leg {
  return { ...legTo(5060, '+4930123456'), ...change };
}

describe('inviteHeaders', () => {
  it('says all that an INVITE needs and drachtio does not say', () => {
    const leg = legWith({
      headers: [
        ['P-Asserted-Identity', '"Shop" <sip:+49891@carrier.example>'],
        ['Privacy', 'id'],
      ],
      timeouts: { setupMs: 8000, ringMs: 30_500, maxCallMs: 60_000, lingerMs: 0 },
    });
    expect(inviteHeaders(leg, { ...IDENTITY, cseq: 7 })).toEqual({
      From: '"Test" <sip:+442079460999@127.0.0.1>;tag=abc',
      To: '<sip:+4930123456@127.0.0.1:5060>',
      'Call-ID': 'f00d',
      CSeq: '7 INVITE',
      Allow: 'INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO',
      Supported: '100rel, timer',
      'User-Agent': 'voice-otp/1',
      Expires: '44',
      'P-Asserted-Identity': '"Shop" <sip:+49891@carrier.example>',
      Privacy: 'id',
    });
  });

  it('lets a flash call ring for as long as its attempt may last', () => {
    const flash = { ringHoldMs: 2500, maxRingMs: 10_000, onAnswer: 'hangup' } as const;
    const leg = legWith({
      flash,
      timeouts: { setupMs: 8000, ringMs: 30_500, maxCallMs: 60_000, lingerMs: 0 },
    });
    expect(inviteHeaders(leg, IDENTITY)['Expires']).toBe('15');
  });

  it('makes a new object each time', () => {
    const leg = legWith({});
    const first = inviteHeaders(leg, IDENTITY);
    first['From'] = 'changed';
    expect(inviteHeaders(leg, IDENTITY)['From']).toContain(leg.from.uri);
  });

  it('joins the lines of a list, however they are spelled', () => {
    const leg = legWith({
      headers: [
        ['P-Asserted-Identity', '<sip:1@a.example>'],
        ['p-asserted_identity', '<tel:+491>'],
      ],
    });
    const request = read(written(leg));
    expect(header(request, 'P-Asserted-Identity')).toBe('<sip:1@a.example>, <tel:+491>');
  });

  it('gives each realm a line of its own', () => {
    const authorization = ['a', 'b', 'c', 'd', 'e'].map(
      (realm) => ['Authorization', `Digest realm="${realm}"`] as const,
    );
    const request = read(written(legWith({}), { ...IDENTITY, authorization }));
    const lines = request.headers.filter(([name]) => name === 'Authorization').map(([, value]) => value);
    expect(lines).toEqual(authorization.map(([, value]) => value));
  });

  it('throws for a leg that is refused, and for any text that would end its line', () => {
    expect(() => inviteHeaders(legWith({ requestUri: 'tel:+4930' }), IDENTITY)).toThrow(/Request-URI/);
    const authorization = [['Authorization', 'Digest realm="a\rRoute: <sip:evil.example>"']] as const;
    expect(() => inviteHeaders(legWith({}), { ...IDENTITY, authorization })).toThrow(/control character/);
    expect(() => inviteHeaders(legWith({}), { ...IDENTITY, userAgent: 'a\nb' })).toThrow(/control character/);
  });
});

describe('checkLeg', () => {
  it.each([
    'sip:+4930123456@carrier.example',
    'sip:0049@[2001:db8::1]:5061;user=phone;transport=tcp',
    'sip:anna%20b@10.0.0.1',
    "sip:a-_.!~*'()&=+$,/b@c.example",
    'sip:gateway.example',
  ])('lets pass the callee %s', (requestUri) => {
    expect(checkLeg(legWith({ requestUri }))).toBeUndefined();
  });

  it.each([
    // Both harm the server: the first ends it, the second goes out without TLS.
    'tel:+4930123456',
    'sips:+4930@carrier.example',
    'SIP:+4930@carrier.example',
    'sip:',
    'sip:@carrier.example',
    'sip:a@b@c.example',
    'sip:+4930@carrier.example?Subject=hello',
    'sip:+49 30@carrier.example',
    'sip:+4930@carrier.example|sip:evil.example',
    'sip:12#34@carrier.example',
    'sip:+4930@localhost:5060',
    'sip:+4930@localhost.example',
    'sip:+4930@carrier.example\rRoute: <sip:evil.example>',
    'sip:+4930@carrier.example SIP/2.0\r\nX: y\r\n',
    'sip:<a>@carrier.example',
    'sip:"a"@carrier.example',
    'sip:jürgen@carrier.example',
    'sip:+4930@carrier.example\0',
    `sip:${'1'.repeat(300)}@carrier.example`,
    'mailto:a@b.example',
    '',
  ])('refuses the callee %j', (requestUri) => {
    expect(checkLeg(legWith({ requestUri }))).toMatch(/^the Request-URI/);
  });

  it.each<[Leg['from'], boolean]>([
    [{ uri: 'sip:anonymous@anonymous.invalid', displayName: 'Anonymous' }, true],
    [{ uri: 'tel:+49-30-1', displayName: 'Jürgen 🎉; <sip:x@y>, tag=1' }, true],
    [{ uri: 'tel:+4930;phone-context=example.com' }, true],
    [{ uri: 'sips:a@b.example', displayName: '' }, true],
    [{ uri: 'tel:' }, false],
    [{ uri: 'tel:+49x' }, false],
    [{ uri: 'sip:a@b.example?Subject=x' }, false],
    [{ uri: 'sip:a@localhost' }, false],
    [{ uri: 'sip:a@mylocalhost.example' }, false],
    [{ uri: 'sip:a@b.example', displayName: 'localhost' }, false],
    [{ uri: 'sip:a@b.example>;tag=evil' }, false],
    [{ uri: 'sip:a@b.example', displayName: 'a" <sip:evil@x>' }, false],
    [{ uri: 'sip:a@b.example', displayName: 'a\\' }, false],
    [{ uri: 'sip:a@b.example', displayName: 'a\u0085b' }, false],
    [{ uri: 'sip:a@b.example', displayName: 'a\tb' }, false],
    [{ uri: 'sip:a@b.example', displayName: '\ud800' }, false],
    [{ uri: 'sip:a@b.example', displayName: 'x'.repeat(300) }, false],
  ])('judges the caller %j: %s', (from, fine) => {
    expect(checkLeg(legWith({ from })) === undefined).toBe(fine);
  });

  it.each([
    ['carrier.example', true],
    ['10.0.0.1', true],
    ['2001:db8::1', true],
    ['a|b', false],
    ['a b', false],
    ['a;transport=tcp', false],
    ['a\r\nb', false],
    ['', false],
  ])('judges the next hop %j: %s', (host, fine) => {
    expect(checkLeg(legWith({ nextHop: { host, transport: 'udp' } })) === undefined).toBe(fine);
  });

  it.each([
    'From',
    'to',
    'VIA',
    'Call-ID',
    'call_id',
    'CSeq',
    'Contact',
    'Content-Type',
    'content_length',
    'Max_Forwards',
    'Route',
    'Record-Route',
    'Authorization',
    'Proxy-Authorization',
    'Allow',
    'Supported',
    'User-Agent',
    'Expires',
    'payload',
    'RSeq',
    'f',
    't',
    'v',
    'i',
    'm',
    'l',
    'c',
    'k',
    'K',
    'constructor',
    '__proto__',
    'toString',
    '',
    'X Y',
    'X:Y',
    'X-A\r\nX-B',
    'Ü',
  ])('keeps the header %j to drachtio and the engine', (name) => {
    expect(checkLeg(legWith({ headers: [[name, '1']] }))).toMatch(/header/);
  });

  it.each<[string, Leg['headers']]>([
    ['a line end', [['X-A', 'a\r\nX-B: b']]],
    ['a bare CR', [['X-A', 'a\rb']]],
    ['a bare LF', [['X-A', 'a\nb']]],
    ['a NUL', [['X-A', 'a\0b']]],
    ['localhost', [['p_asserted-identity', '<sip:1@localhost.example>']]],
    [
      'two of one that is no list',
      [
        ['Privacy', 'id'],
        ['privacy', 'header'],
      ],
    ],
  ])('refuses headers with %s', (_name, headers) => {
    expect(checkLeg(legWith({ headers }))).toMatch(/^the header/);
  });

  it('repeats nothing that it refuses but the names of headers', () => {
    const reasons = [
      checkLeg(legWith({ requestUri: 'sip:493817@x y' })),
      checkLeg(legWith({ from: { uri: 'sip:a@b.example', displayName: '493817"' } })),
      checkLeg(legWith({ headers: [['493817 ', '1']] })),
      checkLeg(legWith({ headers: [['X-A', '493817\n']] })),
    ];
    expect(reasons).not.toContain(undefined);
    expect(reasons.join()).not.toContain('493817');
  });
});

const piece = fc.oneof(
  fc.constantFrom(
    '\r',
    '\n',
    '\r\n',
    '\r\nX-Evil: 1',
    '\rRoute: <sip:e@e.example>',
    '\0',
    '\t',
    ' ',
    '"',
    '\\',
    '<',
    '>',
    '|',
    '?a=b',
    ';',
    ',',
    ':',
    '@',
    '@localhost',
    'localhost',
    '%0d%0a',
    '\u0085',
    '\u2028',
    'ü',
    '🎉',
    '\ud800',
    '_',
    '-',
    'sip:',
    'tel:',
    '127.0.0.1',
    'call_id',
    'From',
    '\r\n\r\nv=0',
    '#',
    '[::1]',
    'x',
    '1',
  ),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const hostile = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''));

/** Harmless at one end, and anything in between. */
function around(before: string, after: string): fc.Arbitrary<string> {
  return fc.oneof(
    { arbitrary: hostile.map((text) => `${before}${text}${after}`), weight: 3 },
    { arbitrary: fc.constant(`${before}${after}`), weight: 3 },
    { arbitrary: hostile, weight: 1 },
  );
}

const anyLeg: fc.Arbitrary<Leg> = fc
  .record({
    requestUri: around('sip:+4930', '@carrier.example'),
    uri: around('sip:+4989', '@trunk.example'),
    displayName: fc.option(around('Shop', ''), { nil: undefined }),
    headers: fc.array(fc.tuple(around('X-A', ''), around('', '')), { maxLength: 3 }),
  })
  .map(({ requestUri, uri, displayName, headers }) =>
    legWith({ requestUri, from: { uri, ...(displayName === undefined ? {} : { displayName }) }, headers }),
  );

describe('what passes', () => {
  it('says what was asked for and no line more', () => {
    let passed = 0;
    fc.assert(
      fc.property(anyLeg, (leg) => {
        if (checkLeg(leg) !== undefined) return;
        passed += 1;
        const text = written(leg);
        const asked = leg.headers.map(([name]) => name.toLowerCase().replaceAll('_', '-'));
        expect(namesIn(text).sort()).toEqual([...OURS, 'content-length', ...asked].sort());
        expect(text.split('\r\n').slice(0, -1).join('')).not.toMatch(/\p{Cc}/u);
        const request = read(text);
        expect([request.uri, request.body]).toEqual([leg.requestUri, 'v=0']);
        const from = parseNameAddress(header(request, 'From') ?? '');
        expect(from).toMatchObject({ uri: leg.from.uri, displayName: leg.from.displayName ?? '' });
        expect([...(from?.params ?? [])]).toEqual([['tag', 'abc']]);
        expect(parseNameAddress(header(request, 'To') ?? '')).toMatchObject({ uri: leg.requestUri });
      }),
      { numRuns: 2000 },
    );
    // Otherwise this would show nothing.
    expect(passed).toBeGreaterThan(50);
  });
});
