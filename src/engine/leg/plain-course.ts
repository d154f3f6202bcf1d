import { Authorization } from '../../sip/authorization.ts';
import type { SipHeader, SipResponse } from '../../sip/message.ts';
import { grantedSeconds, minExpires } from '../../sip/registration.ts';
import type { Peer } from '../../sip/transport.ts';
import type { PlainAnswer, PlainRequest } from '../engine.ts';
import { resultOf } from './leg-end.ts';

/** One message of a `PlainRequest`: the first, or one more for a challenge, a 423 or another address. */
export interface PlainTry {
  readonly peer: Peer;
  /** What a REGISTER asks for. */
  readonly expiresSeconds: number | undefined;
  /** Authorization and Proxy-Authorization, one for each realm. */
  readonly credentials: readonly SipHeader[];
}

/** What came of it. */
export type PlainResult =
  | {
      readonly kind: 'response';
      readonly response: SipResponse;
      /** The URI that a REGISTER wanted to bind. */
      readonly contact?: string | undefined;
    }
  | Exclude<PlainAnswer, { kind: 'response' }>;

/** How often a request may leave again for a challenge, a stale nonce, a 423 and another address. */
const MAX_RETRIES = 4;

/**
 * Sends a request until there is nothing left to try: the next address on silence, a transport error and 503
 * (RFC 3263 §4.3), an answer to each challenge, and once the time that a registrar wants (RFC 3261 §10.3).
 *
 * @param peers in the order in which to try
 * @param send never rejects, and settles soon after the signal is aborted
 */
export async function carryPlain(
  request: PlainRequest,
  peers: readonly Peer[],
  send: (attempt: PlainTry) => Promise<PlainResult>,
  signal: AbortSignal,
): Promise<PlainAnswer> {
  const { method, requestUri: uri, credentials, nextHop } = request;
  const authorization = credentials === undefined ? undefined : new Authorization(credentials);
  const left = [...peers];
  let { expiresSeconds } = request;

  /** Whether the next message may do better. */
  const retries = (result: PlainResult): boolean => {
    if (result.kind === 'failed') return false;
    const status = result.kind === 'response' ? result.response.status : 503;
    if (result.kind === 'response') {
      if (status === 401 || status === 407) return authorization?.challenged(result.response) === true;
      const minimum = minExpires(result.response);
      // Never a second time: what was asked for is the request's no more, then.
      if (status === 423 && minimum !== undefined && expiresSeconds === request.expiresSeconds) {
        if (minimum <= (expiresSeconds ?? minimum)) return false;
        expiresSeconds = minimum;
        return true;
      }
    }
    if (status !== 503 || left.length < 2) return false;
    left.shift();
    return true;
  };

  for (let retriesLeft = MAX_RETRIES; ; retriesLeft--) {
    const [peer] = left;
    if (peer === undefined) return { kind: 'unreachable', detail: `no address for ${nextHop.host}` };
    const answers = authorization?.headersFor({ method, uri, body: '' }) ?? [];
    const result = await send({ peer, expiresSeconds, credentials: answers });
    if (signal.aborted || retriesLeft <= 0 || !retries(result)) return answerOf(result, method);
  }
}

function answerOf(result: PlainResult, method: PlainRequest['method']): PlainAnswer {
  if (result.kind !== 'response') return result;
  const { response, contact } = result;
  const registered = method === 'REGISTER' && response.status < 300 && contact !== undefined;
  const granted = registered ? grantedSeconds(response, contact) : undefined;
  return {
    kind: 'response',
    sip: resultOf(response),
    ...(granted === undefined ? {} : { expiresSeconds: granted }),
  };
}
