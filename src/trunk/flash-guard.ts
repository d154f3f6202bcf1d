import { LRUCache } from 'lru-cache';

/** When flash calls to numbers that begin alike are stopped for a while. */
export interface FlashGuardRules {
  /** So many digits of an E.164 number, country code included, are its prefix: 1–15. */
  readonly prefixDigits: number;
  /** So many flash calls of a prefix are judged, the last ones. */
  readonly window: number;
  /** Fewer than this are not judged: 1 to `window`. */
  readonly fewest: number;
  /** More answered calls than this share of them start a pause: 0 to 1. */
  readonly answeredRatio: number;
  readonly pauseMs: number;
}

export interface FlashPause {
  /** With plus. */
  readonly prefix: string;
  /** What share of the calls was answered: 0 to 1. */
  readonly ratio: number;
  /** Epoch ms. */
  readonly until: number;
}

export interface FlashGuardClock {
  /** Epoch ms. */
  readonly now: () => number;
  /** Milliseconds since some moment; never set. A pause is measured by it. */
  readonly elapsed: () => number;
}

interface Stop {
  readonly prefix: string;
  readonly ratio: number;
  /** As `FlashGuardClock.elapsed` has it. */
  readonly over: number;
}

/** Prefixes whose calls are remembered; of more, those called longest ago are forgotten. */
const MAX_PREFIXES = 10_000;

/**
 * Stops flash calls to where they are answered: by a machine of a network that turns every call into a paid one, or
 * by people whom they disturb. It knows what it was told since the process began, and is no limit across processes.
 */
export class FlashGuard {
  readonly #rules: FlashGuardRules;
  readonly #clock: FlashGuardClock;
  /** Per prefix whether each of its last calls was answered, the oldest first. */
  readonly #calls = new LRUCache<string, boolean[]>({ max: MAX_PREFIXES });
  /** In the order of their ends; each cost some calls, so that there cannot be many. */
  readonly #stops = new Map<string, Stop>();

  constructor(rules: FlashGuardRules, clock: FlashGuardClock) {
    this.#rules = rules;
    this.#clock = clock;
  }

  /**
   * Takes note of a flash call that has ended. What ends in a pause was begun before it, and counts no more; after
   * the pause its prefix begins afresh.
   *
   * @param to E.164 with plus; other addresses have no prefix and are let be
   * @returns the pause that begins with it, if one does
   */
  record(to: string, answered: boolean): FlashPause | undefined {
    const prefix = this.#prefixOf(to);
    this.#forgetOver();
    if (prefix === undefined || this.#stops.has(prefix)) return undefined;
    const calls = this.#calls.get(prefix) ?? [];
    calls.push(answered);
    if (calls.length > this.#rules.window) calls.shift();
    this.#calls.set(prefix, calls);
    const ratio = calls.filter(Boolean).length / calls.length;
    if (calls.length < this.#rules.fewest || ratio <= this.#rules.answeredRatio) return undefined;
    this.#calls.delete(prefix);
    const stop = { prefix, ratio, over: this.#clock.elapsed() + this.#rules.pauseMs };
    this.#stops.set(prefix, stop);
    return this.#pauseOf(stop);
  }

  /** Until when no flash call may go to the number, epoch ms; undefined where it may go now. */
  pausedUntil(to: string): number | undefined {
    this.#forgetOver();
    const stop = this.#stops.get(this.#prefixOf(to) ?? '');
    return stop === undefined ? undefined : this.#pauseOf(stop).until;
  }

  /** The pauses that are not over, the one that ends first first. */
  paused(): readonly FlashPause[] {
    this.#forgetOver();
    return [...this.#stops.values()].map((stop) => this.#pauseOf(stop));
  }

  #prefixOf(to: string): string | undefined {
    return to.startsWith('+') ? to.slice(0, this.#rules.prefixDigits + 1) : undefined;
  }

  #pauseOf({ prefix, ratio, over }: Stop): FlashPause {
    const { now, elapsed } = this.#clock;
    return { prefix, ratio, until: Math.ceil(now() + over - elapsed()) };
  }

  #forgetOver(): void {
    const elapsed = this.#clock.elapsed();
    for (const [prefix, { over }] of this.#stops) {
      if (over > elapsed) return;
      this.#stops.delete(prefix);
    }
  }
}
