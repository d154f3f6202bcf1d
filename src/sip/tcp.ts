import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { MAX_CONNECTIONS, StreamConnections } from './stream-connections.ts';
import type { Peer, Transport, TransportHandler } from './transport.ts';

const CONNECT_TIMEOUT_MS = 5000;

/** SIP over TCP. */
export class TcpTransport implements Transport {
  readonly #host: string;
  readonly #wantedPort: number;
  readonly #connections: StreamConnections;
  #server: Server | undefined;
  #port = 0;

  constructor(host: string, port: number, handler: TransportHandler) {
    this.#host = host;
    this.#wantedPort = port;
    this.#connections = new StreamConnections('tcp', handler);
  }

  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    const server = createServer((socket) => this.#connections.adopt(socket));
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
    const socket = await this.#connections.to(peer, () => this.#open(peer));
    await this.#connections.send(socket, bytes);
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#connections.close();
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    await closed;
  }

  async #open(peer: Peer): Promise<Socket> {
    if (this.#server === undefined) throw new Error('the TCP transport is closed');
    const socket = connect({ host: peer.address, port: peer.port, timeout: CONNECT_TIMEOUT_MS });
    this.#connections.hold(socket);
    // Both outcomes before `connect` are failures; a listener for each keeps them from being uncaught.
    socket.once('timeout', () => socket.destroy(new Error('TCP connect timed out')));
    await once(socket, 'connect');
    return socket;
  }
}
