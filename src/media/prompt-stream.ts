import { type EncodedPart, SpeechReader } from './encoded-speech.ts';
import { addTicks, nextSequence, RTP_HEADER_BYTES, writeRtpHeader } from './rtp-packet.ts';

/** Where an RTP stream begins; random by RFC 3550 §5.1, the sequence below 2^15 so that it does not wrap at once. */
export interface StreamStart {
  readonly ssrc: number;
  readonly sequence: number;
  readonly timestamp: number;
}

export interface PromptFormat {
  readonly payloadType: number;
  readonly ptimeMs: number;
  /** Ticks a second; one byte of payload is one tick (G.711). */
  readonly clockRate: number;
  readonly silenceByte: number;
}

/** The packets of what is said and, after its end, of silence. */
export class PromptStream {
  readonly ssrc: number;
  #sequence: number;
  #timestamp: number;
  #format: PromptFormat;
  #speech: SpeechReader;
  #packet: Uint8Array = new Uint8Array(0);
  #packets = 0;
  /** When the last packet was due; undefined before the first. */
  #lastDueMs: number | undefined;
  #lastTicks = 0;
  #marker = true;

  constructor(start: StreamStart, format: PromptFormat, speech: readonly EncodedPart[]) {
    this.ssrc = start.ssrc;
    this.#sequence = start.sequence;
    this.#timestamp = start.timestamp;
    this.#format = format;
    this.#speech = new SpeechReader(speech);
    this.reformat(format);
  }

  get packets(): number {
    return this.#packets;
  }

  /** Payload bytes sent, for the sender report. */
  get bytes(): number {
    return this.#bytes;
  }
  #bytes = 0;

  /** Whether the last byte of the speech is in a packet that was made. */
  get exhausted(): boolean {
    return this.#speech.position >= this.#speech.length;
  }

  /** How much of the speech was sent. */
  get sentMs(): number {
    return Math.round((this.#speech.position * 1000) / this.#format.clockRate);
  }

  /** Other speech from the next packet on; the packets count on. */
  say(speech: readonly EncodedPart[]): void {
    this.#speech = new SpeechReader(speech);
  }

  /** Other packets from now on; `speech` is the same one in another codec and goes on at the same place. */
  reformat(format: PromptFormat, speech?: readonly EncodedPart[]): void {
    this.#format = format;
    if (speech) this.#speech = new SpeechReader(speech, this.#speech.position);
    this.#packet = new Uint8Array(RTP_HEADER_BYTES + (format.clockRate * format.ptimeMs) / 1000);
  }

  /** The next packet begins a talkspurt, and its timestamp counts the time that has passed since the last one. */
  interrupt(): void {
    this.#marker = true;
  }

  /** The packet that is due now. It is overwritten by the next call. */
  next(dueMs: number): Uint8Array {
    const { clockRate, payloadType, silenceByte } = this.#format;
    const packet = this.#packet;
    const length = packet.length - RTP_HEADER_BYTES;
    if (this.#lastDueMs !== undefined) {
      const elapsed = this.#marker ? Math.round(((dueMs - this.#lastDueMs) * clockRate) / 1000) : 0;
      this.#timestamp = addTicks(this.#timestamp, Math.max(this.#lastTicks, elapsed));
      this.#sequence = nextSequence(this.#sequence);
    }
    this.#lastDueMs = dueMs;
    this.#lastTicks = length;
    writeRtpHeader(packet, {
      marker: this.#marker,
      payloadType,
      sequence: this.#sequence,
      timestamp: this.#timestamp,
      ssrc: this.ssrc,
    });
    this.#marker = false;
    this.#speech.read(packet, RTP_HEADER_BYTES, silenceByte);
    this.#packets++;
    this.#bytes += length;
    return packet;
  }

  /** The RTP timestamp of a moment, as a sender report names it (RFC 3550 §6.4.1). */
  timestampAt(nowMs: number): number {
    if (this.#lastDueMs === undefined) return this.#timestamp;
    return addTicks(this.#timestamp, ((nowMs - this.#lastDueMs) * this.#format.clockRate) / 1000);
  }
}
