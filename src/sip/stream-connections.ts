import type { Socket } from 'node:net';
import { parseMessage } from './message.ts';
import { cutFrames } from './stream-framing.ts';
import type { Peer, TransportHandler } from './transport.ts';

/** A connection without traffic is closed: longer than any transaction and any call of ours. */
const IDLE_MS = 300_000;
/** How soon the system looks whether a silent far end is still there. */
const PROBE_MS = 30_000;
/** What may wait for a peer that does not read: far more than any transaction sends. */
const MAX_UNSENT_BYTES = 1024 * 1024;

/** Connections beyond these are not accepted. */
export const MAX_CONNECTIONS = 1000;

/** The connections of one stream transport: kept and used again, in both directions (RFC 3261 §18.2.2, RFC 5923). */
export class StreamConnections {
  readonly #transport: 'tcp' | 'tls';
  readonly #handler: TransportHandler;
  readonly #byPeer = new Map<string, Promise<Socket>>();
  readonly #sockets = new Set<Socket>();

  constructor(transport: 'tcp' | 'tls', handler: TransportHandler) {
    this.#transport = transport;
    this.#handler = handler;
  }

  /** The connection to a peer: the one that there is, or the one that `open` makes. */
  to(peer: Peer, open: () => Promise<Socket>): Promise<Socket> {
    const key = keyOf(peer);
    const known = this.#byPeer.get(key);
    if (known !== undefined) return known;
    const opening = open().then((socket) => {
      this.#attach(socket, key, peer);
      return socket;
    });
    this.#byPeer.set(key, opening);
    opening.catch(() => this.#byPeer.delete(key));
    return opening;
  }

  /** Knows a socket from its start, so that closing ends what is still connecting. */
  hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** Takes a connection that the far end opened. */
  adopt(socket: Socket): void {
    const key = keyOf(farEnd(socket));
    this.#byPeer.set(key, Promise.resolve(socket));
    this.hold(socket);
    this.#attach(socket, key, undefined);
  }

  /** Whether there is a connection to a peer, or one on its way. */
  has(peer: Peer): boolean {
    return this.#byPeer.has(keyOf(peer));
  }

  /** Ends a connection that bytes could not be sent over: the next one to the peer is a new one. */
  async abandon(peer: Peer, socket: Socket): Promise<void> {
    socket.destroy();
    const key = keyOf(peer);
    const known = this.#byPeer.get(key);
    if ((await known?.catch(() => undefined)) === socket && this.#byPeer.get(key) === known)
      this.#byPeer.delete(key);
  }

  /** Resolves when the operating system took the bytes. */
  async send(socket: Socket, bytes: Buffer): Promise<void> {
    if (socket.writableLength > MAX_UNSENT_BYTES) socket.destroy();
    await new Promise<void>((resolve, reject) => {
      socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Ends all of them, with an error for whoever still waits for a connection. */
  close(): void {
    for (const socket of this.#sockets)
      socket.destroy(new Error(`the ${this.#transport.toUpperCase()} transport is closed`));
    this.#byPeer.clear();
  }

  /** @param dialled where we opened it */
  #attach(socket: Socket, key: string, dialled: Peer | undefined): void {
    const tls = dialled?.tls;
    const peer: Peer = {
      transport: this.#transport,
      ...farEnd(socket),
      ...(tls === undefined ? {} : { tls }),
    };
    let rest: Buffer = Buffer.alloc(0);
    let heard = false;
    let cause: Error | undefined;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, PROBE_MS);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', (error) => {
      cause = error;
      socket.destroy();
    });
    // There may be a newer one to the same peer by then.
    const mine = this.#byPeer.get(key);
    const forget = (): void => {
      if (this.#byPeer.get(key) === mine) this.#byPeer.delete(key);
    };
    // The far end begins to close it: nothing more is to be sent there.
    socket.on('end', forget);
    socket.on('close', () => {
      forget();
      if (dialled?.transport !== 'tls') return;
      // A server that refuses a client may do it without a word.
      const why = heard
        ? 'the connection was closed'
        : 'the connection was closed at once, as if it refused our certificate';
      this.#handler.closed?.(
        dialled,
        cause ?? new Error(`TLS to ${dialled.address} port ${dialled.port}: ${why}`),
        heard,
      );
    });
    socket.on('data', (chunk) => {
      heard = true;
      const frames = cutFrames(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]));
      rest = frames.rest;
      if (frames.pings > 0) socket.write('\r\n');
      for (const bytes of frames.messages) {
        const message = parseMessage(bytes);
        if (message.kind !== 'keep_alive') this.#handler.message(message, peer, bytes);
      }
      if (frames.broken) socket.destroy();
    });
  }
}

function farEnd(socket: Socket): { address: string; port: number } {
  return { address: unmapped(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
}

/** `::ffff:127.0.0.1` on a dual-stack socket is the IPv4 peer. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

function keyOf({ address, port, tls = '' }: Pick<Peer, 'address' | 'port' | 'tls'>): string {
  return `${unmapped(address)}|${port}|${tls}`;
}
