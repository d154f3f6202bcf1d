import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerInfo } from '../../../src/sip/info.ts';
import { parseMessage, type SipRequest } from '../../../src/sip/message.ts';

function info(body: string, ...headers: readonly string[]): SipRequest {
  const head = ['INFO sip:us@192.0.2.1 SIP/2.0', ...headers, `Content-Length: ${Buffer.byteLength(body)}`];
  const read = parseMessage(Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`));
  if (read.kind !== 'request') throw new Error('that is no request');
  return read;
}
const relay = (body: string) => answerInfo(info(body, 'Content-Type: application/dtmf-relay'));
const plain = (body: string) => answerInfo(info(body, 'Content-Type: application/dtmf'));

describe('answerInfo', () => {
  it.each([
    ['Signal=5\r\nDuration=160\r\n', '5', 160],
    ['Signal= 5\r\nDuration= 160', '5', 160],
    ['Duration=250\nSignal=#\n', '#', 250],
    ['SIGNAL = * \r\n', '*', 0],
    ['Signal=d\r\nDuration=100', 'D', 100],
    ['Signal=10', '*', 0],
    ['Signal=11', '#', 0],
    ['Signal=12', 'A', 0],
    ['Signal=0\r\nDuration=soon', '0', 0],
    ['Signal=0\r\nDuration=-5', '0', 0],
    ['Signal=0\r\nDuration=999999', '0', 60_000],
    ['Signal=0\r\nDuration=9999999', '0', 0],
    ['nonsense\r\nSignal=7', '7', 0],
  ])('reads %j of application/dtmf-relay', (body, digit, durationMs) => {
    expect(relay(body)).toEqual({ status: 200, headers: [], key: { digit, durationMs } });
  });

  it.each([
    ['5', '5'],
    [' 5\r\n', '5'],
    ['#', '#'],
    ['10', '*'],
  ])('reads %j of application/dtmf', (body, digit) => {
    expect(plain(body)).toEqual({ status: 200, headers: [], key: { digit, durationMs: 0 } });
  });

  it.each([
    ['a type in other letters and with parameters', 'Content-Type: Application/DTMF-Relay ;charset=utf-8'],
    ['the short form of the header', 'c: application/dtmf-relay'],
  ])('takes %s', (_what, line) => {
    expect(answerInfo(info('Signal=1', line))).toMatchObject({ key: { digit: '1' } });
  });

  it.each(['', 'Signal=', 'Signal=16', 'Signal=!', 'Signal=hf', 'Signal=55', 'Duration=100', '=5', 'Signal'])(
    'takes %j, which is no key, and tells none',
    (body) => {
      expect(relay(body)).toEqual({ status: 200, headers: [] });
    },
  );

  it('says which bodies it reads where there is another one', () => {
    const answer = answerInfo(info('<media_control/>', 'Content-Type: application/media_control+xml'));
    expect(answer).toEqual({
      status: 415,
      headers: [['Accept', 'application/dtmf-relay, application/dtmf']],
    });
    expect(answerInfo(info('5')).status).toBe(415);
  });

  it('wants no Info Package (RFC 6086 §4.2.2)', () => {
    const packaged = info('Signal=1', 'Info-Package: infoDtmf', 'Content-Type: application/dtmf-relay');
    expect(answerInfo(packaged)).toEqual({ status: 469, headers: [['Recv-Info', '']] });
  });

  it('never throws, and tells nothing but keys', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(relay, plain), (body, read) => {
        const { key } = read(body);
        if (key === undefined) return;
        expect(key.digit).toMatch(/^[0-9*#A-D]$/);
        expect(key.durationMs).toBeGreaterThanOrEqual(0);
        expect(key.durationMs).toBeLessThanOrEqual(60_000);
      }),
    );
  });
});
