import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { parseMessage } from './message.ts';
import type { Peer, Transport, TransportHandler } from './transport.ts';

/** Room for bursts of signalling while the event loop is busy. */
const BUFFER_BYTES = 4 * 1024 * 1024;

/** SIP over UDP: one socket for all peers, so that requests and answers share a port (RFC 3581). */
export class UdpTransport implements Transport {
  readonly #host: string;
  readonly #wantedPort: number;
  readonly #handler: TransportHandler;
  #socket: Socket | undefined;
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
    const socket = createSocket({
      type: isIPv6(this.#host) ? 'udp6' : 'udp4',
      // Peers are addresses already: answering here keeps each send off dns.lookup and in order.
      lookup: (address, _options, done) => done(null, address, isIPv6(address) ? 6 : 4),
    });
    // Asked for before: with the look-up above, binding is over when bind returns.
    const listening = once(socket, 'listening');
    socket.bind(this.#wantedPort, this.#host);
    await listening;
    // From here on an error concerns one datagram (an ICMP answer, say), never the socket.
    socket.on('error', () => {});
    socket.on('message', (bytes, from) => {
      const message = parseMessage(bytes);
      if (message.kind === 'keep_alive') return;
      this.#handler.message(message, { transport: 'udp', address: from.address, port: from.port }, bytes);
    });
    enlarge(socket);
    this.#socket = socket;
    this.#port = socket.address().port;
  }

  send(bytes: Buffer, peer: Peer): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = this.#socket;
      if (socket === undefined) return reject(new Error('the UDP socket is closed'));
      socket.send(bytes, peer.port, peer.address, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  }
}

function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES);
    socket.setSendBufferSize(BUFFER_BYTES);
  } catch {
    // The system's limit stays: a smaller buffer loses datagrams only under bursts, and SIP sends those again.
  }
}
