import { randomBytes } from 'node:crypto';
import type { ClientListener } from '../../sip/client-transactions.ts';
import type { SipEndpoint } from '../../sip/endpoint.ts';
import type { SipHeader, SipRequest } from '../../sip/message.ts';
import { resolveDestination } from '../../sip/resolver.ts';
import { ALLOW } from '../../sip/session.ts';
import { transactionMs } from '../../sip/timers.ts';
import type { Peer } from '../../sip/transport.ts';
import { formatHost } from '../../sip/uri.ts';
import type { PlainAnswer, PlainRequest } from '../engine.ts';
import { untilAborted, within } from '../leg/deadline.ts';
import { carryPlain, type PlainResult, type PlainTry } from '../leg/plain-course.ts';
import type { RegistrationSeries } from '../leg/request-series.ts';

export interface PlainSurroundings {
  readonly endpoint: SipEndpoint;
  readonly series: RegistrationSeries;
  readonly userAgent: string;
}

/** Sends one request outside of calls, in transactions of its own (RFC 3261 §17.1.2). Never rejects. */
export async function plainRequest(
  request: PlainRequest,
  around: PlainSurroundings,
  signal: AbortSignal,
): Promise<PlainAnswer> {
  const series = around.series.of(request);
  const fromTag = randomBytes(8).toString('hex');
  const send = async (attempt: PlainTry): Promise<PlainResult> => {
    const { endpoint } = around;
    const { peer, expiresSeconds } = attempt;
    const localAddress = await endpoint.localAddress(peer);
    const contact = expiresSeconds === undefined ? undefined : await contactAt(endpoint, peer, localAddress);
    const message = plainMessage(request, attempt, contact, [
      ['From', `<${request.from}>;tag=${fromTag}`],
      ['To', `<${request.to}>`],
      ['Call-ID', series.callId],
      ['CSeq', `${series.next()} ${request.method}`],
      ['User-Agent', around.userAgent],
    ]);
    const result = await transact(endpoint, message, peer, localAddress, signal);
    return result.kind === 'response' ? { ...result, contact } : result;
  };
  try {
    const peers = await untilAborted(signal, peersOf(request, around.endpoint), new Error('aborted'));
    return await carryPlain(request, peers, (attempt) => send(attempt).catch(unreachable), signal);
  } catch (error) {
    return signal.aborted ? { kind: 'no_response' } : unreachable(error);
  }
}

/** Where to send it; over TLS only to whom proved to be the one that is meant. */
export async function peersOf(
  { nextHop, tls = {} }: Pick<PlainRequest, 'nextHop' | 'tls'>,
  endpoint: SipEndpoint,
): Promise<readonly Peer[]> {
  const patienceMs = transactionMs(endpoint.timers);
  const peers = await within(patienceMs, resolveDestination(nextHop), 'the look-up takes too long');
  const secured = endpoint.secured(peers, tls, nextHop.host);
  return within(patienceMs, endpoint.reachable(secured), 'the TLS handshake takes too long');
}

/** The same as in our INVITEs, so that a registrar knows us by it. */
async function contactAt(endpoint: SipEndpoint, peer: Peer, localAddress: string): Promise<string> {
  const transport = peer.transport === 'udp' ? '' : `;transport=${peer.transport}`;
  return `sip:voice-otp@${formatHost(localAddress)}:${await endpoint.contactPort(peer)}${transport}`;
}

function plainMessage(
  { method, requestUri: uri }: PlainRequest,
  { expiresSeconds, credentials }: PlainTry,
  contact: string | undefined,
  identity: readonly SipHeader[],
): SipRequest {
  const bound: SipHeader[] =
    contact === undefined
      ? []
      : [
          ['Contact', `<${contact}>;expires=${expiresSeconds}`],
          // For registrars that do not look for the parameter (RFC 3261 §10.2.1.1 has both).
          ['Expires', String(expiresSeconds)],
        ];
  const accept: SipHeader[] = method === 'OPTIONS' ? [['Accept', 'application/sdp']] : [];
  const headers: SipHeader[] = [
    ['Max-Forwards', '70'],
    ...identity,
    ...bound,
    ...accept,
    ['Allow', ALLOW],
    ...credentials,
  ];
  return { kind: 'request', method, uri, headers, body: '' };
}

/** Sends a request that is no INVITE, and waits for its final response. Never rejects. */
export function transact(
  endpoint: SipEndpoint,
  message: SipRequest,
  peer: Peer,
  localAddress: string,
  signal: AbortSignal,
  { via, sent }: { readonly via?: string; readonly sent?: () => void } = {},
): Promise<PlainResult> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ kind: 'no_response' });
    const settle = (result: PlainResult): void => {
      signal.removeEventListener('abort', abandon);
      resolve(result);
    };
    const listener: ClientListener = {
      ...(sent === undefined ? {} : { sent }),
      response: (response) => {
        if (response.status >= 200) settle({ kind: 'response', response });
      },
      timeout: () => settle({ kind: 'no_response' }),
      transportError: (error) => settle(unreachable(error)),
    };
    const handle = endpoint.request(message, peer, localAddress, listener, via === undefined ? {} : { via });
    /** Nothing takes back a request that is no INVITE: nobody listens for what comes of it. */
    const abandon = (): void => {
      handle.forget();
      settle({ kind: 'no_response' });
    };
    signal.addEventListener('abort', abandon, { once: true });
  });
}

function unreachable(error: unknown): { kind: 'unreachable'; detail: string } {
  return { kind: 'unreachable', detail: error instanceof Error ? error.message : String(error) };
}
