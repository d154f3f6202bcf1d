import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { encodePcma, encodePcmu } from '../media/g711.ts';
import type { Pcm } from '../media/pcm.ts';
import { addTicks, buildRtpPacket, nextSequence, parseRtpPacket } from '../media/rtp-packet.ts';
import { maySend, type Negotiated } from '../media/sdp.ts';
import type { SrtpSuite } from '../media/srtp-suite.ts';
import { StreamCipher } from '../media/stream-cipher.ts';
import { encodeKeyPress } from '../media/telephone-event.ts';
import { Ear } from './ear.ts';
import type { PhoneVoice } from './phone-voice.ts';

const PTIME_MS = 20;
const TICKS = 160;
/** How long a key is down. */
export const KEY_MS = 120;
/** From one key to the next. */
export const KEY_CYCLE_MS = 2 * KEY_MS;
/** Digital silence (ITU-T G.711). */
const SILENCE = { PCMU: 0xff, PCMA: 0xd5 } as const;
const ENCODERS = { PCMU: encodePcmu, PCMA: encodePcma } as const;

/** How the phone sounds. */
export interface PhoneMouth {
  /** What is said from the answer on; silence unless told. */
  readonly voice?: PhoneVoice | undefined;
  /** Sends no audio. */
  readonly mute?: boolean | undefined;
}

/** The audio of one lab phone: hears what is sent to it, sends silence back or what is to be said, presses keys. */
export class PhoneMedia {
  readonly #socket: Socket;
  readonly #cipher = new StreamCipher();
  #ear: Ear | undefined;
  #negotiated: Negotiated | undefined;
  readonly #mouth: PhoneMouth;
  #talking: NodeJS.Timeout | undefined;
  #talkingSinceMs = 0;
  /** Packets that were due so far, sent or not. */
  #spoken = 0;
  #latestMs = 0;
  #toneEndedAt: number | null = null;
  #sequence = Math.floor(Math.random() * 2 ** 15);
  #timestamp = Math.floor(Math.random() * 2 ** 32);
  readonly #ssrc = Math.floor(Math.random() * 2 ** 32);
  #early = 0;
  #firstAudioAt: number | null = null;
  #closed = false;

  private constructor(socket: Socket, mouth: PhoneMouth) {
    this.#socket = socket;
    this.#mouth = mouth;
    socket.on('message', (bytes) => this.#hear(bytes));
    // An ICMP answer to a packet of ours after the far end is gone.
    socket.on('error', () => {});
  }

  static async open(host: string, mouth: PhoneMouth = {}): Promise<PhoneMedia> {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    const listening = once(socket, 'listening');
    socket.bind(0, host);
    await listening;
    return new PhoneMedia(socket, mouth);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** RTP packets with audio that came in. */
  get packets(): number {
    return this.#ear?.packets ?? 0;
  }

  /** When the first of them came, epoch milliseconds; null before. */
  get firstAudioAt(): number | null {
    return this.#firstAudioAt;
  }

  /** When the last of a tone that it says went out, epoch milliseconds; null before. */
  get toneEndedAt(): number | null {
    return this.#toneEndedAt;
  }

  /** How late audio of ours went out at most, milliseconds: the far end heard a gap of that length, and then all at once. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** RTP packets that came before the answer, when there should be none. */
  get earlyPackets(): number {
    return this.#early;
  }

  /** What both directions are encrypted with; null before the answer, and without encryption. */
  get srtp(): SrtpSuite | null {
    return this.#negotiated?.srtp?.receive.suite ?? null;
  }

  get srtpDropped(): number {
    return this.#cipher.dropped;
  }

  /** All that was heard so far; see `Ear.steady`. */
  get heard(): Pcm {
    return this.#ear?.steady() ?? { sampleRate: 8000, samples: new Int16Array(0) };
  }

  /** From the answer on, and after each new negotiation. */
  connect(negotiated: Negotiated): void {
    this.#negotiated = negotiated;
    this.#cipher.use(negotiated.srtp);
    this.#ear ??= new Ear();
    if (this.#talking !== undefined) return;
    this.#talkingSinceMs = performance.now();
    this.#talking = setInterval(() => this.#talkOn(), PTIME_MS);
  }

  /** Presses keys one after another, as telephone-events (RFC 4733). */
  press(keys: string): void {
    const payloadType = this.#negotiated?.telephoneEventPayloadType;
    if (payloadType === undefined || payloadType === null) return;
    Array.from(keys).forEach((key, i) => {
      const startMs = i * KEY_CYCLE_MS;
      const timestamp = addTicks(this.#timestamp, startMs * 8);
      for (const packet of encodeKeyPress(key, { timestamp, durationMs: KEY_MS })) {
        setTimeout(
          () => this.#send(payloadType, packet.marker, packet.timestamp, packet.payload),
          startMs + packet.atMs,
        );
      }
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#talking);
    this.#socket.close();
  }

  #hear(bytes: Buffer): void {
    const opened = this.#cipher.open(bytes);
    const packet = opened === undefined ? undefined : parseRtpPacket(opened);
    if (packet === undefined) return;
    if (this.#ear === undefined) this.#early++;
    else {
      this.#ear.take(packet);
      this.#firstAudioAt ??= Date.now();
    }
  }

  /** An interval is late now and then, a voice is not. */
  #talkOn(): void {
    const due = Math.floor((performance.now() - this.#talkingSinceMs) / PTIME_MS);
    this.#latestMs = Math.max(this.#latestMs, (due - this.#spoken - 1) * PTIME_MS);
    while (this.#spoken < due) this.#talk(this.#spoken++ * TICKS);
  }

  #talk(at: number): void {
    const negotiated = this.#negotiated;
    if (negotiated === undefined) return;
    this.#timestamp = addTicks(this.#timestamp, TICKS);
    const { voice, mute } = this.#mouth;
    if (mute === true || !maySend(negotiated.direction)) return;
    const { codec, payloadType } = negotiated;
    const payload =
      voice === undefined
        ? new Uint8Array(TICKS).fill(SILENCE[codec])
        : ENCODERS[codec](voice.read(at, TICKS));
    this.#send(payloadType, false, this.#timestamp, payload);
    if (voice?.toneEnd !== undefined && at + TICKS >= voice.toneEnd) this.#toneEndedAt ??= Date.now();
  }

  #send(payloadType: number, marker: boolean, timestamp: number, payload: Uint8Array): void {
    const negotiated = this.#negotiated;
    if (this.#closed || negotiated === undefined) return;
    this.#sequence = nextSequence(this.#sequence);
    const packet = buildRtpPacket({
      marker,
      payloadType,
      sequence: this.#sequence,
      timestamp,
      ssrc: this.#ssrc,
      payload,
    });
    // A copy: the look-up of the address, though it is one already, lets other packets be sealed first.
    const sealed = Uint8Array.from(this.#cipher.seal(packet));
    this.#socket.send(sealed, negotiated.port, negotiated.address, () => {});
  }
}
