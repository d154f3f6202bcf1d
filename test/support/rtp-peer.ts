import type { RemoteInfo, Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import type { RtcpPacket } from '../../src/media/rtcp.ts';
import { parseRtcp } from '../../src/media/rtcp.ts';
import type { RtpPacket } from '../../src/media/rtp-packet.ts';
import { buildRtpPacket, parseRtpPacket } from '../../src/media/rtp-packet.ts';
import type { Negotiated } from '../../src/media/sdp.ts';
import { encodeKeyPress } from '../../src/media/telephone-event.ts';

export interface Heard extends RtpPacket {
  readonly atMs: number;
  readonly from: RemoteInfo;
}

function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => resolve(socket));
  });
}

/** The other end of a stream: two sockets that keep what they hear. */
export class RtpPeer {
  readonly heard: Heard[] = [];
  readonly reports: RtcpPacket[][] = [];
  readonly #rtp: Socket;
  readonly #rtcp: Socket;
  #sequence = 100;

  private constructor(rtp: Socket, rtcp: Socket) {
    this.#rtp = rtp;
    this.#rtcp = rtcp;
    rtp.on('message', (bytes, from) => {
      const packet = parseRtpPacket(bytes);
      if (packet) this.heard.push({ ...packet, atMs: performance.now(), from });
    });
    rtcp.on('message', (bytes) => {
      const packets = parseRtcp(bytes);
      if (packets) this.reports.push(packets);
    });
  }

  static async open(): Promise<RtpPeer> {
    return new RtpPeer(await bound(), await bound());
  }

  get port(): number {
    return this.#rtp.address().port;
  }

  /** What a negotiation with this peer would give. */
  media(change: Partial<Negotiated> = {}): Negotiated {
    return {
      address: '127.0.0.1',
      port: this.port,
      rtcpAddress: '127.0.0.1',
      rtcpPort: this.#rtcp.address().port,
      codec: 'PCMU',
      payloadType: 0,
      telephoneEventPayloadType: 101,
      receivedAudioPayloadTypes: [0, 8],
      receivedEventPayloadTypes: [101],
      ptimeMs: 20,
      direction: 'sendrecv',
      ...change,
    };
  }

  /** The payloads in the order of their arrival. */
  audio(): Buffer {
    return Buffer.concat(this.heard.map(({ payload }) => payload));
  }

  sendBytes(bytes: Uint8Array, port: number): void {
    this.#rtp.send(bytes, port, '127.0.0.1');
  }

  sendRtcp(bytes: Uint8Array, port: number): void {
    this.#rtcp.send(bytes, port, '127.0.0.1');
  }

  /** A packet of audio. */
  speak(port: number, payloadType = 0): void {
    this.#send(port, payloadType, this.#sequence * 160, new Uint8Array(160).fill(0xff));
  }

  /** All packets of a press at once. */
  press(port: number, digit: string, timestamp: number, payloadType = 101): void {
    for (const packet of encodeKeyPress(digit, { timestamp, durationMs: 100 })) {
      this.#send(port, payloadType, packet.timestamp, packet.payload);
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.#rtp, this.#rtcp].map((socket) => new Promise<void>((resolve) => socket.close(resolve))),
    );
  }

  #send(port: number, payloadType: number, timestamp: number, payload: Uint8Array): void {
    const sequence = this.#sequence++;
    this.sendBytes(
      buildRtpPacket({ marker: false, payloadType, sequence, timestamp, ssrc: 77, payload }),
      port,
    );
  }
}
