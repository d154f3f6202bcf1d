import type { RedisClient, RedisScript } from './script.ts';
import { runScript } from './script.ts';
import { guarded } from './unavailable.ts';

const INTERVAL_MS = 10_000;
/** The best of them counts: the one whose way was the shortest. */
const SAMPLES = 5;
/** How much slower the clock runs while it is ahead: half as fast as time. */
const SLEW = 0.5;

/** A script and not the command, so that in a cluster all nodes of ours ask the same node of Redis. */
const READ_TIME: RedisScript = {
  name: 'votpReadTime',
  keys: 1,
  lua: `
-- KEYS 1: any key, which is not touched: where it would be, the time is read
-- ARGV none
-- Result: { seconds since 1970, microseconds of that second }, both as text
return redis.call('TIME')
`,
};

export interface RedisClockOptions {
  /** Asks Redis for its time, as milliseconds since 1970, with fractions. */
  readonly read: () => Promise<number>;
  /** Milliseconds of a clock that nobody sets, from any point on. */
  readonly monotonic?: () => number;
  /** What is done again after each reconnection; gives a function that ends that. */
  readonly onReconnect?: (measure: () => void) => () => void;
}

/**
 * The time of Redis, kept with the monotonic clock of this process: clocks of hosts that differ, or are set, change
 * nothing. It never goes back. Where it turns out to be behind, it jumps forward; where it is ahead (after a failover to
 * a server whose clock is behind, say), it runs at half the speed until Redis has caught up.
 */
export class RedisClock {
  readonly #read: () => Promise<number>;
  readonly #monotonic: () => number;
  readonly #onReconnect: ((measure: () => void) => () => void) | undefined;
  /** Time of Redis where the monotonic clock is 0; undefined before the first measurement. */
  #offset: number | undefined;
  /** How far the clock was ahead of that at `#aheadSince`. */
  #ahead = 0;
  #aheadSince = 0;
  #measuring: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #forget: (() => void) | undefined;

  constructor({ read, monotonic = () => performance.now(), onReconnect }: RedisClockOptions) {
    this.#read = read;
    this.#monotonic = monotonic;
    this.#onReconnect = onReconnect;
  }

  /**
   * Measures for the first time, and from then on every 10 s and after each reconnection.
   *
   * @throws AppError store_unavailable
   */
  async start(): Promise<void> {
    await this.measure();
    const again = (): void => {
      // Without an answer, the last one still holds.
      this.measure().catch(() => undefined);
    };
    this.#timer = setInterval(again, INTERVAL_MS);
    this.#timer.unref();
    this.#forget = this.#onReconnect?.(again);
  }

  /**
   * Milliseconds since 1970, by Redis; whole.
   *
   * @throws Error before `start` is done
   */
  now(): number {
    if (this.#offset === undefined) throw new Error('the clock of Redis was not started');
    const at = this.#monotonic();
    return Math.floor(at + this.#offset + this.#aheadAt(at));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#forget?.();
  }

  /**
   * Asks Redis now. Who asks meanwhile gets the same measurement.
   *
   * @throws AppError store_unavailable
   */
  measure(): Promise<void> {
    this.#measuring ??= this.#measure().finally(() => {
      this.#measuring = undefined;
    });
    return this.#measuring;
  }

  async #measure(): Promise<void> {
    let best = await this.#sample();
    for (let i = 1; i < SAMPLES; i++) {
      const sample = await this.#sample();
      if (sample.error < best.error) best = sample;
    }
    const { offset, error } = best;
    // Within its error it says nothing against what is known.
    if (this.#offset !== undefined && Math.abs(offset - this.#offset) <= error) return;
    const at = this.#monotonic();
    const before = this.#offset === undefined ? offset : this.#offset + this.#aheadAt(at);
    this.#offset = offset;
    this.#ahead = Math.max(0, before - offset);
    this.#aheadSince = at;
  }

  /** Where in the round trip Redis has looked at its clock is not known: in its middle, give or take half of it. */
  async #sample(): Promise<{ offset: number; error: number }> {
    const from = this.#monotonic();
    const time = await guarded(this.#read);
    const to = this.#monotonic();
    return { offset: time - (from + to) / 2, error: (to - from) / 2 };
  }

  #aheadAt(at: number): number {
    return Math.max(0, this.#ahead - (at - this.#aheadSince) * SLEW);
  }
}

/** The clock of a Redis, or of one node of a cluster: the one that has the keys of `prefix:{clock}`. */
export function redisClock(client: RedisClient, prefix: string): RedisClock {
  return new RedisClock({
    read: async () => {
      const [seconds, micros] = (await runScript(client, READ_TIME, [`${prefix}:{clock}`], [])) as [
        string,
        string,
      ];
      return Number(seconds) * 1000 + Number(micros) / 1000;
    },
    onReconnect: (measure) => {
      client.on('ready', measure);
      return () => void client.off('ready', measure);
    },
  });
}
