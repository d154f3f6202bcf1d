import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatMessage,
  hasToken,
  header,
  headerList,
  parseMessage,
  type SipHeader,
  type SipMessage,
  splitOutsideQuotes,
} from '../../../src/sip/message.ts';

const text = (lines: string) => Buffer.from(lines.replaceAll('\n', '\r\n'));

describe('parseMessage', () => {
  it('writes names in their usual form, short ones too', () => {
    const message = parseMessage(
      text('OPTIONS sip:a SIP/2.0\ni: 1\ncALL-id: 2\nCSEQ: 1 X\nx-My-hEADER: y\nm: *\n\n'),
    );
    expect(message).toMatchObject({
      headers: [
        ['Call-ID', '1'],
        ['Call-ID', '2'],
        ['CSeq', '1 X'],
        ['X-My-Header', 'y'],
        ['Contact', '*'],
      ],
    });
  });

  it.each(['\r\n', '\r\n\r\n', '\n', ''])('%j is a keep-alive', (bytes) => {
    expect(parseMessage(Buffer.from(bytes))).toEqual({ kind: 'keep_alive' });
  });

  it('passes over line ends before the start line, and takes bare LF', () => {
    const message = parseMessage(Buffer.from('\r\n\r\nOPTIONS sip:a SIP/2.0\nl: 2\nTo: b\n c\n\nhi'));
    expect(message).toMatchObject({
      method: 'OPTIONS',
      body: 'hi',
      headers: [
        ['Content-Length', '2'],
        ['To', 'b c'],
      ],
    });
  });

  it('finds the body by bytes, whatever the headers hold', () => {
    // "Müller" in Latin-1, as many PBXs send it: not UTF-8, and one byte is not three.
    const head = Buffer.from(
      'INVITE sip:a SIP/2.0\r\nFrom: "M\xfcller" <sip:m@a>\r\nContent-Length: 5\r\n\r\n',
      'latin1',
    );
    expect(parseMessage(Buffer.concat([head, Buffer.from('v=0\r\n')]))).toMatchObject({ body: 'v=0\r\n' });
    expect(parseMessage(Buffer.concat([head, Buffer.from('v=0\r\n-more-')]))).toMatchObject({
      body: 'v=0\r\n',
    });
    expect(parseMessage(Buffer.concat([head, Buffer.from('v=0')]))).toMatchObject({ kind: 'malformed' });
  });

  it.each([
    ['a status under 100', 'SIP/2.0 099 x\n\n'],
    ['a status over 699', 'SIP/2.0 700 x\n\n'],
    ['no empty line', 'OPTIONS sip:a SIP/2.0\nTo: b\n'],
    ['another protocol', 'GET / HTTP/1.1\n\n'],
    ['a line without a colon', 'OPTIONS sip:a SIP/2.0\nTo\n\n'],
    ['a name with a space', 'OPTIONS sip:a SIP/2.0\nTo o: x\n\n'],
    ['an empty name', 'OPTIONS sip:a SIP/2.0\n: x\n\n'],
    ['a method that is no token', 'OPT(IONS sip:a SIP/2.0\n\n'],
    ['301 headers', `OPTIONS sip:a SIP/2.0\n${'a: b\n'.repeat(301)}\n`],
    ['a length that is no number', 'OPTIONS sip:a SIP/2.0\nl: 1x\n\nx'],
    ['a length in hexadecimal', 'OPTIONS sip:a SIP/2.0\nl: 0x1\n\nx'],
  ])('refuses %s', (_, lines) => {
    expect(parseMessage(text(lines))).toMatchObject({ kind: 'malformed', why: expect.any(String) });
  });

  it('takes the same length twice', () => {
    expect(parseMessage(text('OPTIONS sip:a SIP/2.0\nl: 1\nl: 1\n\nx'))).toMatchObject({ body: 'x' });
  });
});

const token = fc.stringMatching(/^[A-Za-z0-9.!%*_+`'~-]{1,20}$/);
const value = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .map((words) => words.replaceAll(/[\r\n]/g, ' ').trim());
const headers = fc.array(
  fc.tuple(
    token.filter((name) => name.length > 1 && !/^content-length$/i.test(name)),
    value,
  ),
  { maxLength: 20 },
);
const body = fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme' }));
const anyMessage: fc.Arbitrary<SipMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('request' as const),
    method: token,
    uri: fc.stringMatching(/^[^\s<>"]{1,30}$/),
    headers,
    body,
  }),
  fc.record({
    kind: fc.constant('response' as const),
    status: fc.integer({ min: 100, max: 699 }),
    reason: value,
    headers,
    body,
  }),
);

describe('formatMessage', () => {
  it('computes Content-Length in bytes, and replaces a given one', () => {
    const bytes = formatMessage({
      ...{ kind: 'request', method: 'INFO', uri: 'sip:a', body: 'ä' },
      headers: [
        ['Content-Length', '99'],
        ['To', 'b'],
      ],
    });
    expect(bytes.toString()).toBe('INFO sip:a SIP/2.0\r\nTo: b\r\nContent-Length: 2\r\n\r\nä');
  });

  it('is undone by parseMessage', () => {
    const lower = (list: readonly SipHeader[]) => list.map(([name, text_]) => [name.toLowerCase(), text_]);
    fc.assert(
      fc.property(anyMessage, (message) => {
        const read = parseMessage(formatMessage(message));
        if (read.kind !== 'request' && read.kind !== 'response') throw new Error(read.kind);
        const { headers: written, ...rest } = message;
        expect(read).toMatchObject(rest);
        expect(lower(read.headers)).toEqual([
          ...lower(written),
          ['content-length', String(Buffer.byteLength(message.body))],
        ]);
      }),
    );
  });
});

describe('header, headerList, hasToken', () => {
  const message = parseMessage(
    text(
      'OPTIONS sip:a SIP/2.0\nRoute: <sip:a,b>, "x,\\"y" <sip:c>\nr: z\nRoute: <sip:d>\nSupported: Timer, 100REL\n\n',
    ),
  ) as SipMessage;

  it('reads the first, all, and one of them', () => {
    expect(header(message, 'Route')).toBe('<sip:a,b>, "x,\\"y" <sip:c>');
    expect(headerList(message, 'Route')).toEqual(['<sip:a,b>', '"x,\\"y" <sip:c>', '<sip:d>']);
    expect([hasToken(message, 'Supported', '100rel'), hasToken(message, 'Supported', 'path')]).toEqual([
      true,
      false,
    ]);
    expect(header(message, 'To')).toBeUndefined();
  });

  it('splits outside of quotes and brackets only', () => {
    expect(splitOutsideQuotes(' a ;"b;c" ; <d;e>;;f\\;', ';')).toEqual(['a', '"b;c"', '<d;e>', 'f\\']);
  });
});
