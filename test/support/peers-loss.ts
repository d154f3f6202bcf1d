import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { seededRandom } from './sip/seeded-random.ts';

/** A UDP path between one side that speaks first and a peer, on loopback, which loses a part of the datagrams. */
export class LossyPath {
  readonly port: number;
  readonly #socket: Socket;
  readonly #random: () => number;
  readonly #loss: number;
  #peerPort = 0;
  #nearPort = 0;
  #lost = 0;

  private constructor(socket: Socket, loss: number, seed: number) {
    this.#socket = socket;
    this.#loss = loss;
    this.#random = seededRandom(seed);
    this.port = socket.address().port;
    socket.on('message', (datagram, from) => this.#carry(datagram, from));
  }

  /** @param loss the part of the datagrams that does not arrive, 0 to 1, in each direction */
  static async open(loss: number, seed: number): Promise<LossyPath> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new LossyPath(socket, loss, seed);
  }

  /** Where the path leads. */
  leadTo(peerPort: number): void {
    this.#peerPort = peerPort;
  }

  /** How many datagrams did not arrive. */
  get lost(): number {
    return this.#lost;
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #carry(datagram: Buffer, from: RemoteInfo): void {
    const back = from.port === this.#peerPort;
    if (!back) this.#nearPort = from.port;
    if (this.#random() < this.#loss) {
      this.#lost++;
      return;
    }
    this.#socket.send(datagram, back ? this.#nearPort : this.#peerPort, '127.0.0.1');
  }
}
