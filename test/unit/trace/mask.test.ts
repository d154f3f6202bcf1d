import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMessage } from '../../../src/sip/message.ts';
import { maskTrace } from '../../../src/trace/mask.ts';

const SDP = [
  'v=0',
  'o=+441614960716 3931 3931 IN IP4 192.0.2.10',
  's=call of 441614960716',
  'c=IN IP4 192.0.2.10',
  't=0 0',
  'm=audio 16000 RTP/SAVP 8 0 101',
  'a=rtpmap:8 PCMA/8000',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz',
  'a=ice-pwd:asd88fgpdd777uzjYhagZg',
  ' a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20',
  'k=clear:geheim',
  '',
].join('\r\n');

function message(first: string, headers: readonly string[], body = '', type = 'application/sdp'): string {
  const typed = body === '' ? [] : [`Content-Type: ${type}`];
  return [first, ...headers, ...typed, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
}

const ROUTING = [
  'Via: SIP/2.0/UDP 192.0.2.10:50600;rport;branch=z9hG4bK441614960716',
  'Call-ID: 9f441614960716@192.0.2.10',
  'CSeq: 1234567 INVITE',
  'Session-Expires: 18000',
];

const INVITE = message(
  'INVITE sip:+4930123456@carrier.example;user=phone SIP/2.0',
  [
    ...ROUTING,
    'From: "441614960716" <sip:+441614960716@192.0.2.10>;tag=1234567890',
    'To: <sip:+4930123456@carrier.example;user=phone>',
    'P-Asserted-Identity: <tel:+44-161-496-0716>',
    'Remote-Party-ID: "0161 496 0716" <sip:01614960716@192.0.2.10>;party=calling',
    'Contact: <sip:441614960716:hunter2@192.0.2.10:50600;transport=tcp>',
    'Proxy-Authorization: Digest username="alice", nonce="abc",',
    '  response="0123456789abcdef0123456789abcdef"',
    'Identity: eyJhbGciOiJFUzI1NiJ9.payload.signature;info=<https://cert.example>',
    'X-Caller: 441614960716',
  ],
  SDP,
);

const TEXT = 'From 4938: 493817 is your code.\r\na=493817\r\n\r\nv=0';

describe('maskTrace of a text message', () => {
  const routing = ['Via: SIP/2.0/UDP 192.0.2.10:50600;branch=z9hG4bK1', 'Call-ID: abc', 'CSeq: 2 MESSAGE'];
  const request = (type: string) =>
    message('MESSAGE sip:+4930123456@carrier.example SIP/2.0', routing, TEXT, type);

  it.each(['text/plain;charset=UTF-8', 'application/sdp', 'message/cpim'])(
    'has nothing of its text, as %s',
    (type) => {
      for (const numbers of ['masked', 'whole'] as const) {
        const masked = maskTrace(request(type), 'out', numbers);
        expect(masked).not.toMatch(/4938|code/);
        expect(masked).toContain(`[redacted] ${TEXT.length} bytes`);
        expect(masked).toMatch(/^MESSAGE sip:.*\r\nVia: /);
      }
    },
  );

  it.each(['493817', '4938 17', 'Q7X2KM'])('has nothing of a code that a far end repeats: %s', (code) => {
    const answer = message(
      `SIP/2.0 606 Spam: "${code}"`,
      [...routing, `Warning: 399 host "bad text ${code}"`, `X-Text: ${code} is your code`],
      `${code} is your code.`,
      'application/sdp',
    );
    for (const numbers of ['masked', 'whole'] as const) {
      const masked = maskTrace(answer, 'in', numbers);
      expect(masked).not.toContain(code);
      expect(masked).toMatch(/^SIP\/2\.0 606 Spam: "/);
      expect(masked).toContain('CSeq: 2 MESSAGE');
    }
  });

  it.each([
    ['493817', '您的验证码是493817，请勿泄露'],
    ['4938', '인증번호4938입니다'],
    ['4938', 'G-Code4938now'],
    ['49 38 17', 'code49 38 17x'],
    ['Q7X2KM', 'kod_Q7X2KMx'],
  ])('has nothing of a code with no space around it: %s in %s', (code, text) => {
    const answer = message(`SIP/2.0 606 ${text}`, [
      ...routing,
      `Warning: 399 host "${text}"`,
      `Contact: "${text}" <sip:a@host?body=${encodeURIComponent(text)}>`,
      `m: ${text}<sip:a@host>`,
    ]);
    for (const numbers of ['masked', 'whole'] as const) {
      expect(maskTrace(answer, 'in', numbers)).not.toContain(code);
    }
  });

  it('leaves of an ordinary answer what it says', () => {
    const answer = message('SIP/2.0 403 Forbidden', [
      ...routing,
      'Reason: Q.850;cause=21;text="not allowed"',
    ]);
    expect(maskTrace(answer, 'in', 'whole')).toBe(answer);
  });
});

describe('maskTrace', () => {
  const masked = maskTrace(INVITE, 'out');

  it('hides of the calling number what a flash call proves, wherever it stands', () => {
    // The branch, the Call-ID and the tag are ours, and are made of random bytes.
    const said = masked.replace(/^(?:Via|Call-ID):.*$/gm, '');
    expect(said).not.toMatch(/0716|496|1614/);
    expect(masked).toContain('From: "4416•••" <sip:+4416•••@192.0.2.10>;tag=1234567890');
    expect(masked).toContain('P-Asserted-Identity: <tel:+4416•••>');
    expect(masked).toContain('Contact: <sip:4416•••:[redacted]@192.0.2.10:50600;transport=tcp>');
    expect(masked).toContain('X-Caller: 4416•••');
    expect(masked).toContain('o=+4416••• 3931 3931 IN IP4 192.0.2.10');
    expect(masked).toContain('s=call of 4416•••');
  });

  it.each([
    'Contact: <sip:gw@192.0.2.1;ani=441614960716>;tag=1',
    'Contact: <sip:192.0.2.1;x-cli="441614960716">',
    'Record-Route: <sip:192.0.2.1:50600;lr;from=441614960716>',
    'Via: SIP/2.0/UDP 192.0.2.1:50600;branch=z9hG4bK1;cli=441614960716',
    'To: <sip:+4930123456@carrier.example;cli=441614960716>;tag=1',
    'From: <sip:x@192.0.2.1>;tag=1;cli=0161-496-0716',
    'f: <sip:\r\n 441614960716@192.0.2.1>;tag=1',
  ])('hides it in a parameter, and behind a fold: %j', (line) => {
    for (const direction of ['in', 'out'] as const) {
      const shown = maskTrace(message('SIP/2.0 180 Ringing', [line]), direction);
      expect(shown).not.toMatch(/960716|496-0716/);
      expect(shown).not.toContain('192.0.2•');
    }
  });

  it('leaves tags, ports and addresses in parameters', () => {
    const line =
      'Via: SIP/2.0/UDP 192.0.2.1:50600;rport=50601;received=203.0.113.250;branch=z9hG4bK1234567890';
    expect(maskTrace(message('SIP/2.0 180 Ringing', [line]), 'in')).toContain(line);
  });

  it('hides it in attributes of the SDP, and leaves the numbers of machines', () => {
    const lines = ['a=ssrc:3735928559 cname:441614960716@192.0.2.1', 'a=x-cli:441614960716', 'a=ptime:20'];
    const shown = maskTrace(message('SIP/2.0 183 x', [], `v=0\r\n${lines.join('\r\n')}\r\n`), 'in');
    expect(shown).toContain('a=ssrc:3735928559 cname:4416•••@192.0.2.1\r\na=x-cli:4416•••\r\na=ptime:20');
  });

  it.each(['masked', 'whole'] as const)('shows no keys of what only says that it is SDP (%s)', (policy) => {
    const body = 'Signal=5\r\nDuration=160\r\ncode 493817\r\n a=crypto:1 X inline: 0123456789abcdef';
    const shown = maskTrace(message('INFO sip:a SIP/2.0', [], body), 'in', policy);
    expect(shown).not.toMatch(/Signal|493817|0123456789abcdef/);
  });

  it('leaves of the callee what a log leaves', () => {
    expect(masked).toMatch(/^INVITE sip:\+4930•••456@carrier\.example;user=phone SIP\/2\.0\r\n/);
    expect(masked).toContain('To: <sip:+4930•••456@carrier.example;user=phone>\r\n');
  });

  it('leaves what is needed to understand the signalling', () => {
    for (const line of [...ROUTING, 'm=audio 16000 RTP/SAVP 8 0 101', 'c=IN IP4 192.0.2.10']) {
      expect(masked).toContain(`${line}\r\n`);
    }
  });

  it('cuts what proves, what signs and what encrypts, with whole numbers too', () => {
    for (const text of [masked, maskTrace(INVITE, 'out', 'whole')]) {
      expect(text).not.toMatch(/0123456789abcdef|alice|eyJhbG|WVNfX|d0RmdmcmVC|asd88|geheim|hunter2/);
      expect(text).toContain('Proxy-Authorization: [redacted]\r\n');
      expect(text).toContain('a=crypto:[redacted]\r\n');
    }
    const info = message('SIP/2.0 200 OK', [...ROUTING, 'Authentication-Info: rspauth="6629fae4", qop=auth']);
    expect(maskTrace(info, 'in', 'whole')).toContain('Authentication-Info: [redacted]\r\n');
  });

  it('leaves numbers where it is told to', () => {
    const text = maskTrace(INVITE, 'out', 'whole');
    expect(text).toContain('INVITE sip:+4930123456@');
    expect(text).toContain('From: "441614960716" <sip:+441614960716@192.0.2.10>;tag=1234567890');
    expect(text).toContain('P-Asserted-Identity: <tel:+44-161-496-0716>');
  });

  it('is still a message of the right length', () => {
    const read = parseMessage(Buffer.from(masked));
    expect(read).toMatchObject({ kind: 'request', method: 'INVITE', body: masked.split('\r\n\r\n')[1] });
    // A length that was wrong is shown as it was.
    const wrong = INVITE.replace(/Content-Length: \d+/, 'Content-Length: 7');
    expect(maskTrace(wrong, 'out')).toContain('Content-Length: 7\r\n');
  });

  it.each([
    ['application/dtmf-relay', 'Signal=4\r\nDuration=160\r\n'],
    ['text/plain', 'your code is 482913'],
    ['multipart/mixed;boundary=x', '--x\r\nContent-Type: application/isup\r\n\r\n\u0001\u0010--x--'],
  ])('does not show a body of %s', (type, body) => {
    const text = maskTrace(message('INFO sip:a@192.0.2.10 SIP/2.0', ROUTING, body, type), 'in');
    expect(text.split('\r\n\r\n').slice(1).join('')).toBe(`[redacted] ${Buffer.byteLength(body)} bytes`);
    expect(parseMessage(Buffer.from(text))).toMatchObject({ kind: 'request', method: 'INFO' });
  });

  it('knows that in requests of the far end it is we who are called', () => {
    const bye = message('BYE sip:+441614960716@192.0.2.10 SIP/2.0', [
      ...ROUTING,
      'f: <sip:+4930123456@carrier.example>;tag=b',
      't: <sip:+441614960716@192.0.2.10>;tag=a',
    ]);
    expect(maskTrace(bye, 'in')).toMatch(/^BYE sip:\+4416•••@[^]*t: <sip:\+4416•••@192\.0\.2\.10>;tag=a/);
    const answer = bye.replace(/^BYE.*/, 'SIP/2.0 200 OK');
    expect(maskTrace(answer, 'out')).toContain('t: <sip:+4416•••@');
    const ours = message('SIP/2.0 603 441614960716 blocked', [
      ...ROUTING,
      'Reason: Q.850;cause=21;text="0161-496-0716 is unwanted, ask 192.0.2.77"',
      'To: <sip:+4930123456@carrier.example>;tag=b',
    ]);
    const text = maskTrace(ours, 'in');
    expect(text).toMatch(/^SIP\/2\.0 603 4416••• blocked\r\n/);
    expect(text).toContain('Reason: Q.850;cause=21;text="016••• is unwanted, ask 192.0.2.77"');
    expect(text).toContain('To: <sip:+4930•••456@carrier.example>;tag=b');
  });

  it('hides eight digits of short numbers too', () => {
    const from = (number: string): string =>
      maskTrace(message('INVITE sip:a@b SIP/2.0', [...ROUTING, `From: <sip:${number}@b>;tag=a`]), 'out');
    expect(from('1234567890')).toContain('<sip:12•••@b>');
    expect(from('12345')).toContain('<sip:•••@b>');
    expect(from('alice')).toContain('<sip:alice@b>');
  });

  it('writes what would steer a terminal as text', () => {
    const text = maskTrace(message('SIP/2.0 486 \u001b[2JBusy\u009b', [...ROUTING, 'X: a\u0000b\rc']), 'in');
    expect(text).toContain('486 \\x1b[2JBusy\\x9b\r\n');
    expect(text).toContain('X: a\\x00b\r\nc');
  });

  it('takes any text, and lets no long number of an address pass', () => {
    const digits = '982736415520';
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('From: ', 'P-Asserted-Identity:', 'Contact: x ', 'X-Any: "', 'SIP/2.0 200 ', ''),
        fc.constantFrom('in', 'out'),
        (noise, before, direction) => {
          const head = `OPTIONS sip:x SIP/2.0\r\n${noise}\r\n${before}<sip:+${digits}@h>\r\n\r\n`;
          expect(maskTrace(head, direction)).not.toContain(digits.slice(-8));
        },
      ),
    );
  });
});
