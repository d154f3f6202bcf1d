import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** Bursts of a loaded machine are not to be lost: this link is slow, and not bad. */
const BUFFER_BYTES = 4_194_304;

/** A way to a SIP peer over UDP on which whatever the peer answers comes late. For one caller. */
export class SlowLink {
  /** The peer's UDP port on this machine; 0 as long as there is none. */
  target = 0;
  readonly #caller: Socket;
  readonly #peer: Socket;
  readonly #late = new Set<NodeJS.Timeout>();
  readonly #lateMs: number;
  #callerPort = 0;

  private constructor(caller: Socket, peer: Socket, lateMs: number) {
    this.#caller = caller;
    this.#peer = peer;
    this.#lateMs = lateMs;
    caller.on('message', (bytes, { port }) => {
      this.#callerPort = port;
      peer.send(bytes, this.target, '127.0.0.1');
    });
    peer.on('message', (bytes) => this.#pass(bytes));
  }

  static async start(lateMs: number): Promise<SlowLink> {
    return new SlowLink(await bound(), await bound(), lateMs);
  }

  get port(): number {
    return this.#caller.address().port;
  }

  /** What is still on its way is lost. */
  async close(): Promise<void> {
    for (const timer of this.#late) clearTimeout(timer);
    const closed = [this.#caller, this.#peer].map((socket) => once(socket, 'close'));
    this.#caller.close();
    this.#peer.close();
    await Promise.all(closed);
  }

  #pass(bytes: Uint8Array): void {
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      this.#caller.send(bytes, this.#callerPort, '127.0.0.1');
    }, this.#lateMs);
    this.#late.add(timer);
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES, sendBufferSize: BUFFER_BYTES });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}
