import { G711_CLOCK_RATE } from './g711.ts';
import { Reception } from './reception.ts';
import type { Endpoint, RemoteSource } from './remote-source.ts';
import { parseRtpPacket, type RtpPacket } from './rtp-packet.ts';
import type { Negotiated } from './sdp.ts';
import type { KeyPress } from './telephone-event.ts';
import { TelephoneEventDecoder } from './telephone-event.ts';

/** A press without packets for so long is over: its end packets were lost. */
const LONGEST_EVENT_GAP_MS = 300;

export interface RtpReceiverEvents {
  readonly firstPacket: () => void;
  readonly key: (press: KeyPress) => void;
  /** A packet with audio that counts, in the order of arrival. */
  readonly audio: (packet: RtpPacket, nowMs: number) => void;
}

/** What one stream hears: it counts, listens for keys, and passes the audio on. Times are of one clock, ms. */
export class RtpReceiver {
  readonly #events: RtpReceiverEvents;
  #reception: Reception | undefined;
  #decoder = new TelephoneEventDecoder(G711_CLOCK_RATE);
  #lastEventMs = 0;
  /** Of sources before the present one. */
  #earlierReceived = 0;
  #earlierLost = 0;
  #ignored = 0;

  constructor(events: RtpReceiverEvents) {
    this.#events = events;
  }

  get received(): number {
    return this.#earlierReceived + (this.#reception?.received ?? 0);
  }

  get lost(): number {
    return this.#earlierLost + (this.#reception?.lost ?? 0);
  }

  get jitterMs(): number {
    return this.#reception?.jitterMs ?? 0;
  }

  /** Datagrams that did not count. */
  get ignored(): number {
    return this.#ignored;
  }

  /** The source that speaks now. */
  get reception(): Reception | undefined {
    return this.#reception;
  }

  /** Takes a datagram. Before the answer there is no `media`, and nothing counts. */
  receive(
    bytes: Uint8Array,
    from: Endpoint,
    media: Negotiated | undefined,
    source: RemoteSource | undefined,
    nowMs: number,
  ): void {
    const packet = media && source ? parseRtpPacket(bytes) : undefined;
    const isEvent = packet !== undefined && media?.receivedEventPayloadTypes.includes(packet.payloadType);
    const isAudio = packet !== undefined && media?.receivedAudioPayloadTypes.includes(packet.payloadType);
    if (!packet || !(isEvent || isAudio) || !source?.accept(from.address, from.port)) {
      this.#ignored++;
      return;
    }
    this.#count(packet.ssrc, packet.sequence, isEvent ? undefined : packet.timestamp, nowMs);
    if (!isEvent) return this.#events.audio(packet, nowMs);
    this.#lastEventMs = nowMs;
    for (const press of this.#decoder.push(packet.timestamp, packet.payload)) this.#events.key(press);
  }

  /** To be called some times a second: ends a press whose end packets were lost. */
  tick(nowMs: number): void {
    if (this.#decoder.pressed && nowMs - this.#lastEventMs > LONGEST_EVENT_GAP_MS) this.flush();
  }

  /** The stream is over, and so is the press that is under way. */
  flush(): void {
    for (const press of this.#decoder.flush()) this.#events.key(press);
  }

  #count(ssrc: number, sequence: number, timestamp: number | undefined, nowMs: number): void {
    const first = this.#reception === undefined;
    if (this.#reception?.ssrc !== ssrc) {
      this.#earlierReceived = this.received;
      this.#earlierLost = this.lost;
      this.#reception = new Reception(ssrc, G711_CLOCK_RATE);
      if (!first) {
        this.flush();
        this.#decoder = new TelephoneEventDecoder(G711_CLOCK_RATE);
      }
    }
    this.#reception.add(sequence, timestamp, nowMs);
    if (first) this.#events.firstPacket();
  }
}
