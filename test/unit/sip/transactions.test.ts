import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ackFor, type ClientListener, ClientTransactions } from '../../../src/sip/client-transactions.ts';
import {
  header,
  headerList,
  parseMessage,
  type SipRequest,
  type SipResponse,
} from '../../../src/sip/message.ts';
import { responseTo } from '../../../src/sip/response.ts';
import { ServerTransactions } from '../../../src/sip/server-transactions.ts';
import { timersFor } from '../../../src/sip/timers.ts';
import type { Peer } from '../../../src/sip/transport.ts';
import { SEMANTICS } from '../../support/sip/torture-semantics.ts';

const T = timersFor(500);
const PEER: Peer = { transport: 'udp', address: '192.0.2.1', port: 5060 };

function request(
  method: string,
  via: string,
  more: Partial<SipRequest> & { cseq?: number } = {},
): SipRequest {
  const { cseq = 1, ...rest } = more;
  return {
    ...{ kind: 'request', method, uri: 'sip:b@c', body: '' },
    headers: [
      ['Via', via],
      ['Route', '<sip:p;lr>'],
      ['Max-Forwards', '70'],
      ['From', '<sip:a@a>;tag=1'],
      ['To', '<sip:b@c>'],
      ['Call-ID', '1@a'],
      ['CSeq', `${cseq} ${method}`],
      ['Proxy-Authorization', 'Digest x'],
    ],
    ...rest,
  };
}

const VIA = 'SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKone';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets rejections of `send` be handled. */
const settled = () => vi.advanceTimersByTimeAsync(0);

describe('ClientTransactions', () => {
  function start(message: SipRequest, peer = PEER, send: () => Promise<void> = async () => {}) {
    const sent: SipRequest[] = [];
    const told: string[] = [];
    const listener: ClientListener = {
      response: (response) => told.push(String(response.status)),
      timeout: () => told.push('timeout'),
      transportError: (error) => told.push(error.message),
    };
    const transactions = new ClientTransactions(T, async (out) => {
      sent.push(out);
      await send();
    });
    const handle = transactions.start(message, peer, listener);
    const answer = (status: number, via = VIA, method = message.method) => {
      const to = {
        ...message,
        headers: message.headers.map(([k, v]) =>
          k === 'Via' ? [k, via] : k === 'CSeq' ? [k, `1 ${method}`] : [k, v],
        ),
      } as SipRequest;
      return transactions.response(responseTo(to, status, { toTag: 'b' }));
    };
    return { transactions, handle, sent, told, answer };
  }

  it('sends an INVITE seven times in 64 × T1 and gives up', () => {
    const { transactions, sent, told } = start(request('INVITE', VIA));
    vi.advanceTimersByTime(31_999);
    expect([sent.length, told]).toEqual([7, []]);
    vi.advanceTimersByTime(1);
    expect([told, transactions.size]).toEqual([['timeout'], 0]);
    vi.advanceTimersByTime(100_000);
    expect(sent).toHaveLength(7);
  });

  it('sends it once over TCP', () => {
    const { sent, told } = start(request('INVITE', VIA), { ...PEER, transport: 'tcp' });
    vi.advanceTimersByTime(32_000);
    expect([sent.length, told]).toEqual([1, ['timeout']]);
  });

  it('acknowledges each refusal, and delivers one', () => {
    const { transactions, sent, told, answer } = start(request('INVITE', VIA));
    expect([answer(180), answer(486), answer(486), answer(486)]).toEqual([true, true, true, true]);
    expect(told).toEqual(['180', '486']);
    expect(sent.map(({ method }) => method)).toEqual(['INVITE', 'ACK', 'ACK', 'ACK']);
    vi.advanceTimersByTime(32_000);
    expect(transactions.size).toBe(0);
    expect(answer(486)).toBe(false);
  });

  it('delivers every 2xx until Timer M, and acknowledges none: that is the work of the user', () => {
    const { transactions, sent, told, answer } = start(request('INVITE', VIA));
    answer(200);
    answer(200);
    answer(486);
    expect([told, sent.length]).toEqual([['200', '200'], 1]);
    vi.advanceTimersByTime(32_000);
    expect(transactions.size).toBe(0);
  });

  it('matches by branch and method (§17.1.3)', () => {
    const { told, answer } = start(request('INVITE', VIA));
    expect(answer(200, VIA.replace('one', 'two'))).toBe(false);
    expect(answer(200, VIA, 'CANCEL')).toBe(false);
    expect(answer(100, `${VIA};received=1.2.3.4;rport=9`)).toBe(true);
    expect(told).toEqual(['100']);
  });

  it('drops the answer of RFC 4475 §3.3.10 (bcast)', () => {
    const { transactions } = start(request('INVITE', VIA));
    expect(transactions.response(parseMessage(SEMANTICS.bcast as Buffer) as SipResponse)).toBe(false);
  });

  it('tells what the transport says, once, and sends no more', async () => {
    const { transactions, sent, told } = start(request('OPTIONS', VIA), PEER, () =>
      Promise.reject(new Error('EPERM')),
    );
    await settled();
    expect([told, transactions.size]).toEqual([['EPERM'], 0]);
    vi.advanceTimersByTime(100_000);
    expect([told, sent.length]).toEqual([['EPERM'], 1]);
  });

  it('hushed: sends no more, and still waits for what may come', () => {
    const { handle, sent, told, answer } = start(request('INVITE', VIA));
    handle.hush();
    vi.advanceTimersByTime(20_000);
    expect(sent).toHaveLength(1);
    answer(200);
    expect(told).toEqual(['200']);
  });

  it('ackFor: as §17.1.1.3 wants it', () => {
    const invite = request('INVITE', VIA);
    const ack = ackFor(invite, responseTo(invite, 486, { toTag: 'b' }));
    expect([ack.method, ack.uri, header(ack, 'CSeq'), header(ack, 'To')]).toEqual([
      'ACK',
      'sip:b@c',
      '1 ACK',
      '<sip:b@c>;tag=b',
    ]);
    expect([headerList(ack, 'Via'), headerList(ack, 'Route')]).toEqual([[VIA], ['<sip:p;lr>']]);
  });

  it('close: no timer is left', () => {
    const { transactions, sent } = start(request('INVITE', VIA));
    transactions.close();
    vi.advanceTimersByTime(100_000);
    expect([sent.length, vi.getTimerCount()]).toEqual([1, 0]);
  });
});

describe('ServerTransactions', () => {
  function serve() {
    const sent: number[] = [];
    const transactions = new ServerTransactions(T, async (response) => {
      sent.push(response.status);
    });
    return { transactions, sent };
  }
  const answer = (message: SipRequest, status: number) => responseTo(message, status, { toTag: 'b' });

  it('a request again is answered again, and no other request', () => {
    const { transactions, sent } = serve();
    const options = request('OPTIONS', VIA);
    const handle = transactions.request(options, PEER);
    expect(transactions.request(options, PEER)).toBeUndefined();
    expect(sent).toEqual([]);
    handle?.respond(answer(options, 200));
    transactions.request(options, PEER);
    expect(sent).toEqual([200, 200]);
    vi.advanceTimersByTime(32_000);
    expect(transactions.size).toBe(0);
  });

  it.each<[string, string, string]>([
    ['branch', VIA, VIA.replace('one', 'two')],
    ['sent-by host', VIA, VIA.replace('192.0.2.9', '192.0.2.8')],
    ['sent-by port', VIA, VIA.replace(':5060', '')],
  ])('another %s is another request (§17.2.3)', (_, a, b) => {
    const { transactions } = serve();
    expect(transactions.request(request('OPTIONS', a), PEER)).toBeDefined();
    expect(transactions.request(request('OPTIONS', b), PEER)).toBeDefined();
    expect(transactions.request(request('INFO', b), PEER)).toBeDefined();
  });

  it.each([
    ['no branch (RFC 2543)', 'SIP/2.0/UDP 192.0.2.9'],
    ['a branch of its own making', 'SIP/2.0/UDP 192.0.2.9;branch=7'],
    ['nothing but the cookie (RFC 4475 §3.2.1, badbranch)', 'SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK'],
  ])('%s: matches by the rest of the request', (_, via) => {
    const { transactions } = serve();
    const first = request('OPTIONS', via);
    expect(transactions.request(first, PEER)).toBeDefined();
    expect(transactions.request(first, PEER)).toBeUndefined();
    expect(transactions.request(request('OPTIONS', via, { cseq: 2 }), PEER)).toBeDefined();
    expect(transactions.request(request('OPTIONS', via, { uri: 'sip:other@c' }), PEER)).toBeDefined();
  });

  it('repeats a refusal of an INVITE until its ACK, then absorbs', () => {
    const { transactions, sent } = serve();
    const invite = request('INVITE', VIA);
    transactions.request(invite, PEER)?.respond(answer(invite, 486));
    vi.advanceTimersByTime(1500);
    expect(sent).toEqual([486, 486, 486]);
    expect(transactions.ack(request('ACK', VIA))).toBe(true);
    vi.advanceTimersByTime(4999);
    expect([sent.length, transactions.size]).toEqual([3, 1]);
    vi.advanceTimersByTime(1);
    expect(transactions.size).toBe(0);
  });

  it('tells when no ACK came within Timer H', () => {
    const { transactions } = serve();
    const invite = request('INVITE', VIA);
    const handle = transactions.request(invite, PEER);
    let timeouts = 0;
    if (handle !== undefined) handle.onTimeout = () => timeouts++;
    handle?.respond(answer(invite, 486));
    vi.advanceTimersByTime(32_000);
    expect([timeouts, transactions.size]).toEqual([1, 0]);
  });

  it('the ACK to a 2xx is not ours, whatever branch it has', () => {
    const { transactions } = serve();
    const invite = request('INVITE', VIA);
    transactions.request(invite, PEER)?.respond(answer(invite, 200));
    expect(transactions.ack(request('ACK', VIA))).toBe(false);
    expect(transactions.ack(request('ACK', VIA.replace('one', 'two')))).toBe(false);
  });

  it('sends nothing after a final response but the 2xx again', () => {
    const { transactions, sent } = serve();
    const invite = request('INVITE', VIA);
    const handle = transactions.request(invite, PEER);
    for (const status of [180, 200, 200, 180, 486]) handle?.respond(answer(invite, status));
    expect(sent).toEqual([180, 200, 200]);
    const other = request('INVITE', VIA.replace('one', 'two'));
    const refused = transactions.request(other, PEER);
    for (const status of [486, 200, 486]) refused?.respond(answer(other, status));
    expect(sent).toEqual([180, 200, 200, 486]);
  });

  it('finds the INVITE of a CANCEL, and whether it still waits (RFC 3261 §9.2)', () => {
    const { transactions } = serve();
    const invite = request('INVITE', VIA);
    const cancel = request('CANCEL', VIA);
    expect(transactions.canceled(cancel)).toBeUndefined();
    const handle = transactions.request(invite, PEER);
    expect(transactions.canceled(cancel)).toEqual({ handle, waits: true });
    handle?.respond(answer(invite, 180));
    expect(transactions.canceled(cancel)).toEqual({ handle, waits: true });
    handle?.respond(answer(invite, 200));
    expect(transactions.canceled(cancel)).toEqual({ handle, waits: false });
    // A CANCEL for what cannot be canceled finds nothing.
    transactions.request(request('OPTIONS', VIA.replace('one', 'two')), PEER);
    expect(transactions.canceled(request('CANCEL', VIA.replace('one', 'two')))).toBeUndefined();
  });

  it('forgets what is ignored, and everything at the end', () => {
    const { transactions } = serve();
    transactions.request(request('OPTIONS', VIA), PEER)?.ignore();
    expect(transactions.size).toBe(0);
    const invite = request('INVITE', VIA);
    transactions.request(invite, PEER)?.respond(answer(invite, 486));
    transactions.close();
    expect([transactions.size, vi.getTimerCount()]).toEqual([0, 0]);
  });
});
