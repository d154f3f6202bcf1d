import { decodePcma, decodePcmu } from '../media/g711.ts';
import type { Pcm } from '../media/pcm.ts';
import { ticksBetween } from '../media/rtp-packet.ts';

const SAMPLE_RATE = 8000;
const MAX_SECONDS = 300;
const MAX_SAMPLES = MAX_SECONDS * SAMPLE_RATE;
/** Room before the first packet for earlier ones that arrive after it. */
const HEADROOM = SAMPLE_RATE;
const FIRST_CAPACITY = 30 * SAMPLE_RATE;

/** Late packets come within this many of the newest (RFC 3550 A.1). */
const MAX_MISORDER = 100;

/** Static payload types (RFC 3551 §6). */
const DECODERS: ReadonlyMap<number, (payload: Uint8Array) => Int16Array> = new Map([
  [0, decodePcmu],
  [8, decodePcma],
]);

/** What the ear needs of an RTP packet. */
export interface HeardPacket {
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly payload: Uint8Array;
  /** A new source goes on where the one before it ended: its timestamps have nothing to do with those (RFC 3550 §5.1). */
  readonly ssrc?: number;
}

/**
 * Lays the audio of one call out in time by RTP timestamps, as the callee would hear it behind a perfect jitter
 * buffer: what is missing is silence, and the order of arrival does not matter. Up to 5 minutes.
 */
export class Ear {
  #samples = new Int16Array(FIRST_CAPACITY);
  #begin = HEADROOM;
  #end = HEADROOM;
  #source: Source | undefined;
  #packets = 0;
  #duplicates = 0;
  #reordered = 0;
  #ignored = 0;
  #outOfRange = 0;
  #lostEarlier = 0;

  /** Packets with audio that was taken. */
  get packets(): number {
    return this.#packets;
  }

  /** Packets that were there already. */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** Packets that arrived after a later one. */
  get reordered(): number {
    return this.#reordered;
  }

  /** Packets that never arrived, by the sequence numbers. */
  get lost(): number {
    return this.#lostEarlier + (this.#source?.lost ?? 0);
  }

  /** Packets of another payload type than PCMU and PCMA, or without payload. */
  get ignored(): number {
    return this.#ignored;
  }

  /** Packets with audio outside the 5 minutes. */
  get outOfRange(): number {
    return this.#outOfRange;
  }

  take(packet: HeardPacket): void {
    const source = this.#sourceOf(packet);
    const arrival = source.arrive(packet);
    if (arrival === 'duplicate') {
      this.#duplicates++;
      return;
    }
    if (arrival === 'late') this.#reordered++;
    const decode = DECODERS.get(packet.payloadType);
    if (decode === undefined || packet.payload.length === 0) this.#ignored++;
    else if (this.#place(source.positionOf(packet.timestamp), decode(packet.payload))) this.#packets++;
    else this.#outOfRange++;
  }

  /** All that was heard so far, from the first sound to the last, at 8 kHz. */
  pcm(): Pcm {
    return { sampleRate: SAMPLE_RATE, samples: this.#samples.slice(this.#begin, this.#end) };
  }

  #sourceOf(packet: HeardPacket): Source {
    if (this.#source === undefined || this.#source.ssrc !== packet.ssrc) {
      this.#lostEarlier = this.lost;
      this.#source = new Source(packet, this.#end);
    }
    return this.#source;
  }

  #place(at: number, audio: Int16Array): boolean {
    const end = at + audio.length;
    if (at < 0 || end - Math.min(at, this.#begin) > MAX_SAMPLES) return false;
    if (end > this.#samples.length) this.#grow(end);
    this.#samples.set(audio, at);
    this.#begin = Math.min(this.#begin, at);
    this.#end = Math.max(this.#end, end);
    return true;
  }

  #grow(needed: number): void {
    const larger = new Int16Array(
      Math.max(needed, Math.min(2 * this.#samples.length, HEADROOM + MAX_SAMPLES)),
    );
    larger.set(this.#samples);
    this.#samples = larger;
  }
}

/** One synchronisation source: which packets of it came, and where its timestamps lie. */
class Source {
  readonly ssrc: number | undefined;
  readonly #firstTimestamp: number;
  readonly #firstPosition: number;
  /** Timestamp of the packet last seen under each sequence number, which come round after 65,536 packets. */
  readonly #seen = new Map<number, number>();
  #highest: number;
  #lowest: number;
  #expected = 0;
  #arrived = 0;

  constructor(first: HeardPacket, position: number) {
    this.ssrc = first.ssrc;
    this.#firstTimestamp = first.timestamp;
    this.#firstPosition = position;
    this.#highest = (first.sequence - 1) & 0xffff;
    this.#lowest = first.sequence;
  }

  get lost(): number {
    return Math.max(0, this.#expected - this.#arrived);
  }

  arrive({ sequence, timestamp }: HeardPacket): 'next' | 'late' | 'duplicate' {
    if (this.#seen.get(sequence) === timestamp) return 'duplicate';
    this.#seen.set(sequence, timestamp);
    this.#arrived++;
    // The shorter way round the circle of 16 bits.
    const ahead = ((sequence - this.#highest) << 16) >> 16;
    if (ahead <= 0) {
      this.#precede(sequence);
      return 'late';
    }
    this.#highest = sequence;
    this.#expected += ahead;
    return 'next';
  }

  /** The first packet to arrive need not be the first that was sent. */
  #precede(sequence: number): void {
    const before = ((this.#lowest - sequence) << 16) >> 16;
    if (before <= 0 || this.#expected > MAX_MISORDER) return;
    this.#lowest = sequence;
    this.#expected += before;
  }

  positionOf(timestamp: number): number {
    return this.#firstPosition + ticksBetween(this.#firstTimestamp, timestamp);
  }
}
