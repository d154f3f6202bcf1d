import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogger, maskNumber, maskSip } from '../../src/log.ts';
import { Secret } from '../../src/secret.ts';

function logged(write: (logger: ReturnType<typeof createLogger>) => void): string {
  let text = '';
  write(createLogger({ level: 'trace', destination: { write: (line) => void (text += line) } }));
  return text;
}

function digitsIn(text: string): number {
  return text.replace(/\D/g, '').length;
}

describe('maskNumber', () => {
  it.each([
    ['+4930123456', '+4930•••456'],
    ['+491701234567890', '+4917•••890'],
    ['4930123456', '4930•••456'],
    ['+49301234', '+493•••34'],
    ['112', '•••'],
    ['1', '•••'],
    ['5551', '5•••'],
    ['', '•••'],
    ['sip:+4930123456@carrier.example', 'sip:+4930•••456@carrier.example'],
    ['SIP:alice@office.example:5070;transport=tcp', 'sip:•••@office.example:5070;transport=tcp'],
    ['sips:4930123456@[::1]', 'sips:4930•••456@[::1]'],
    ['tel:+4930123456', 'tel:+4930•••456'],
    ['alice', '•••'],
  ])('%s → %s', (number, masked) => {
    expect(maskNumber(number)).toBe(masked);
  });

  it('hides at least three digits of every number', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\+?\d{3,15}$/), (number) => {
        expect(digitsIn(number) - digitsIn(maskNumber(number))).toBeGreaterThanOrEqual(3);
      }),
    );
  });
});

const INVITE = [
  'INVITE sip:+4930123456@carrier.example;user=phone SIP/2.0',
  'Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1234567890;rport',
  'Route: <sip:192.0.2.1:5060;lr>',
  'From: "+49 30 987654-32" <sip:+493098765432@192.0.2.10>;tag=1234567890',
  'To: 4930123456 <sip:4930123456@carrier.example>',
  'P-Asserted-Identity: <tel:+493098765432>',
  'Contact: <sip:account:hunter2@192.0.2.10:5060>',
  'Call-ID: 84930123456@192.0.2.10',
  'CSeq: 1234567 INVITE',
  'proxy-authorization : Digest username="alice",',
  ' nonce="abc",',
  '\tresponse="0123456789abcdef0123456789abcdef"',
  'Authorization: Digest username="bob", response="fedcba"',
  'Identity: eyJhbGciOiJFUzI1NiJ9.payload.signature;info=<https://cert.example>',
  'Content-Type: application/sdp',
  '',
  'v=0',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0',
  'k=base64:c2VjcmV0',
  'm=audio 20000 RTP/AVP 0',
].join('\r\n');

describe('maskSip', () => {
  const masked = maskSip(INVITE);

  it.each(['hunter2', 'alice', 'abcdef', 'fedcba', 'eyJ', 'c2VjcmV0', 'nonce'])('hides %s', (secret) => {
    expect(masked).not.toContain(secret);
  });

  it('hides keys in what holds SIP too', () => {
    const line = 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0/+==|2^20';
    for (const text of [JSON.stringify({ sip: `v=0\r\n${line}\r\n` }), `in ${line}`])
      expect(maskSip(text)).not.toContain('c2VjcmV0');
  });

  it('masks every number', () => {
    expect(masked).not.toMatch(/30123456@carrier|98765432|987654-32/);
    expect(masked).toContain('INVITE sip:+4930•••456@carrier.example;user=phone SIP/2.0');
    expect(masked).toContain('"+4930•••432" <sip:+4930•••432@192.0.2.10>');
    expect(masked).toContain('To: 4930•••456 <sip:4930•••456@carrier.example>');
    expect(masked).toContain('<tel:+4930•••432>');
  });

  it('keeps what is needed to follow a call', () => {
    for (const kept of [
      'branch=z9hG4bK1234567890;rport',
      'Route: <sip:192.0.2.1:5060;lr>',
      'tag=1234567890',
      'CSeq: 1234567 INVITE',
      'Call-ID: 84930123456@192.0.2.10',
      'm=audio 20000 RTP/AVP 0',
      'Content-Type: application/sdp',
    ]) {
      expect(masked).toContain(kept);
    }
    expect(masked.split('\r\n')).toHaveLength(INVITE.split('\r\n').length - 2);
  });

  it('does not choke on any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        expect(typeof maskSip(text)).toBe('string');
      }),
    );
  });
});

describe('createLogger', () => {
  it('masks numbers and cuts what must not be written', () => {
    const text = logged((logger) => {
      logger.info(
        {
          to: '+4930123456',
          cli: '+493098765432',
          sip: 'Authorization: Digest response="f00"',
          headers: { authorization: 'Bearer vok_x' },
          body: { code: '482913' },
          call: { password: 'hunter2', playlist: ['4', '8'] },
          secret: new Secret('482913'),
        },
        'a call',
      );
    });
    expect(JSON.parse(text)).toMatchObject({
      level: 'info',
      to: '+4930•••456',
      cli: '+4930•••432',
      secret: '[redacted]',
      msg: 'a call',
    });
    expect(text).not.toMatch(/482913|hunter2|vok_x|f00|98765/);
  });

  it('writes of an error its name, code, stack and causes, and no further properties', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', input: '482913' });
    const text = logged((logger) => {
      logger.error({ err: new TypeError('broken', { cause }) }, 'failed');
    });
    expect(JSON.parse(text)).toMatchObject({
      err: {
        type: 'TypeError',
        message: 'broken',
        stack: expect.stringContaining('log.test'),
        cause: { message: 'refused', code: 'ECONNREFUSED' },
      },
    });
    expect(text).not.toContain('482913');
  });

  it('writes nothing below its level', () => {
    let text = '';
    const logger = createLogger({ level: 'warn', destination: { write: (line) => void (text += line) } });
    logger.info('quiet');
    logger.warn('loud');
    expect(text).toContain('loud');
    expect(text).not.toContain('quiet');
  });
});
