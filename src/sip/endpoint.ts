import { randomBytes } from 'node:crypto';
import { type ClientHandle, type ClientListener, ClientTransactions } from './client-transactions.ts';
import { faultOf, formatVia, parseVia, tagOf } from './header.ts';
import { LocalAddresses } from './local-address.ts';
import {
  formatMessage,
  header,
  headerList,
  type Malformed,
  type SipHeader,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  splitOutsideQuotes,
} from './message.ts';
import { responseTo } from './response.ts';
import { type ServerHandle, ServerTransactions } from './server-transactions.ts';
import { TcpTransport } from './tcp.ts';
import type { SipTimers } from './timers.ts';
import { type TlsListener, TlsTransport } from './tls.ts';
import { domainOfTrust, type TlsTerms } from './tls-trust.ts';
import type { Peer, Transport, TransportHandler, WireMessage } from './transport.ts';
import { UdpTransport } from './udp.ts';
import { formatHost } from './uri.ts';

export interface EndpointOptions {
  /** The address to bind; `0.0.0.0` or `::` for all. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Listen on and connect over TCP as well. */
  readonly tcp: boolean;
  /** Listen over TLS as well; connecting needs no listener. */
  readonly tls?: TlsListener | undefined;
  /** What peers are told to send to, where NAT hides the bound address. */
  readonly externalAddress?: string | undefined;
  readonly timers: SipTimers;
  /** A request outside of every dialog (OPTIONS, a new INVITE …). It has to be answered. */
  readonly onRequest: (handle: ServerHandle) => void;
  /** Something threw while a message was handled: a bug of ours. The message was dropped. */
  readonly onFault: (error: unknown) => void;
  /** Every message, as it is on the wire. */
  readonly onWire?: ((message: WireMessage) => void) | undefined;
}

/** Who takes the requests of one dialog or call, found by Call-ID. */
export interface DialogOwner {
  request(handle: ServerHandle): void;
  /** The ACK to a 2xx. */
  ack(request: SipRequest): void;
}

export interface SendOptions {
  /** A CANCEL goes under the Via of its INVITE (RFC 3261 §9.1). */
  readonly via?: string;
  /** The request left in an earlier process: wait for what comes back, send nothing. */
  readonly resume?: boolean;
}

/** How often another port is tried where any will do. */
const ANY_PORT_TRIES = 20;

/** A SIP endpoint: transports, transactions, and who gets which request. It knows nothing of calls. */
export class SipEndpoint {
  readonly #options: EndpointOptions;
  readonly #clients: ClientTransactions;
  readonly #servers: ServerTransactions;
  readonly #owners = new Map<string, DialogOwner>();
  readonly #addresses: LocalAddresses;
  /** In the responses that the endpoint gives by itself (§8.2.6.2: always the same one, where no state is kept). */
  readonly #tag = randomBytes(6).toString('hex');
  #udp: Transport | undefined;
  #tcp: Transport | undefined;
  #tls: TlsTransport | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#addresses = new LocalAddresses(options.host, options.externalAddress);
    this.#clients = new ClientTransactions(options.timers, (request, peer) => this.transmit(request, peer));
    this.#servers = new ServerTransactions(options.timers, (response, peer) => this.transmit(response, peer));
  }

  get timers(): SipTimers {
    return this.#options.timers;
  }

  /** The port of UDP and TCP. */
  get port(): number {
    return this.#udp?.port ?? 0;
  }

  /** The port of the TLS listener; 0 where there is none. */
  get tlsPort(): number {
    return this.#tls?.port ?? 0;
  }

  /** Transactions and dialogs that are held, for readiness and for tests that count what is left. */
  get held(): { clients: number; servers: number; dialogs: number } {
    return { clients: this.#clients.size, servers: this.#servers.size, dialogs: this.#owners.size };
  }

  async start(): Promise<void> {
    const handler: TransportHandler = {
      message: (message, peer, bytes) => {
        try {
          this.#receive(message, peer, bytes);
        } catch (error) {
          this.#options.onFault(error);
        }
      },
      closed: (...closed) => this.#clients.disconnected(...closed),
    };
    for (let triesLeft = this.#options.port === 0 ? ANY_PORT_TRIES : 1; ; triesLeft--) {
      try {
        await this.#bind(handler);
        return await this.#bindTls(handler);
      } catch (error) {
        // The system chooses a port that is free for UDP; for TCP somebody may have it.
        if (triesLeft <= 1 || !(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'))
          throw error;
      }
    }
  }

  async #bind(handler: TransportHandler): Promise<void> {
    const { host, port, tcp } = this.#options;
    const udp = new UdpTransport(host, port, handler);
    await udp.start();
    this.#udp = udp;
    if (!tcp) return;
    // The same number for both, so that one Contact serves both.
    const stream = new TcpTransport(host, udp.port, handler);
    try {
      await stream.start();
    } catch (error) {
      this.#udp = undefined;
      await udp.close();
      throw error;
    }
    this.#tcp = stream;
  }

  async #bindTls(handler: TransportHandler): Promise<void> {
    const tls = new TlsTransport(this.#options.host, this.#options.tls, handler);
    try {
      await tls.start();
    } catch (error) {
      await this.#closeTransports();
      throw error;
    }
    this.#tls = tls;
  }

  async close(): Promise<void> {
    this.#clients.close();
    this.#servers.close();
    this.#owners.clear();
    await this.#closeTransports();
  }

  async #closeTransports(): Promise<void> {
    await Promise.all([this.#udp?.close(), this.#tcp?.close(), this.#tls?.close()]);
    this.#udp = undefined;
    this.#tcp = undefined;
    this.#tls = undefined;
  }

  /**
   * Peers with what they are to prove, where they are reached by TLS; others as they are.
   *
   * @param domain the configured name that led to them
   * @throws Error where the terms cannot be used
   */
  secured(peers: readonly Peer[], terms: TlsTerms, domain: string): Peer[] {
    return peers.map((peer) => {
      const tls = peer.transport === 'tls' ? this.#tls?.trust(terms, domain) : undefined;
      return tls === undefined ? peer : { ...peer, tls };
    });
  }

  /** A peer of an earlier process, with the terms of now. */
  securedAgain(peer: Peer, terms: TlsTerms): Peer {
    return peer.tls === undefined ? peer : (this.secured([peer], terms, domainOfTrust(peer.tls))[0] ?? peer);
  }

  /**
   * The peers from the first one on that can be connected to, where that is known beforehand: by TLS. Rejects with what is
   * wrong with the last one where there is none.
   */
  async reachable(peers: readonly Peer[]): Promise<readonly Peer[]> {
    for (const [i, peer] of peers.entries()) {
      if (peer.transport !== 'tls') return peers.slice(i);
      try {
        await this.#tls?.connect(peer);
        return peers.slice(i);
      } catch (error) {
        if (i === peers.length - 1) throw error;
      }
    }
    return peers;
  }

  /**
   * The port that a peer is told to send to, in our Contact. Without a TLS listener it is that of the connection, which is
   * there or is made: far ends look their connections up by address and port.
   */
  async contactPort(peer: Peer): Promise<number> {
    if (peer.transport !== 'tls') return this.port;
    if (this.tlsPort !== 0) return this.tlsPort;
    return (await this.#tls?.connect(peer)) ?? 0;
  }

  /** The address that a peer reaches us by, for Contact and SDP. */
  async localAddress(peer: Peer): Promise<string> {
    return this.#addresses.towards(peer);
  }

  /** Requests with this Call-ID go to this owner until the function that it answers is called. */
  own(callId: string, owner: DialogOwner): () => void {
    this.#owners.set(callId, owner);
    return () => {
      if (this.#owners.get(callId) === owner) this.#owners.delete(callId);
    };
  }

  /** Sends a request in a transaction of its own; the Via is put on here. */
  request(
    request: SipRequest,
    peer: Peer,
    localAddress: string,
    listener: ClientListener,
    options: SendOptions = {},
  ): ClientHandle {
    const via = options.via ?? this.newVia(peer, localAddress);
    const headers: SipHeader[] = options.resume ? [...request.headers] : [['Via', via], ...request.headers];
    return this.#clients.start({ ...request, headers }, peer, listener, options.resume);
  }

  /** A Via with a new branch, or with this one behind the magic cookie (RFC 3261 §8.1.1.7). */
  newVia(peer: Peer, localAddress: string, branch = randomBytes(12).toString('hex')): string {
    const sentBy = `${formatHost(localAddress)}:${this.port}`;
    return `SIP/2.0/${peer.transport.toUpperCase()} ${sentBy};rport;branch=z9hG4bK${branch}`;
  }

  /** Sends a message outside of any transaction: the ACK to a 2xx, for one. Rejects when it could not be sent. */
  async transmit(message: SipRequest | SipResponse, peer: Peer): Promise<void> {
    const transport = { udp: this.#udp, tcp: this.#tcp, tls: this.#tls }[peer.transport];
    if (transport === undefined) throw new Error(`${peer.transport} is not available`);
    const bytes = formatMessage(message);
    this.#options.onWire?.({ direction: 'out', at: Date.now(), peer, text: bytes.toString() });
    await transport.send(bytes, peer);
  }

  #receive(message: SipMessage | Malformed, peer: Peer, bytes: Buffer): void {
    this.#options.onWire?.({ direction: 'in', at: Date.now(), peer, text: bytes.toString() });
    if (message.kind === 'malformed') return this.#refuseMalformed(message, peer);
    const fault = faultOf(message);
    if (message.kind === 'response') {
      if (fault === undefined) this.#clients.response(message);
      return;
    }
    if (fault !== undefined)
      return this.#refuseMalformed({ kind: 'malformed', why: fault, partial: message }, peer);
    this.#request(withReceived(message, peer), peer);
  }

  #request(request: SipRequest, peer: Peer): void {
    const owner = this.#owners.get(header(request, 'Call-ID') ?? '');
    if (request.method === 'ACK') {
      if (!this.#servers.ack(request)) owner?.ack(request);
      return;
    }
    const handle = this.#servers.request(request, responsePeer(request, peer));
    if (handle === undefined) return;
    try {
      this.#dispatch(handle, owner);
    } catch (error) {
      // A bug of ours must not leave the transaction, and the peer, waiting for ever.
      this.#answer(handle, 500);
      throw error;
    }
  }

  #dispatch(handle: ServerHandle, owner: DialogOwner | undefined): void {
    const { request } = handle;
    if (request.method === 'CANCEL') return this.#cancel(handle);
    if (owner !== undefined) return owner.request(handle);
    // RFC 3261 §12.2.2: a To-tag names a dialog, and we do not have it.
    if (tagOf(request, 'To') !== '') return this.#answer(handle, 481);
    // §8.2.2.1: a Request-URI of a kind that nobody here could read.
    if (!/^(?:sips?|tel):/i.test(request.uri)) return this.#answer(handle, 416);
    this.#options.onRequest(handle);
  }

  #answer(handle: ServerHandle, status: number): void {
    handle.respond(responseTo(handle.request, status, { toTag: this.#tag }));
  }

  #cancel(handle: ServerHandle): void {
    const invite = this.#servers.canceled(handle.request);
    this.#answer(handle, invite === undefined ? 481 : 200);
    // §9.2: after a final response a CANCEL has no effect.
    if (invite?.waits === true) invite.handle.onCancel?.(handle.request);
  }

  /** 400, or 505 for another version, without a transaction (RFC 3261 §8.2.7); to its source where its Via cannot be read. */
  #refuseMalformed(message: Malformed, peer: Peer): void {
    const request = message.partial;
    if (request === undefined || request.method === 'ACK' || header(request, 'Via') === undefined) return;
    const status = message.why === 'version' ? 505 : 400;
    const answered = withReceived(request, peer);
    const response = responseTo(answered, status, {
      reason: status === 400 ? `Bad Request: ${message.why}` : 'Version Not Supported',
      toTag: this.#tag,
    });
    this.transmit(response, responsePeer(answered, peer)).catch(() => {});
  }
}

/** RFC 3261 §18.2.1 and RFC 3581 §4: the source address of a request, written into its top Via. */
function withReceived(request: SipRequest, peer: Peer): SipRequest {
  const lines = request.headers
    .filter(([name]) => name === 'Via')
    .flatMap(([, value]) => splitOutsideQuotes(value, ','));
  const via = parseVia(lines[0] ?? '');
  if (via === undefined) return request;
  const params = new Map(via.params);
  if (params.has('rport')) params.set('rport', String(peer.port));
  if (via.host !== peer.address || params.has('rport')) params.set('received', peer.address);
  const vias: SipHeader[] = [formatVia({ ...via, params }), ...lines.slice(1)].map((value) => ['Via', value]);
  return { ...request, headers: [...vias, ...request.headers.filter(([name]) => name !== 'Via')] };
}

/** Where the response goes: over the same connection, or to the source address (RFC 3261 §18.2.2, RFC 3581 §4). */
function responsePeer(request: SipRequest, peer: Peer): Peer {
  const via = parseVia(headerList(request, 'Via')[0] ?? '');
  if (peer.transport !== 'udp' || via === undefined || via.params.has('rport')) return peer;
  return { ...peer, port: via.port ?? 5060 };
}
