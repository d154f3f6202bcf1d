import { describe, expect, it } from 'vitest';
import { hungUpByCallee, resultOf, unanswered } from '../../../../src/engine/leg/leg-end.ts';
import { parseMessage, type SipRequest, type SipResponse } from '../../../../src/sip/message.ts';

function message<Kind extends 'request' | 'response'>(
  kind: Kind,
  ...lines: readonly string[]
): Kind extends 'request' ? SipRequest : SipResponse {
  const read = parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`));
  if (read.kind !== kind) throw new Error(`that is no ${kind}`);
  return read as never;
}

describe('resultOf', () => {
  it('reads status, phrase, cause, text and Retry-After', () => {
    const response = message(
      'response',
      'SIP/2.0 503 Out of Lines',
      'Reason: SIP;cause=503, Q.850;cause=34;text="no circuit"',
      'Retry-After: 30 (soon);duration=5',
    );
    expect(resultOf(response)).toEqual({
      status: 503,
      reason: 'Out of Lines',
      q850: 34,
      reasonText: 'no circuit',
      retryAfterSeconds: 30,
    });
  });

  it('keeps where to ask for redress (RFC 8688 §3.1)', () => {
    const response = message(
      'response',
      'SIP/2.0 608 Rejected',
      'Call-Info: <https://ring.example/tone.wav>;purpose=ringback',
      'Call-Info: <https://block.example/complaint;a=1>;Purpose=jwscard',
    );
    expect(resultOf(response)).toMatchObject({
      status: 608,
      redressUri: 'https://block.example/complaint;a=1',
    });
    const other = message(
      'response',
      'SIP/2.0 608 Rejected',
      'Call-Info: https://block.example;purpose=info',
    );
    expect(resultOf(other)).not.toHaveProperty('redressUri');
  });

  it('names nothing that is not there or not well-formed', () => {
    const response = message('response', 'SIP/2.0 486', 'Reason: Q.850;cause=many', 'Retry-After: soon');
    expect(resultOf(response)).toEqual({ status: 486, reason: '' });
  });
});

describe('hungUpByCallee', () => {
  it('keeps why the network says that the call was ended', () => {
    const bye = message('request', 'BYE sip:a@b SIP/2.0', 'Reason: Q.850;cause=31;text="normal"');
    expect(hungUpByCallee(bye)).toEqual({
      kind: 'hung_up',
      by: 'callee',
      why: 'peer',
      sip: { status: 200, reason: 'OK', q850: 31, reasonText: 'normal' },
    });
  });

  it('says no more than the BYE', () => {
    const bye = message('request', 'BYE sip:a@b SIP/2.0');
    expect(hungUpByCallee(bye)).toEqual({ kind: 'hung_up', by: 'callee', why: 'peer' });
  });
});

describe('unanswered', () => {
  const refused = {
    kind: 'response',
    response: message('response', 'SIP/2.0 486 Busy Here'),
  } as const;
  const canceled = {
    kind: 'response',
    response: message('response', 'SIP/2.0 487 Request Terminated'),
  } as const;

  it('is the refusal, also where we had canceled', () => {
    const end = { kind: 'rejected', sip: { status: 486, reason: 'Busy Here' } };
    expect(unanswered(refused, undefined)).toEqual(end);
    expect(unanswered(refused, { kind: 'canceled' })).toEqual(end);
    expect(unanswered(refused, { kind: 'no_ring' })).toEqual(end);
  });

  it('is what we canceled for', () => {
    expect(unanswered(canceled, { kind: 'ring_timeout' })).toEqual({ kind: 'ring_timeout' });
    expect(unanswered({ kind: 'gone' }, { kind: 'diverted' })).toEqual({ kind: 'diverted' });
    expect(unanswered({ kind: 'timeout' }, { kind: 'no_ring' })).toEqual({ kind: 'no_ring' });
  });

  it('is a ring where a flash call has rung, whatever is said to its CANCEL', () => {
    expect(unanswered(refused, { kind: 'rang' })).toEqual({ kind: 'rang' });
    expect(unanswered(canceled, { kind: 'rang' })).toEqual({ kind: 'rang' });
  });

  it('is a fault of the way there where nothing came', () => {
    expect(unanswered({ kind: 'timeout' }, undefined)).toEqual({ kind: 'setup_timeout' });
    expect(unanswered({ kind: 'transport', error: new Error('refused') }, undefined)).toEqual({
      kind: 'unreachable',
      detail: 'refused',
    });
  });
});
