import { isIP } from 'node:net';
import { parseNameAddress, tagOf, topVia } from '../../sip/header.ts';
import { header, headerList, parseMessage, type SipMessage } from '../../sip/message.ts';
import type { Peer, WireMessage } from '../../sip/transport.ts';
import { parseUri } from '../../sip/uri.ts';

/** The trunk's side of the last calls: after the end of a call a BYE of it may still come, or leave. */
const MAX_CALLS = 20_000;

const DEFAULT_PORT = 5060;

const DAY_MS = 86_400_000;
/** Time zones differ by whole quarters of an hour. */
const QUARTER_MS = 900_000;
/** What drachtio told later than this was not told late: its clock is another one. */
const MAX_LAG_MS = 5000;

/** What drachtio says of a message in the line before it. */
interface Telling {
  readonly sent: boolean;
  /** `application`: drachtio itself made it, or was asked to send it. */
  readonly source: string;
  /** Of the peer, but that of drachtio itself in a request that was sent. */
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly time: string;
  readonly text: string;
}

/**
 * The SIP between drachtio and the trunks, read from what drachtio tells its client: what came, and what it sent when it
 * was asked to. It says nothing of retransmissions, of 100 Trying, of its own ACK to a refusal, of the response to a
 * CANCEL, and of refreshes that it sends by itself. Messages to and from media servers are left out.
 */
export class DrachtioWire {
  readonly #onWire: (message: WireMessage) => void;
  /** Where the INVITE of each call went, by Call-ID; the one that was silent for the longest first. */
  readonly #peers = new Map<string, Peer>();

  constructor(onWire: (message: WireMessage) => void) {
    this.#onWire = onWire;
  }

  /** A request is about to be given to drachtio: its Call-ID, where it names one, is the trunk's from now on. */
  asked(options: { readonly headers: Readonly<Record<string, string>>; readonly proxy?: string }): void {
    const callId = options.headers['Call-ID'];
    const peer = peerOf(options.proxy ?? '');
    if (callId === undefined || peer === undefined) return;
    this.#note(callId, peer);
    if (this.#peers.size <= MAX_CALLS) return;
    for (const oldest of this.#peers.keys()) return void this.#peers.delete(oldest);
  }

  /** Takes whatever came from drachtio. */
  take(told: string, now = Date.now()): void {
    const telling = readTelling(told);
    if (telling === undefined) return;
    const message = parseMessage(Buffer.from(telling.text));
    if (message.kind !== 'request' && message.kind !== 'response') return;
    const callId = header(message, 'Call-ID') ?? '';
    const known = this.#peers.get(callId);
    if (known === undefined) return;
    const passed = passage(telling, message, known);
    if (passed === undefined) return;
    this.#note(callId, known);
    this.#onWire({ ...passed, at: timeOf(telling.time, now), text: telling.text });
  }

  #note(callId: string, peer: Peer): void {
    this.#peers.delete(callId);
    this.#peers.set(callId, peer);
  }
}

/** Which way a message took, and where it went or came from; undefined for one that was on no wire. */
function passage(
  telling: Telling,
  message: SipMessage,
  known: Peer,
): Pick<WireMessage, 'direction' | 'peer'> | undefined {
  const { sent, source, address, port } = telling;
  const transport = transportOf(telling.protocol || (topVia(message)?.transport ?? '')) ?? known.transport;
  const there = isIP(address) === 0 ? undefined : { transport, address, port };
  if (sent || source === 'application') {
    if (message.kind === 'request') return { direction: 'out', peer: nextHop(message, known) };
    // What was not sent, drachtio made for us, in place of a response that never came.
    return sent ? { direction: 'out', peer: there ?? known } : undefined;
  }
  return there === undefined ? undefined : { direction: 'in', peer: there };
}

/** In a dialog the first Route or the target (RFC 3261 §12.2.1.1), where that is an address; before it, where the INVITE went. */
function nextHop(request: Extract<SipMessage, { kind: 'request' }>, known: Peer): Peer {
  if (tagOf(request, 'To') === '') return known;
  const [route] = headerList(request, 'Route');
  const uri = parseUri((route === undefined ? undefined : parseNameAddress(route)?.uri) ?? request.uri);
  if (uri === undefined || isIP(uri.host) === 0) return known;
  const transport = transportOf(topVia(request)?.transport ?? '') ?? known.transport;
  return { transport, address: uri.host, port: uri.port ?? DEFAULT_PORT };
}

function readTelling(told: string): Telling | undefined {
  const end = told.indexOf('\r\n');
  const [, type, ...rest] = told.slice(0, end < 0 ? undefined : end).split('|');
  const sent = type === 'response';
  if (end < 0 || (sent ? rest[1] !== 'OK' : type !== 'sip')) return undefined;
  const [source = '', bytes = '', protocol = '', address = '', port = '', time = ''] = sent
    ? rest.slice(2)
    : rest;
  // A CANCEL without a length is held back until it may leave (RFC 3261 §9.1), and drachtio does not tell when.
  if (Number(bytes) === 0) return undefined;
  return { sent, source, protocol, address, port: Number(port), time, text: told.slice(end + 2) };
}

/**
 * When drachtio saw it, by the time of day that it says: it may have waited for us since. Where its clock is another
 * one than ours, when we learnt it. Never later than that, so that the order stays.
 */
function timeOf(text: string, now: number): number {
  const clock = /^(\d{2}):(\d{2}):(\d{2}\.\d+)$/.exec(text);
  if (clock === null) return now;
  const thenMs = Number(clock[1]) * 3_600_000 + Number(clock[2]) * 60_000 + Number(clock[3]) * 1000;
  const lagMs = (((now + DAY_MS - Math.floor(thenMs)) % QUARTER_MS) + QUARTER_MS) % QUARTER_MS;
  return lagMs <= MAX_LAG_MS ? now - lagMs : now;
}

/** `sip:192.0.2.1:5060;transport=tcp`, as we name the next hop to drachtio. */
function peerOf(proxy: string): Peer | undefined {
  const uri = parseUri(proxy);
  if (uri === undefined || isIP(uri.host) === 0) return undefined;
  const transport = transportOf(uri.params.get('transport') ?? 'udp') ?? 'udp';
  return { transport, address: uri.host, port: uri.port ?? DEFAULT_PORT };
}

function transportOf(name: string): Peer['transport'] | undefined {
  const lower = name.toLowerCase();
  return lower === 'udp' || lower === 'tcp' || lower === 'tls' ? lower : undefined;
}
