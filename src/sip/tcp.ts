import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { parseMessage } from './message.ts';
import { cutFrames } from './stream-framing.ts';
import type { Peer, Transport, TransportHandler } from './transport.ts';

const CONNECT_TIMEOUT_MS = 5000;
/** A connection without traffic is closed: longer than any transaction and any call of ours. */
const IDLE_MS = 300_000;
const MAX_CONNECTIONS = 1000;
/** What may wait for a peer that does not read: far more than any transaction sends. */
const MAX_UNSENT_BYTES = 1024 * 1024;

/** SIP over TCP: connections are kept and used again, in both directions (RFC 3261 §18.2.2, RFC 5923). */
export class TcpTransport implements Transport {
  readonly #host: string;
  readonly #wantedPort: number;
  readonly #handler: TransportHandler;
  readonly #connections = new Map<string, Promise<Socket>>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  constructor(host: string, port: number, handler: TransportHandler) {
    this.#host = host;
    this.#wantedPort = port;
    this.#handler = handler;
  }

  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    const server = createServer((socket) => this.#adopt(socket));
    server.maxConnections = MAX_CONNECTIONS;
    server.listen(this.#wantedPort, this.#host);
    await once(server, 'listening');
    // What fails later is one connection that could not be accepted (no file descriptors left, say).
    server.on('error', () => {});
    const address = server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
    this.#server = server;
  }

  async send(bytes: Buffer, peer: Peer): Promise<void> {
    const socket = await this.#connection(peer);
    if (socket.writableLength > MAX_UNSENT_BYTES) socket.destroy();
    await new Promise<void>((resolve, reject) => {
      socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    // With an error, so that whoever still waits for a connection is told.
    for (const socket of this.#sockets) socket.destroy(new Error('the TCP transport is closed'));
    this.#connections.clear();
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    await closed;
  }

  #connection(peer: Peer): Promise<Socket> {
    const key = keyOf(peer.address, peer.port);
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const opening = this.#open(peer);
    this.#connections.set(key, opening);
    opening.catch(() => this.#connections.delete(key));
    return opening;
  }

  async #open(peer: Peer): Promise<Socket> {
    if (this.#server === undefined) throw new Error('the TCP transport is closed');
    const socket = connect({ host: peer.address, port: peer.port, timeout: CONNECT_TIMEOUT_MS });
    // Known from the start, so that closing ends what is still connecting.
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // Both outcomes before `connect` are failures; a listener for each keeps them from being uncaught.
    socket.once('timeout', () => socket.destroy(new Error('TCP connect timed out')));
    await once(socket, 'connect');
    this.#attach(socket, keyOf(peer.address, peer.port));
    return socket;
  }

  #adopt(socket: Socket): void {
    const key = keyOf(socket.remoteAddress ?? '', socket.remotePort ?? 0);
    this.#connections.set(key, Promise.resolve(socket));
    this.#attach(socket, key);
  }

  #attach(socket: Socket, key: string): void {
    const peer: Peer = {
      transport: 'tcp',
      address: unmapped(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
    };
    let rest: Buffer = Buffer.alloc(0);
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#connections.delete(key);
    });
    socket.on('data', (chunk) => {
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

/** `::ffff:127.0.0.1` on a dual-stack socket is the IPv4 peer. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

function keyOf(address: string, port: number): string {
  return `${unmapped(address)}|${port}`;
}
