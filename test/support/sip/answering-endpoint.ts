import { SipEndpoint } from '../../../src/sip/endpoint.ts';
import type { SipRequest } from '../../../src/sip/message.ts';
import { responseTo } from '../../../src/sip/response.ts';
import type { ServerHandle } from '../../../src/sip/server-transactions.ts';
import { timersFor } from '../../../src/sip/timers.ts';
import type { WireMessage } from '../../../src/sip/transport.ts';

export interface AnsweringEndpoint {
  readonly endpoint: SipEndpoint;
  /** What the endpoint called a bug of ours. */
  readonly faults: unknown[];
  /** Requests that reached the user, in order. */
  readonly requests: SipRequest[];
  readonly wire: WireMessage[];
}

/** An endpoint on loopback that answers OPTIONS with 200 and anything else with 405, unless told otherwise. */
export async function startAnswering({
  t1Ms = 10,
  tcp = true,
  port = 0,
  answer = (handle: ServerHandle) => {
    const status = handle.request.method === 'OPTIONS' ? 200 : 405;
    handle.respond(responseTo(handle.request, status, { toTag: 'answering' }));
  },
}: {
  t1Ms?: number;
  tcp?: boolean;
  port?: number;
  answer?: (handle: ServerHandle) => void;
} = {}): Promise<AnsweringEndpoint> {
  const faults: unknown[] = [];
  const requests: SipRequest[] = [];
  const wire: WireMessage[] = [];
  const endpoint = new SipEndpoint({
    ...{ host: '127.0.0.1', port, tcp, timers: timersFor(t1Ms) },
    onRequest: (handle) => {
      requests.push(handle.request);
      answer(handle);
    },
    onFault: (error) => faults.push(error),
    onWire: (message) => wire.push(message),
  });
  await endpoint.start();
  return { endpoint, faults, requests, wire };
}
