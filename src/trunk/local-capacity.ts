import type { Capacity, CapacityAnswer, CapacityUse, CapacityWish, Permit, TrunkLimits } from './capacity.ts';
import { freePermit } from './free-permit.ts';
import type { TrunkLineOptions } from './trunk-line.ts';
import { TrunkLine } from './trunk-line.ts';

export interface LocalCapacityOptions {
  /** Milliseconds since some moment; never set. */
  readonly elapsed: () => number;
  /** Does the work after so many ms, unless it is called off by what it returns. */
  readonly wake?: (ms: number, work: () => void) => () => void;
  /**
   * How long ago, in ms, INVITEs of the last second left, by trunk; a trunk that is not named sent none. Without it
   * that is not known, as after a crash, and the first second is waited.
   */
  readonly recent?: ReadonlyMap<string, readonly number[]>;
  /** See `PaceOptions.guardMs`. */
  readonly guardMs?: number;
  /** Calls that wait for one trunk at most: 1–1,000,000. */
  readonly maxWaiting?: number;
}

/** What networks delay one packet more than another by; it costs 2 % of the calls per second. */
const GUARD_MS = 20;
/** Timers come late by about this, which is made up for. */
const CATCH_UP_MS = 20;
const MAX_WAITING = 20_000;

/** Limits of trunks as one process keeps them: in memory. */
export class LocalCapacity implements Capacity {
  readonly shared: boolean = false;
  readonly #lines = new Map<string, TrunkLine>();
  /** Of trunks that are not configured any more: they take no calls, and may still carry some. */
  readonly #gone = new Map<string, TrunkLine>();
  readonly #options: TrunkLineOptions;

  constructor(trunks: readonly TrunkLimits[], options: LocalCapacityOptions) {
    const { elapsed, wake = wakeByTimer, recent, guardMs = GUARD_MS, maxWaiting = MAX_WAITING } = options;
    this.#options = { elapsed, wake, guardMs, maxWaiting, catchUpMs: CATCH_UP_MS };
    for (const trunk of trunks) {
      const ages = recent === undefined ? undefined : (recent.get(trunk.id) ?? []);
      this.#lines.set(trunk.id, new TrunkLine(trunk, ages, this.#options));
    }
  }

  /**
   * New limits, as of a new configuration. Those who wait for a trunk that is gone are refused, as is whoever comes;
   * its calls go on, and count again should it come back. A trunk that gets its first `cps` waits for a second, since what has just left
   * for it was not counted.
   */
  limit(trunks: readonly TrunkLimits[]): void {
    const wanted = new Set(trunks.map(({ id }) => id));
    for (const [id, line] of this.#lines) {
      if (wanted.has(id)) continue;
      line.close();
      this.#lines.delete(id);
      this.#gone.set(id, line);
    }
    for (const trunk of trunks) {
      const line = this.#lines.get(trunk.id) ?? this.#gone.get(trunk.id);
      line?.limit(trunk);
      this.#lines.set(trunk.id, line ?? new TrunkLine(trunk, undefined, this.#options));
      this.#gone.delete(trunk.id);
    }
  }

  async acquire(wish: CapacityWish, signal: AbortSignal): Promise<CapacityAnswer> {
    const line = this.#lines.get(wish.trunkId) ?? this.#gone.get(wish.trunkId);
    return line === undefined
      ? { kind: 'permit', permit: freePermit(wish.trunkId) }
      : line.acquire(wish, signal);
  }

  async occupy(trunkId: string): Promise<Permit> {
    const line = this.#lines.get(trunkId) ?? this.#gone.get(trunkId);
    return line?.occupy() ?? freePermit(trunkId);
  }

  async use(): Promise<readonly CapacityUse[]> {
    return [...this.#lines.values()].map((line) => line.use());
  }

  /** For the `recent` of the next process: to it the time that has passed since is to be added. */
  recent(): ReadonlyMap<string, readonly number[]> {
    return new Map([...this.#lines].map(([id, line]) => [id, line.recent()]));
  }

  /** Refuses those who wait; permits that were given are still to be released. */
  async close(): Promise<void> {
    for (const line of this.#lines.values()) line.close();
  }
}

function wakeByTimer(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
}
