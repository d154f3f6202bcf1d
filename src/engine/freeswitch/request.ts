import { randomBytes } from 'node:crypto';
import { contactUri } from '../../sip/header.ts';
import { parseMessage, type SipHeader } from '../../sip/message.ts';
import { resolveDestination } from '../../sip/resolver.ts';
import { ALLOW } from '../../sip/session.ts';
import type { PlainAnswer, PlainRequest } from '../engine.ts';
import { untilAborted, within } from '../leg/deadline.ts';
import { carryPlain, type PlainResult, type PlainTry } from '../leg/plain-course.ts';
import type { RegistrationSeries, RequestSeries } from '../leg/request-series.ts';
import { type DrachtioConnection, DrachtioError, type Exchange } from './drachtio-connection.ts';
import { checkRequest, spelledApart } from './invite-headers.ts';
import { isOurOwn, proxyUri } from './phone-invite.ts';
import { choose, type DrachtioServer } from './servers.ts';

export interface RequestSurroundings {
  readonly drachtioServers: readonly DrachtioServer[];
  readonly series: RegistrationSeries;
  readonly userAgent: string;
}

/** As long as a silent far end takes (Timer F, RFC 3261 §17.1.2.2). */
const LOOK_UP_MS = 32_000;

/**
 * Sends one request outside of calls by drachtio. Never rejects. A REGISTER leaves by the first server that is connected
 * in the order of the configuration: a registration names the server that calls are expected from.
 */
export async function plainRequest(
  request: PlainRequest,
  { drachtioServers, series: all, userAgent }: RequestSurroundings,
  signal: AbortSignal,
): Promise<PlainAnswer> {
  const refused = checkRequest(request);
  if (refused !== undefined) return { kind: 'failed', detail: refused };
  const server =
    request.method === 'REGISTER'
      ? drachtioServers.find(({ standing }) => standing.current !== undefined)
      : choose(drachtioServers);
  const via = server?.standing.current;
  if (server === undefined || via === undefined)
    return { kind: 'failed', detail: 'no drachtio server is connected' };
  const series = all.of(request, server.standing.name);
  const fromTag = randomBytes(8).toString('hex');
  const send = (attempt: PlainTry): Promise<PlainResult> =>
    exchangeBy(
      via,
      request,
      attempt,
      messageHeaders(request, attempt, { series, fromTag, userAgent }),
      signal,
    );
  const aborted = new Error('aborted');
  try {
    const distrust = await untilAborted(signal, via.distrust(request), aborted);
    if (distrust !== undefined) return { kind: 'failed', detail: distrust };
    const lookUp = within(LOOK_UP_MS, resolveDestination(request.nextHop), 'the look-up takes too long');
    const peers = await untilAborted(signal, lookUp, aborted);
    return await carryPlain(request, peers, send, signal);
  } catch (error) {
    if (signal.aborted) return { kind: 'no_response' };
    return { kind: 'unreachable', detail: error instanceof Error ? error.message : String(error) };
  }
}

/** drachtio writes its own address in place of `localhost`, with the port of the transport that the request leaves by. */
function messageHeaders(
  { method, from, to }: PlainRequest,
  { peer, expiresSeconds, credentials }: PlainTry,
  identity: { readonly series: RequestSeries; readonly fromTag: string; readonly userAgent: string },
): Record<string, string> {
  const { series, fromTag, userAgent } = identity;
  const transport = peer.transport === 'udp' ? '' : `;transport=${peer.transport}`;
  const bound: SipHeader[] =
    expiresSeconds === undefined
      ? []
      : [
          ['Contact', `<sip:voice-otp@localhost${transport}>;expires=${expiresSeconds}`],
          // For registrars that do not look for the parameter (RFC 3261 §10.2.1.1 has both).
          ['Expires', String(expiresSeconds)],
        ];
  return Object.fromEntries([
    ['From', `<${from}>;tag=${fromTag}`],
    ['To', `<${to}>`],
    ['Call-ID', series.callId],
    ['CSeq', `${series.next()} ${method}`],
    ['User-Agent', userAgent],
    ['Allow', ALLOW],
    ...(method === 'OPTIONS' ? [['Accept', 'application/sdp'] as const] : []),
    ...bound,
    ...spelledApart(credentials),
  ]);
}

async function exchangeBy(
  via: DrachtioConnection,
  { method, requestUri }: PlainRequest,
  { peer, expiresSeconds }: PlainTry,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<PlainResult> {
  const asked = via.exchange({ method, uri: requestUri, headers, proxy: proxyUri(peer) });
  return resultOf(asked, signal, expiresSeconds === undefined ? undefined : contactOf);
}

/** What drachtio tells of a request, until the signal is aborted. Never rejects. */
export async function resultOf(
  asked: Promise<Exchange>,
  signal: AbortSignal,
  contactIn?: (sent: Exchange['sent']) => string | undefined,
): Promise<PlainResult> {
  try {
    const { answer, response, sent } = await untilAborted(signal, asked, new Error('aborted'));
    if (!isOurOwn(answer)) return { kind: 'response', response, contact: contactIn?.(sent) };
    if (response.status === 408) return { kind: 'no_response' };
    return { kind: 'unreachable', detail: `drachtio could not send it: ${response.reason}` };
  } catch (error) {
    if (signal.aborted) return { kind: 'no_response' };
    const detail = error instanceof Error ? error.message : String(error);
    // What drachtio has no transport for is not sent; all else is a server of ours that is away or hangs.
    const refused = error instanceof DrachtioError && error.kind === 'refused';
    return { kind: refused ? 'unreachable' : 'failed', detail };
  }
}

/** The Contact as it left. */
function contactOf(sent: Exchange['sent']): string | undefined {
  const message = parseMessage(Buffer.from(sent.msg.raw ?? '', 'utf8'));
  return message.kind === 'request' ? contactUri(message) : undefined;
}
