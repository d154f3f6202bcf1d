import type { Job, Queue } from 'bullmq';
import type { RedisClient, RedisScript } from '../redis/script.ts';
import { runScript } from '../redis/script.ts';
import type { TrunkLimits } from '../trunk/capacity.ts';
import { LastingQueue } from './lasting-queue.ts';

/** What a job says of the call that waits: no code, no number. */
export interface CallJob {
  readonly callId: string;
  /** Token of the process that waits with it. */
  readonly from: string;
  readonly trunkId: string;
  /** The id of the job itself. */
  readonly wish: string;
  /** Until when it waits, in ms since the epoch by the clock of Redis. */
  readonly deadline: number;
}

export interface NewJob extends CallJob {
  /** See `CapacityWish.priority`. */
  readonly priority: number;
  /** When it was added, by the same clock as `deadline`. */
  readonly at: number;
}

/** BullMQ renews locks, and leaves one that has expired to whoever finds its job. */
const LOCK_AGAIN: RedisScript = {
  name: 'votpJobLockAgain',
  keys: 3,
  lua: `
-- Locks a job again whose lock has expired, as long as nobody else was given it
-- KEYS[1] lock of the job  KEYS[2] jobs that are being worked on  KEYS[3] jobs that may be without a lock
-- ARGV[1] id of the job  ARGV[2] token of the lock  ARGV[3] life of the lock, ms
-- Answer: 1 where it is locked, 0 where somebody else has it
if not redis.call('LPOS', KEYS[2], ARGV[1]) then return 0 end
if not redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3], 'NX') then return 0 end
redis.call('SREM', KEYS[3], ARGV[1])
return 1`,
};

export interface TrunkJobsOptions {
  readonly trunkId: string;
  readonly prefix: string;
  readonly connection: RedisClient;
  readonly client: RedisClient;
}

/** Jobs whose removal failed are tried again, so many at most. */
const MOST_LEFT = 10_000;
/** The limiter of BullMQ counts in windows of about this: timers come late, which costs less of a longer one. */
const WINDOW_MS = 100;
const SECOND_MS = 1000;
/** So often Redis is reminded of the limits. */
const KEEP_MS = 2000;

/** The BullMQ queue of one trunk: its name, its limits, and jobs as they are added and removed. */
export class TrunkJobs {
  readonly #client: RedisClient;
  readonly #queue: LastingQueue<CallJob>;
  /** To be removed, as soon as that can be done. */
  readonly #left = new Set<string>();
  readonly #removals = new Set<Promise<void>>();
  #removing = false;
  #keptAt = Number.NEGATIVE_INFINITY;
  #cps: number | undefined;

  constructor(options: TrunkJobsOptions) {
    this.#client = options.client;
    const { trunkId, prefix, connection } = options;
    this.#queue = new LastingQueue({
      name: `trunk-${trunkId}`,
      connection,
      prefix: `{${prefix}-q-${trunkId}}`,
    });
  }

  get queue(): Queue<CallJob> {
    return this.#queue.current;
  }

  /** To add one that is there already changes nothing. */
  async add({ priority, at, ...job }: NewJob): Promise<void> {
    await this.queue.add('call', job, {
      jobId: job.wish,
      timestamp: at,
      // 0 is before all others: that is for jobs that had their turn.
      priority: priority + 1,
      attempts: 1,
      removeOnComplete: true,
      removeOnFail: true,
    });
  }

  /** Whether it is in the queue no more: false where somebody works on it. */
  async remove(id: string): Promise<boolean> {
    return (await this.queue.remove(id)) === 1;
  }

  /** Removes one as soon as that can be done, unless somebody works on it. */
  forget(id: string): void {
    const removal: Promise<void> = this.remove(id)
      .then(() => this.wake())
      .catch(() => {
        if (this.#left.size < MOST_LEFT) this.#left.add(id);
      })
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  /** Once it is known what became of all removals. */
  async settled(): Promise<void> {
    await Promise.all(this.#removals);
  }

  /** Tries again what could not be removed. */
  async tidy(): Promise<void> {
    if (this.#removing) return;
    this.#removing = true;
    try {
      for (const id of this.#left) {
        await this.remove(id);
        this.#left.delete(id);
        this.wake();
      }
    } catch {
      // Once more, then.
    } finally {
      this.#removing = false;
    }
  }

  /** New limits, for all processes. */
  async limit({ cps, channels }: Omit<TrunkLimits, 'id'>): Promise<void> {
    const { queue } = this;
    this.#cps = cps;
    if (channels === undefined) await queue.removeGlobalConcurrency();
    else await queue.setGlobalConcurrency(channels);
    if (cps === undefined) await queue.removeGlobalRateLimit();
    else {
      const { max, durationMs } = rateOf(cps);
      await queue.setGlobalRateLimit(max, durationMs);
    }
    this.wake();
  }

  /** The lock of a job has expired, perhaps: it is taken again where nobody else has it. */
  lockAgain(id: string, token: string, lockMs: number): void {
    const { queue } = this;
    const keys = [`${queue.toKey(id)}:lock`, queue.toKey('active'), queue.toKey('stalled')];
    runScript(this.#client, LOCK_AGAIN, keys, [id, token, lockMs]).catch(() => undefined);
  }

  /** A Redis that has lost what it had is told the limits again; others that it was told meanwhile stay. */
  keepLimits({ cps, channels }: Omit<TrunkLimits, 'id'>, now: number): void {
    if (now - this.#keptAt < KEEP_MS) return;
    this.#keptAt = now;
    const meta = this.queue.toKey('meta');
    const rate = cps === undefined ? undefined : rateOf(cps);
    const fields = { concurrency: channels, max: rate?.max, duration: rate?.durationMs };
    for (const [field, value] of Object.entries(fields)) {
      if (value !== undefined) this.#client.hsetnx(meta, field, value).catch(() => undefined);
    }
  }

  /** Nobody is picked up for so long: those who were have to wait for their moments already. */
  hold(ms: number): void {
    if (ms >= 1) this.queue.rateLimit(ms).catch(() => undefined);
  }

  /** One that was picked up in vain costs the next one nothing. */
  async excuse(): Promise<void> {
    if (this.#cps !== undefined) await this.queue.removeRateLimitKey().catch(() => undefined);
  }

  /** BullMQ tells workers that sleep of jobs that were added, not of jobs that may be picked up since something else has changed. */
  wake(): void {
    this.#client.zadd(this.queue.toKey('marker'), 0, '0').catch(() => undefined);
  }

  /**
   * Channels in use, and calls that wait.
   *
   * @throws what the client throws
   */
  async count(): Promise<{ readonly inUse: number; readonly waiting: number }> {
    const { queue } = this;
    const [active, again, waiting] = await Promise.all([
      this.#client.llen(queue.toKey('active')),
      // Jobs of processes that stand still, between two workers: nobody else gets their channels.
      this.#client.llen(queue.toKey('wait')),
      this.#client.zcard(queue.toKey('prioritized')),
    ]);
    return { inUse: active + again, waiting };
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}

/** Whether it was given to a worker before, which has been silent for too long. */
export function cameAgain(job: Job<CallJob>): boolean {
  return job.stalledCounter > 0;
}

function rateOf(cps: number): { readonly max: number; readonly durationMs: number } {
  const max = Math.ceil((cps * WINDOW_MS) / SECOND_MS);
  return { max, durationMs: Math.floor((SECOND_MS * max) / cps) };
}
