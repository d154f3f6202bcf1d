import { addTicks, ticksBetween } from './rtp-packet.ts';

/** Events 0 to 15 in their order (RFC 4733 §3.2); flash and the tones beyond are no keys. */
const DIGITS = '0123456789*#ABCD';
/** The longest duration that the 16-bit field can say; longer presses go on in a new segment. */
const LONGEST_SEGMENT = 0xffff;
/** A timestamp that lies back less than this is a late packet, further back a new sequence of the sender. */
const LATE_TICKS = 5 * 8000;
/** Final packets of one press (RFC 4733 §2.5.1.4). */
const END_REPEATS = 3;

export interface KeyPress {
  /** One of 0-9, *, #, A-D. */
  readonly digit: string;
  readonly durationMs: number;
}

interface Segment {
  readonly digit: string;
  /** RTP timestamp of the segment. */
  readonly timestamp: number;
  /** Ticks of the segments before this one. */
  readonly before: number;
  duration: number;
}

/** Turns the telephone-event packets of one RTP source into key presses: one press, however often it is repeated. */
export class TelephoneEventDecoder {
  readonly #clockRate: number;
  #open: Segment | undefined;
  /** Timestamp of the newest event that was seen, open or over. */
  #newest: number | undefined;

  constructor(clockRate = 8000) {
    this.#clockRate = clockRate;
  }

  /** Whether a key is down, as far as is known. */
  get pressed(): boolean {
    return this.#open !== undefined;
  }

  /** Takes the payload of one packet and gives the presses that are over by it: none, one, or two. */
  push(timestamp: number, payload: Uint8Array): KeyPress[] {
    const [event, flags, high, low] = payload;
    if (event === undefined || flags === undefined || high === undefined || low === undefined) return [];
    const digit = DIGITS[event];
    if (digit === undefined) return [];
    const duration = (high << 8) | low;
    const age = this.#newest === undefined ? 1 : ticksBetween(this.#newest, timestamp);
    if (age < 0 && age > -LATE_TICKS) return [];
    const presses: KeyPress[] = [];
    if (age !== 0) {
      const before = this.#continued(timestamp, digit);
      if (before === undefined) presses.push(...this.flush());
      this.#open = { digit, timestamp, before: before ?? 0, duration };
      this.#newest = timestamp;
    }
    const open = this.#open;
    // The event of this timestamp is over already: a repeated end packet.
    if (open === undefined || open.digit !== digit) return presses;
    open.duration = Math.max(open.duration, duration);
    if ((flags & 0x80) !== 0) presses.push(...this.flush());
    return presses;
  }

  /** Ends the press that is under way: its end packets were lost, or the stream is over. */
  flush(): KeyPress[] {
    const open = this.#open;
    if (open === undefined) return [];
    this.#open = undefined;
    const durationMs = Math.round(((open.before + open.duration) * 1000) / this.#clockRate);
    return [{ digit: open.digit, durationMs }];
  }

  /** RFC 4733 §2.5.1.3: a long event goes on in a segment that begins where the full one ended. */
  #continued(timestamp: number, digit: string): number | undefined {
    const open = this.#open;
    if (open === undefined || open.digit !== digit) return undefined;
    return addTicks(open.timestamp, LONGEST_SEGMENT) === timestamp
      ? open.before + LONGEST_SEGMENT
      : undefined;
  }
}

export interface TelephoneEventPacket {
  /** Set on the first packet of the press. */
  readonly marker: boolean;
  /** RTP timestamp: that of the press's begin, the same in all of its packets but those of a later segment. */
  readonly timestamp: number;
  readonly payload: Uint8Array;
  /** When to send it, milliseconds after the begin of the press. */
  readonly atMs: number;
}

export interface KeyPressOptions {
  /** RTP timestamp of the press's begin. */
  readonly timestamp: number;
  readonly durationMs: number;
  /** Time between packets; 20 unless told. */
  readonly ptimeMs?: number;
  /** 8000 unless told. */
  readonly clockRate?: number;
  /** Level in −dBm0, 0 to 63; 10 unless told. */
  readonly volume?: number;
}

function eventPayload(event: number, end: boolean, volume: number, duration: number): Uint8Array {
  return Uint8Array.of(event, (end ? 0x80 : 0) | (volume & 0x3f), duration >> 8, duration & 0xff);
}

/** The packets of one press of a key (0-9, *, #, A-D), the end three times. Throws a RangeError for any other key. */
export function encodeKeyPress(digit: string, options: KeyPressOptions): TelephoneEventPacket[] {
  const event = digit.length === 1 ? DIGITS.indexOf(digit.toUpperCase()) : -1;
  if (event < 0) throw new RangeError('A key is one of 0-9, *, #, A-D.');
  const { timestamp, durationMs, ptimeMs = 20, clockRate = 8000, volume = 10 } = options;
  if (!(durationMs > 0 && durationMs <= 60_000)) throw new RangeError('A press lasts up to 60 s.');
  const total = Math.max(1, Math.round((durationMs * clockRate) / 1000));
  const step = Math.round((ptimeMs * clockRate) / 1000);
  const packets: TelephoneEventPacket[] = [];
  let begin = 0;
  for (let ticks = Math.min(step, total); ; ticks = Math.min(ticks + step, total)) {
    while (ticks - begin > LONGEST_SEGMENT) {
      const payload = eventPayload(event, false, volume, LONGEST_SEGMENT);
      const atMs = ((begin + LONGEST_SEGMENT) * 1000) / clockRate;
      packets.push({ marker: false, timestamp: addTicks(timestamp, begin), payload, atMs });
      begin += LONGEST_SEGMENT;
    }
    const end = ticks === total;
    for (let repeat = 0; repeat < (end ? END_REPEATS : 1); repeat++) {
      packets.push({
        marker: packets.length === 0,
        timestamp: addTicks(timestamp, begin),
        payload: eventPayload(event, end, volume, ticks - begin),
        // The first packet says how long the key is down when it is sent (RFC 4733 §2.5.1.2).
        atMs: (ticks * 1000) / clockRate + repeat * ptimeMs,
      });
    }
    if (end) return packets;
  }
}
