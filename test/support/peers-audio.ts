import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

const BUFFER_BYTES = 4 * 1024 * 1024;
const RTP_HEADER_BYTES = 12;

/** What came of one RTP stream: when its packets arrived, milliseconds of the monotonic clock. */
export type HeardStream = readonly number[];

/** A UDP port that audio can be sent to, and that remembers when packets came, by sender and SSRC. */
export class Ear {
  readonly port: number;
  readonly #socket: Socket;
  readonly #streams = new Map<string, number[]>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on('message', (packet, sender) => this.#hear(packet, sender));
  }

  static async open(): Promise<Ear> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Ear(socket);
  }

  get streams(): readonly HeardStream[] {
    return [...this.#streams.values()];
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #hear(packet: Buffer, { port }: RemoteInfo): void {
    if (packet.length < RTP_HEADER_BYTES || isRtcp(packet)) return;
    // Two calls may have the same SSRC: it is unique within its session only (RFC 3550 §8.1).
    const name = `${port} ${packet.readUInt32BE(8)}`;
    const times = this.#streams.get(name);
    if (times === undefined) this.#streams.set(name, [performance.now()]);
    else times.push(performance.now());
  }
}

/** RFC 5761 §4; it comes to the port above that of an audio stream, which may be another ear's. */
function isRtcp(packet: Buffer): boolean {
  const type = packet.readUInt8(1);
  return type >= 192 && type <= 223;
}

/** The longest time between two packets, milliseconds; 0 with fewer than two. */
export function longestGapMs(stream: HeardStream): number {
  return stream.slice(1).reduce((longest, at, i) => Math.max(longest, at - (stream[i] ?? at)), 0);
}
