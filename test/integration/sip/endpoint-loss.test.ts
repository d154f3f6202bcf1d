import { describe, expect, it } from 'vitest';
import type { SipEndpoint } from '../../../src/sip/endpoint.ts';
import { header, type SipRequest } from '../../../src/sip/message.ts';
import { responseTo } from '../../../src/sip/response.ts';
import type { Peer } from '../../../src/sip/transport.ts';
import { eventually } from '../../support/eventually.ts';
import { startAnswering } from '../../support/sip/answering-endpoint.ts';
import { startLossyRelay } from '../../support/sip/lossy-relay.ts';

// With this one the unluckiest call needs 7 of its 11 attempts.
const SEED = 6026;

function request(method: string, i: number): SipRequest {
  return {
    ...{ kind: 'request', method, uri: 'sip:b@127.0.0.1', body: '' },
    headers: [
      ['Max-Forwards', '70'],
      ['From', '<sip:a@127.0.0.1>;tag=a'],
      ['To', '<sip:b@127.0.0.1>'],
      ['Call-ID', `loss-${i}`],
      ['CSeq', `1 ${method}`],
    ],
  };
}

/** Every final response, 'timeout' or error that the user of one transaction is told. */
async function transact(
  endpoint: SipEndpoint,
  peer: Peer,
  message: SipRequest,
): Promise<(number | string)[]> {
  const ends: (number | string)[] = [];
  await new Promise<void>((resolve) => {
    const end = (what: number | string) => {
      ends.push(what);
      resolve();
    };
    endpoint.request(message, peer, '127.0.0.1', {
      response: ({ status }) => (status >= 200 ? end(status) : undefined),
      timeout: () => end('timeout'),
      transportError: (error) => end(error.message),
    });
  });
  return ends;
}

describe(`100 transactions through a network that loses datagrams (seed ${SEED})`, () => {
  it.each([
    ['OPTIONS', 0.2, 200],
    ['OPTIONS', 0.3, 200],
    // A refused INVITE: 180, 486 again and again until its ACK, which may be lost too.
    ['INVITE', 0.3, 486],
  ])('%s, %f lost: all end with %i', async (method, loss, status) => {
    const far = await startAnswering({
      t1Ms: 30,
      tcp: false,
      answer: (handle) => {
        if (method === 'INVITE') handle.respond(responseTo(handle.request, 180, { toTag: 'b' }));
        handle.respond(responseTo(handle.request, status, { toTag: 'b' }));
      },
    });
    const near = await startAnswering({ t1Ms: 30, tcp: false });
    const relay = await startLossyRelay(far.endpoint.port, loss, SEED);
    const peer: Peer = { transport: 'udp', address: '127.0.0.1', port: relay.port };
    try {
      const ends = await Promise.all(
        Array.from({ length: 100 }, (_, i) => transact(near.endpoint, peer, request(method, i))),
      );
      await eventually(() => {
        expect(near.endpoint.held).toEqual({ clients: 0, servers: 0, dialogs: 0 });
        expect(far.endpoint.held).toEqual({ clients: 0, servers: 0, dialogs: 0 });
      });
      // One end each; what came late or twice was absorbed.
      expect(ends).toEqual(Array.from({ length: 100 }, () => [status]));
      expect(new Set(far.requests.map((message) => header(message, 'Call-ID'))).size).toBe(100);
      // However often a request came, the user saw it once.
      expect(far.requests).toHaveLength(100);
      expect(relay.dropped / (relay.dropped + relay.forwarded)).toBeGreaterThan(loss / 2);
      expect([near.faults, far.faults]).toEqual([[], []]);
    } finally {
      await Promise.all([near.endpoint.close(), far.endpoint.close(), relay.close()]);
    }
  });
});
