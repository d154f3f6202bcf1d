import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, connect as tlsConnect } from 'node:tls';
import { MAX_CONNECTIONS, StreamConnections } from './stream-connections.ts';
import { tlsError } from './tls-error.ts';
import { TLS_VERSIONS, type TlsCertificate, type TlsTerms, TlsTrust, trustId } from './tls-trust.ts';
import type { Peer, Transport, TransportHandler } from './transport.ts';

/** For TCP and the handshake together, as long as TCP alone has. */
const CONNECT_TIMEOUT_MS = 5000;
/** More than any configuration has trunks; a configuration that is loaded again leaves old ones behind. */
const MAX_TRUSTS = 1000;

/** Where others connect to us, and what we show them. */
export interface TlsListener {
  /** 0: any free one. */
  readonly port: number;
  readonly certificate: TlsCertificate;
  /** Only clients with a certificate of these authorities (PEM) are let in. */
  readonly clientCa?: string | undefined;
}

/**
 * SIP over TLS (RFC 3261 §26.2.1). Without a listener it only connects; what the far end asks for then comes over the
 * connections that we opened.
 */
export class TlsTransport implements Transport {
  readonly #host: string;
  readonly #listener: TlsListener | undefined;
  readonly #connections: StreamConnections;
  readonly #trusts = new Map<string, TlsTrust>();
  #server: Server | undefined;
  #port = 0;
  #open = false;

  constructor(host: string, listener: TlsListener | undefined, handler: TransportHandler) {
    this.#host = host;
    this.#listener = listener;
    this.#connections = new StreamConnections('tls', {
      ...handler,
      closed: (peer, error, worked) => handler.closed?.(peer, tlsError(error, peer), worked),
    });
  }

  /** Of the listener; 0 where there is none. */
  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    this.#open = true;
    const listener = this.#listener;
    if (listener === undefined) return;
    const { certificate, clientCa } = listener;
    const server = createServer(
      {
        ...TLS_VERSIONS,
        cert: certificate.cert,
        key: certificate.key.reveal(),
        handshakeTimeout: CONNECT_TIMEOUT_MS,
        ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
      },
      (socket) => this.#connections.adopt(socket),
    );
    server.maxConnections = MAX_CONNECTIONS;
    // Held before the handshake, so that closing does not wait for it.
    server.on('connection', (socket: Socket) => {
      this.#connections.hold(socket);
      socket.on('error', () => {});
    });
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    server.listen(listener.port, this.#host);
    await once(server, 'listening');
    server.on('error', () => {});
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /**
   * Makes terms known; gives the name of them for `Peer.tls`.
   *
   * @throws Error where `tlsFault` has something to say
   */
  trust(terms: TlsTerms, domain: string): string {
    const id = trustId(terms, domain);
    const known = this.#trusts.get(id) ?? new TlsTrust(terms, domain);
    // The last used are kept.
    this.#trusts.delete(id);
    this.#trusts.set(id, known);
    const [oldest] = this.#trusts.keys();
    if (this.#trusts.size > MAX_TRUSTS && oldest !== undefined) this.#trusts.delete(oldest);
    return id;
  }

  /** Connects where there is no connection yet. Gives the port at our end of it. Rejects with what is wrong. */
  async connect(peer: Peer): Promise<number> {
    const socket = await this.#connections.to(peer, () => this.#dial(peer));
    return socket.localPort ?? 0;
  }

  async send(bytes: Buffer, peer: Peer): Promise<void> {
    const kept = this.#connections.has(peer);
    const socket = await this.#connections.to(peer, () => this.#dial(peer));
    try {
      await this.#connections.send(socket, bytes);
    } catch (error) {
      // The far end may have closed it long ago, unnoticed.
      if (!kept || peer.tls === undefined) throw tlsError(error, peer);
      await this.#connections.abandon(peer, socket);
      await this.#connections.send(await this.#connections.to(peer, () => this.#dial(peer)), bytes);
    }
  }

  async close(): Promise<void> {
    this.#open = false;
    const server = this.#server;
    this.#server = undefined;
    this.#connections.close();
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    await closed;
  }

  async #dial(peer: Peer): Promise<Socket> {
    if (!this.#open) throw new Error('the TLS transport is closed');
    const trust = this.#trusts.get(peer.tls ?? '');
    if (trust === undefined) throw new Error(`TLS to ${peer.address}: nobody has said whom to trust there`);
    const socket = tlsConnect({ host: peer.address, port: peer.port, ...trust.options });
    this.#connections.hold(socket);
    let what = 'the connection';
    socket.once('connect', () => {
      what = 'the handshake';
    });
    const late = setTimeout(() => {
      socket.destroy(new Error(`TLS to ${peer.address} port ${peer.port}: ${what} takes too long`));
    }, CONNECT_TIMEOUT_MS);
    try {
      await once(socket, 'secureConnect');
      trust.check(socket);
      return socket;
    } catch (error) {
      // What it may still say about it concerns nobody.
      socket.on('error', () => {});
      socket.destroy();
      throw tlsError(error, peer);
    } finally {
      clearTimeout(late);
    }
  }
}
