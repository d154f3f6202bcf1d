import type { Codec } from '../engine/engine.ts';
import { AnswerDetector, type AnswerFinding } from './answer-detector.ts';
import { decodePcma, decodePcmu, G711_CLOCK_RATE } from './g711.ts';
import type { RtpPacket } from './rtp-packet.ts';

const DECODERS = { PCMU: decodePcmu, PCMA: decodePcma } as const satisfies Record<Codec, unknown>;
/** Packets that came before one that is missing wait for it until there are so many … */
const MOST_WAITING = 3;
/** … or the first of them has waited so long. */
const LONGEST_WAIT_MS = 60;
/** Sequence numbers further back than this are no late packets, but a sender that began anew (RFC 3550 A.1). */
const MAX_MISORDER = 100;
/** A packet that is known to be lost is made up for at once, … */
const LEAST_LOSS_MS = 10;
/** … and time without packets when it is more than the network's jitter. */
const LEAST_PAUSE_MS = 100;
/** Audio that runs ahead of the clock by more than this is dropped: a sender makes time go no faster, and costs no more. */
const LONGEST_LEAD_MS = 500;

interface Waiting {
  readonly packet: RtpPacket;
  readonly codec: Codec;
  readonly sinceMs: number;
}

/**
 * Hands the audio of one stream to a detector as it would be heard: in the order in which it was sent, and in the time
 * of our clock, with a gap where nothing came. All times are milliseconds of one clock.
 */
export class RtpAnswerFeed {
  readonly #detector: AnswerDetector;
  readonly #found: (finding: AnswerFinding) => void;
  readonly #startMs: number;
  /** Audio and gaps so far. */
  #fedMs = 0;
  #ssrc: number | undefined;
  /** Sequence number of the packet that is next. */
  #next = 0;
  /** In the order of their numbers. */
  #waiting: Waiting[] = [];

  /** @param startMs when the call was answered */
  constructor(startMs: number, found: (finding: AnswerFinding) => void, detector = new AnswerDetector()) {
    this.#startMs = startMs;
    this.#found = found;
    this.#detector = detector;
  }

  /**
   * Takes a packet with audio.
   *
   * @param sending whether we speak meanwhile
   */
  take(packet: RtpPacket, codec: Codec, sending: boolean, nowMs: number): void {
    if (this.#ssrc !== packet.ssrc) {
      this.#feedWaiting(sending, nowMs, true);
      this.#ssrc = packet.ssrc;
      this.#next = packet.sequence;
    }
    const ahead = distance(this.#next, packet.sequence);
    if (ahead < 0 && ahead >= -MAX_MISORDER) return;
    if (ahead < 0 || ahead > MAX_MISORDER) {
      this.#feedWaiting(sending, nowMs, true);
      this.#next = packet.sequence;
    }
    this.#wait({ packet, codec, sinceMs: nowMs });
    this.#feedWaiting(sending, nowMs, false);
  }

  /** To be called some times a second: time passes without packets too. */
  tick(sending: boolean, nowMs: number): void {
    this.#feedWaiting(sending, nowMs, false);
    if (this.#waiting.length === 0) this.#fill(LEAST_PAUSE_MS, 0, sending, nowMs);
  }

  #wait(one: Waiting): void {
    const { sequence } = one.packet;
    const isAfter = ({ packet }: Waiting): boolean => distance(sequence, packet.sequence) >= 0;
    const at = this.#waiting.findIndex(isAfter);
    if (at === -1) this.#waiting.push(one);
    else if (this.#waiting[at]?.packet.sequence !== sequence) this.#waiting.splice(at, 0, one);
  }

  /** Feeds what is next; with `all`, or when it was waited for long enough, what comes after something missing too. */
  #feedWaiting(sending: boolean, nowMs: number, all: boolean): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const missing = first.packet.sequence !== this.#next;
      const enough = this.#waiting.length >= MOST_WAITING || nowMs - first.sinceMs >= LONGEST_WAIT_MS;
      if (missing && !enough && !all) return;
      const waitingMs = this.#waiting.reduce((sum, { packet }) => sum + lengthOf(packet), 0);
      this.#fill(missing ? LEAST_LOSS_MS : LEAST_PAUSE_MS, waitingMs, sending, nowMs);
      this.#waiting.shift();
      this.#next = (first.packet.sequence + 1) & 0xffff;
      this.#feed(first, sending, nowMs);
    }
  }

  #feed({ packet, codec }: Waiting, sending: boolean, nowMs: number): void {
    const lengthMs = lengthOf(packet);
    if (this.#fedMs + lengthMs > nowMs - this.#startMs + LONGEST_LEAD_MS) return;
    this.#fedMs += lengthMs;
    this.#tell(this.#detector.push(DECODERS[codec](packet.payload), sending));
  }

  /** A gap, where at least so much time is missing before what is there to be fed. */
  #fill(leastMs: number, waitingMs: number, sending: boolean, nowMs: number): void {
    const missingMs = nowMs - this.#startMs - this.#fedMs - waitingMs;
    if (missingMs < leastMs) return;
    this.#fedMs += missingMs;
    this.#tell(this.#detector.pushGap(missingMs, sending));
  }

  #tell(findings: readonly AnswerFinding[]): void {
    for (const finding of findings) this.#found(finding);
  }
}

/** From one sequence number to another, the shorter way round the circle of 16 bits. */
function distance(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}

function lengthOf({ payload }: RtpPacket): number {
  return (payload.length * 1000) / G711_CLOCK_RATE;
}
