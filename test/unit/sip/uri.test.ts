import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatHost, parseHostPort, parseUri, readParams, unquote } from '../../../src/sip/uri.ts';

describe('parseUri', () => {
  it.each([
    ['sip:example.com', 'sip', '', 'example.com', undefined, {}],
    ['SIPS:alice@example.com:5061', 'sips', 'alice', 'example.com', 5061, {}],
    [
      'sip:alice:secret@192.0.2.1;transport=TCP;LR',
      'sip',
      'alice:secret',
      '192.0.2.1',
      undefined,
      { transport: 'TCP', lr: '' },
    ],
    ['sip:+4930123;ext=5@[2001:db8::1]:5080;lr', 'sip', '+4930123;ext=5', '2001:db8::1', 5080, { lr: '' }],
    ['sip:a@b?Subject=x;y&to=c%40d', 'sip', 'a', 'b', undefined, {}],
    ['sip:what?/;,@b', 'sip', 'what?/;,', 'b', undefined, {}],
    ['sip:a@my_host.local.', 'sip', 'a', 'my_host.local.', undefined, {}],
    ['sip:a@b;x=1;x=2;=3;', 'sip', 'a', 'b', undefined, { x: '1' }],
  ])('reads %s', (text, scheme, user, host, port, params) => {
    expect(parseUri(text)).toEqual({ scheme, user, host, port, params: new Map(Object.entries(params)) });
  });

  it.each([
    ...['', 'sip:', 'sip', 'tel:+49301234', 'sip:@b', 'sip:a@', 'sip:a@b@c', 'sip:a@b?x=c@d', 'sip:a b@c'],
    ...['sip:a@b:0', 'sip:a@b:65536', 'sip:a@b:999999', 'sip:a@b:x', 'sip:a@[::1', 'sip:a@::1', 'sip:a@-b'],
    ...['sip:a@b-', 'sip:<a@b>', 'sip:a@b\r\n', 'http://a.example', ' sip:a@b', 'sip:a@b:5060:5060'],
  ])('refuses %j', (text) => {
    expect(parseUri(text)).toBeUndefined();
  });

  it('gives back what a URI was made of', () => {
    const user = fc.stringMatching(/^[A-Za-z0-9_.!~*'()%&=+$,;?/-]{1,20}$/);
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.constantFrom('2001:db8::1', '::1', '::ffff:192.0.2.1'));
    const port = fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined });
    fc.assert(
      fc.property(user, host, port, (someone, somewhere, number) => {
        const text = `sip:${someone}@${formatHost(somewhere)}${number === undefined ? '' : `:${number}`};lr`;
        expect(parseUri(text)).toMatchObject({ user: someone, host: somewhere, port: number });
      }),
    );
  });
});

describe('parseHostPort', () => {
  it.each([
    ['a', { host: 'a', port: undefined }],
    [' a.example:5060 ', { host: 'a.example', port: 5060 }],
    ['[::1]:1', { host: '::1', port: 1 }],
  ])('%j', (text, place) => expect(parseHostPort(text)).toEqual(place));
});

describe('readParams, unquote', () => {
  it('takes names in lower case, the first of a kind, values without quotes', () => {
    expect(readParams(['Tag=AbC', 'tag=2', ' q = "a\\"b;c" ', 'lr', '', '=x'])).toEqual(
      new Map([
        ['tag', 'AbC'],
        ['q', 'a"b;c'],
        ['lr', ''],
      ]),
    );
  });

  it.each([
    ['"a"', 'a'],
    ['""', ''],
    ['"', '"'],
    ['"a', '"a'],
    ['"a\\\\b\\""', 'a\\b"'],
  ])('%s', (text, content) => expect(unquote(text)).toBe(content));
});
