/** Within which no more than `cps` INVITEs leave. */
const SECOND_MS = 1000;

/** An INVITE that may leave, and whether it has. */
export interface InviteSlot {
  /** When it left at the latest; null while it is about to. */
  sentAt: number | null;
  /** It may leave at any moment, or have left already. */
  leaving: boolean;
}

export interface PaceOptions {
  /** INVITEs within any second: a whole number from 1. */
  readonly cps: number;
  /**
   * How much closer together than they left INVITEs may reach the carrier: a second is counted as so much longer.
   * 0–500 ms.
   */
  readonly guardMs: number;
  /** How late an INVITE may be without making those after it as late: 0–500 ms. */
  readonly catchUpMs: number;
}

/**
 * When the next INVITE of a trunk may leave. Pure: times are parameters, in ms of a clock that is never set.
 *
 * Two rules, of which the first is strict: an INVITE counts from its permission to a second (and the guard) after it
 * has left, and no more than `cps` count at a time. So however late each of them leaves, no `cps` + 1 leave within a
 * second: whichever of them was permitted last, the others counted at that moment. The second rule spreads them evenly
 * over the second.
 */
export class InvitePace {
  #options: PaceOptions;
  /** Those that count, in the order in which they were permitted. At most `cps`, or what it was. */
  #slots: InviteSlot[] = [];
  /** When the next one is due, so that they are spread evenly. */
  #dueAt = Number.NEGATIVE_INFINITY;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  set options(options: PaceOptions) {
    this.#options = options;
  }

  /** Nothing leaves before: what left earlier is not known. */
  hold(until: number): void {
    this.#notBefore = Math.max(this.#notBefore, until);
  }

  /** An INVITE of an earlier process, or one that had no limit then. */
  remember(sentAt: number): void {
    this.#slots.push({ sentAt, leaving: true });
    this.#dueAt = Math.max(this.#dueAt, sentAt + this.#gapMs);
  }

  /** When one may leave; infinite while that waits for those that are about to. */
  freeAt(now: number): number {
    this.#forget(now);
    const { cps } = this.#options;
    const spread = Math.max(this.#dueAt, this.#notBefore);
    const excess = this.#slots.length - cps + 1;
    if (excess <= 0) return spread;
    const ends = this.#slots.map((slot) => this.#endOf(slot)).toSorted((a, b) => a - b);
    return Math.max(spread, ends[excess - 1] ?? spread);
  }

  /** Permits one; only where `freeAt` is not later than now. */
  permit(now: number): InviteSlot {
    const slot: InviteSlot = { sentAt: null, leaving: false };
    this.#slots.push(slot);
    const late = now - this.#dueAt > this.#options.catchUpMs;
    this.#dueAt = (late ? now : this.#dueAt) + this.#gapMs;
    return slot;
  }

  /** It may leave from now on. */
  leaving(slot: InviteSlot): void {
    slot.leaving = true;
  }

  /** It has left by now. */
  sent(slot: InviteSlot, now: number): void {
    slot.sentAt ??= now;
  }

  /** It will not leave any more: one that may have left has done so now, for all that is known. */
  drop(slot: InviteSlot, now: number): void {
    if (slot.leaving) this.sent(slot, now);
    else if (slot.sentAt === null) this.#slots = this.#slots.filter((one) => one !== slot);
  }

  /** Those that count now. */
  count(now: number): number {
    this.#forget(now);
    return this.#slots.length;
  }

  /** How long ago each of those that count has left, in ms; 0 for those that are about to. */
  ages(now: number): readonly number[] {
    this.#forget(now);
    return this.#slots.map(({ sentAt }) => now - (sentAt ?? now));
  }

  get #gapMs(): number {
    return (SECOND_MS + this.#options.guardMs) / this.#options.cps;
  }

  #endOf({ sentAt }: InviteSlot): number {
    return sentAt === null ? Number.POSITIVE_INFINITY : sentAt + SECOND_MS + this.#options.guardMs;
  }

  #forget(now: number): void {
    if (this.#slots.some((slot) => this.#endOf(slot) <= now)) {
      this.#slots = this.#slots.filter((slot) => this.#endOf(slot) > now);
    }
  }
}
