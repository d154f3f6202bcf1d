import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SipRequest } from '../../../src/sip/message.ts';
import { ReliableAnswer } from '../../../src/sip/reliable-answer.ts';
import { responseTo } from '../../../src/sip/response.ts';
import { ServerTransactions } from '../../../src/sip/server-transactions.ts';
import { DEFAULT_TIMERS } from '../../../src/sip/timers.ts';

function request(method: string, cseq: number): SipRequest {
  return {
    ...{ kind: 'request', method, uri: 'sip:us@b', body: '' },
    headers: [
      ['Via', `SIP/2.0/UDP a;branch=z9hG4bK${method}`],
      ['From', '<sip:a@a>;tag=1'],
      ['To', '<sip:us@b>'],
      ['Call-ID', '1@a'],
      ['CSeq', `${cseq} ${method}`],
    ],
  };
}

describe('ReliableAnswer (RFC 3261 §13.3.1.4)', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function answer() {
    const sentAt: number[] = [];
    const events: string[] = [];
    const start = Date.now();
    const transactions = new ServerTransactions(DEFAULT_TIMERS, async () => {
      sentAt.push(Date.now() - start);
    });
    const invite = request('INVITE', 7);
    const handle = transactions.request(invite, { transport: 'tcp', address: '192.0.2.1', port: 5060 });
    if (handle === undefined) throw new Error('no handle');
    const reliable = new ReliableAnswer(handle, responseTo(invite, 200, { toTag: 'us' }), DEFAULT_TIMERS, {
      acked: (ack) => events.push(ack.method),
      timeout: () => events.push('timeout'),
    });
    return { reliable, sentAt, events, transactions };
  }

  it('sends the 2xx after T1, 2·T1 … every T2, over TCP too, and gives up after 64·T1', () => {
    const { sentAt, events, transactions } = answer();
    vi.advanceTimersByTime(31_999);
    expect(sentAt).toEqual([0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    expect(events).toEqual([]);
    vi.advanceTimersByTime(100_000);
    expect([events, sentAt.length, transactions.size]).toEqual([['timeout'], 11, 0]);
  });

  it('stops at the ACK of its INVITE, and at no other', () => {
    const { reliable, sentAt, events } = answer();
    reliable.ack(request('ACK', 6));
    vi.advanceTimersByTime(500);
    expect([events, sentAt.length]).toEqual([[], 2]);
    reliable.ack(request('ACK', 7));
    vi.advanceTimersByTime(100_000);
    expect([events, sentAt.length]).toEqual([['ACK'], 2]);
  });

  it('stops when it is told to', () => {
    const { reliable, sentAt, events } = answer();
    reliable.stop();
    vi.advanceTimersByTime(100_000);
    expect([events, sentAt.length]).toEqual([[], 1]);
  });
});
