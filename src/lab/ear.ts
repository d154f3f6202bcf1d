import { decodePcma, decodePcmu } from '../media/g711.ts';
import type { Pcm } from '../media/pcm.ts';
import { ticksBetween } from '../media/rtp-packet.ts';

const SAMPLE_RATE = 8000;
const MAX_SECONDS = 300;
const MAX_SAMPLES = MAX_SECONDS * SAMPLE_RATE;
/** Room before the first packet for earlier ones that arrive after it. */
const HEADROOM = SAMPLE_RATE;
const FIRST_CAPACITY = 30 * SAMPLE_RATE;

/**
 * Up to this the pause of a sender that lost nothing is no pause of what it says: it was kept from the processor for a
 * moment. 100 ms.
 */
const LONGEST_STALL = SAMPLE_RATE / 10;

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
  /** Of earlier sources. */
  #stallsEarlier: readonly Stretch[] = [];

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
    else if (this.#place(source, packet, decode(packet.payload))) this.#packets++;
    else this.#outOfRange++;
  }

  /** All that was heard so far, from the first sound to the last, at 8 kHz. */
  pcm(): Pcm {
    return { sampleRate: SAMPLE_RATE, samples: this.#samples.slice(this.#begin, this.#end) };
  }

  /**
   * The same without the moments, of up to 100 ms each, in which the sender stood still and lost nothing: a jitter buffer
   * that adapts stretches the sound over them, and whoever listens does not miss a word.
   */
  steady(): Pcm {
    const { samples } = this.pcm();
    let length = 0;
    let from = 0;
    for (const stall of this.#stalls()) {
      const [begin, end] = [stall.begin - this.#begin, stall.end - this.#begin];
      if (begin < from) continue;
      samples.copyWithin(length, from, begin);
      length += begin - from;
      from = end;
    }
    samples.copyWithin(length, from);
    return { sampleRate: SAMPLE_RATE, samples: samples.subarray(0, length + samples.length - from) };
  }

  #stalls(): readonly Stretch[] {
    const all = [...this.#stallsEarlier, ...(this.#source?.stalls() ?? [])];
    return all.toSorted((a, b) => a.begin - b.begin);
  }

  #sourceOf(packet: HeardPacket): Source {
    if (this.#source === undefined || this.#source.ssrc !== packet.ssrc) {
      this.#lostEarlier = this.lost;
      this.#stallsEarlier = this.#stalls();
      this.#source = new Source(packet, this.#end);
    }
    return this.#source;
  }

  #place(source: Source, { sequence, timestamp }: HeardPacket, audio: Int16Array): boolean {
    const at = source.positionOf(timestamp);
    const end = at + audio.length;
    if (at < 0 || end - Math.min(at, this.#begin) > MAX_SAMPLES) return false;
    if (end > this.#samples.length) this.#grow(end);
    this.#samples.set(audio, at);
    source.placed(sequence, { begin: at, end });
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

/** A part of the audio, in samples. */
interface Stretch {
  readonly begin: number;
  readonly end: number;
}

/** One synchronisation source: which packets of it came, and where its timestamps lie. */
class Source {
  readonly ssrc: number | undefined;
  readonly #firstTimestamp: number;
  readonly #firstPosition: number;
  /** Timestamp of the packet last seen under each sequence number, which come round after 65,536 packets. */
  readonly #seen = new Map<number, number>();
  /** Where the audio of each sequence number lies. */
  readonly #audio = new Map<number, Stretch>();
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

  placed(sequence: number, stretch: Stretch): void {
    this.#audio.set(sequence, stretch);
  }

  /** Where it stood still for a moment between a packet and the very next one. */
  stalls(): Stretch[] {
    return [...this.#audio].flatMap(([sequence, { end: begin }]) => {
      const end = this.#audio.get((sequence + 1) & 0xffff)?.begin ?? begin;
      return end > begin && end - begin <= LONGEST_STALL ? [{ begin, end }] : [];
    });
  }

  positionOf(timestamp: number): number {
    return this.#firstPosition + ticksBetween(this.#firstTimestamp, timestamp);
  }
}
