import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import { WaitingError, Worker } from 'bullmq';
import type { RedisClient } from '../redis/script.ts';
import { bounded } from './bounded.ts';
import type { CallJob, TrunkJobs } from './trunk-jobs.ts';

export interface TrunkWorkerOptions {
  readonly jobs: TrunkJobs;
  readonly connection: RedisClient;
  /** Milliseconds since some moment; never set. */
  readonly elapsed: () => number;
  /** How many jobs there may be something to do with now; 0: none is to be picked up. */
  readonly wanted: () => number;
  /** What is to be done with a job that was picked up: as long as it takes, the job is a channel in use. */
  readonly serve: (job: Job<CallJob>, lock: string) => Promise<void>;
}

/**
 * Whoever is silent for longer than this may have lost its channels to others who then ask what became of them. It is
 * told every half of this at the latest.
 */
export const LOCK_MS = 6000;
/** So often it is looked for those who are silent. A dead process is noticed after the sum of both, at the latest. */
const STALLED_MS = 2000;
/** After an outage of Redis, everybody has the time to be heard. */
const GRACE_MS = 2000;
const NEVER_FAILED = 2_147_483_647;
/** Workers that sleep look by themselves after so many seconds. */
const SLEEP_SECONDS = 2;
/** After an error BullMQ tries again. */
const RETRY_MS = 500;
/** Jobs that are fetched before the first of them is looked at. */
const AHEAD = 16;
/** Who had no room for the first in line lets others look at it. */
const REST_MS = 100;
/** By then BullMQ has said that a job is complete, or it never will. */
const COMPLETE_MS = 3000;
const CLOSE_MS = 500;
const SETTLE_MS = 5;

interface Work {
  /** Token of the job's lock. */
  readonly lock: string;
  /** False where it was put back. */
  readonly done: Promise<boolean>;
}

/** The BullMQ worker of one trunk in this process: which jobs it picks up, and for how long they are its own. */
export class TrunkWorker {
  readonly #options: TrunkWorkerOptions;
  #worker: Worker<CallJob>;
  /** Jobs that it has, until it has done with them. */
  readonly #work = new Map<string, Work>();
  /** Jobs that are done with and of which BullMQ has not said so, and since when. */
  readonly #done = new Map<string, number>();
  #running = 0;
  /** Nobody is picked up before. */
  #restUntil = Number.NEGATIVE_INFINITY;
  #ready = false;
  #closed = false;
  #looking = false;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: TrunkWorkerOptions) {
    this.#options = options;
    this.#worker = this.#newWorker();
  }

  /** Redis has the limits: jobs may be picked up from now on. */
  begin(): void {
    this.#ready = true;
    this.steer();
  }

  /** Redis is back: silence until now is nobody's fault. */
  forgive(): void {
    this.#lookedAt = this.#options.elapsed() + GRACE_MS;
  }

  /** Picks jobs up where there is anything to do with them, and only then. */
  steer(): void {
    if (!this.#ready || this.#closed) return;
    const worker = this.#worker;
    const wanted = this.#options.wanted();
    const rests = this.#options.elapsed() < this.#restUntil;
    // One more is what it sleeps with.
    worker.concurrency = this.#running + 1 + Math.min(AHEAD, Math.max(1, wanted));
    if (wanted === 0 || rests) {
      if (!worker.isPaused()) void worker.pause(true);
    } else if (worker.isPaused()) {
      void worker.resume();
      this.#options.jobs.wake();
    } else if (!worker.isRunning()) {
      worker.run().catch(() => undefined);
    }
  }

  /** To be called every second or so, once it has begun. */
  tick(): void {
    const now = this.#options.elapsed();
    this.steer();
    void this.#look(now);
    for (const [id, since] of this.#done) {
      if (now - since < COMPLETE_MS) continue;
      this.#done.delete(id);
      this.#options.jobs.forget(id);
    }
  }

  /** The first in line has to wait for others: whoever has room, or has accepted the call. */
  putBack(job: Job<CallJob>, lock: string): Promise<never> {
    const restMs = REST_MS + randomInt(REST_MS);
    this.#restUntil = this.#options.elapsed() + restMs;
    void this.#worker.pause(true);
    setTimeout(() => this.steer(), restMs + 1).unref();
    return this.#giveBack(job, lock);
  }

  /** Waits until BullMQ has heard of all that was given back, for a while at most. */
  async settled(): Promise<void> {
    const end = this.#options.elapsed() + CLOSE_MS;
    do await sleep(SETTLE_MS);
    while (this.#done.size > 0 && this.#options.elapsed() < end);
  }

  /** What is in use stays in use until others look after it. */
  async close(): Promise<void> {
    this.#closed = true;
    await bounded(this.#worker.close(true), CLOSE_MS);
  }

  /** One that was disturbed while it connected for the first time stays useless: another one takes its place. */
  #newWorker(): Worker<CallJob> {
    const { jobs, connection } = this.#options;
    const { name, opts } = jobs.queue;
    const worker = new Worker<CallJob>(name, (job, lock) => this.#carry(job, lock ?? ''), {
      connection,
      prefix: opts.prefix ?? '',
      autorun: false,
      lockDuration: LOCK_MS,
      maxStalledCount: NEVER_FAILED,
      stalledInterval: STALLED_MS,
      // A worker that is paused would not look: see `tick`.
      skipStalledCheck: true,
      skipVersionCheck: true,
      drainDelay: SLEEP_SECONDS,
      runRetryDelay: RETRY_MS,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    worker.on('error', () => undefined);
    worker.on('lockRenewalFailed', (ids) => this.#lockAgain(ids));
    worker.on('completed', ({ id }) => {
      this.#done.delete(id ?? '');
      // It need not have picked up the next one.
      jobs.wake();
    });
    worker.waitUntilReady().catch(async () => {
      await sleep(RETRY_MS, undefined, { ref: false });
      if (this.#closed) return;
      worker.close(true).catch(() => undefined);
      this.#worker = this.#newWorker();
      this.steer();
    });
    return worker;
  }

  /** Looks for jobs whose workers are silent. */
  async #look(now: number): Promise<void> {
    if (this.#closed || this.#looking || now - this.#lookedAt < STALLED_MS) return;
    this.#looking = true;
    this.#lookedAt = now;
    try {
      await this.#worker.getBackend().moveStalledJobsToWait();
    } catch {
      // Next time.
    } finally {
      this.#looking = false;
    }
  }

  /** After an outage: what nobody else has been given meanwhile stays here. */
  #lockAgain(ids: readonly string[]): void {
    for (const id of ids) {
      const work = this.#work.get(id);
      if (work !== undefined) this.#options.jobs.lockAgain(id, work.lock, LOCK_MS);
    }
  }

  async #carry(job: Job<CallJob>, lock: string): Promise<void> {
    const id = job.id ?? '';
    // It was on its way as this process ended.
    if (this.#closed) return this.#giveBack(job, lock);
    this.#running += 1;
    this.steer();
    try {
      if (!(await this.#wasDone(id))) {
        const work = this.#options.serve(job, lock);
        const done = work.then(
          () => true,
          () => false,
        );
        this.#work.set(id, { lock, done });
        await work.finally(() => this.#work.delete(id));
      }
      this.#done.set(id, this.#options.elapsed());
    } finally {
      this.#running -= 1;
      this.steer();
    }
  }

  /** One that has come again while it was in use here: whether all of it was done meanwhile. */
  async #wasDone(id: string): Promise<boolean> {
    let done = false;
    for (let earlier = this.#work.get(id); earlier !== undefined; earlier = this.#work.get(id)) {
      done = await earlier.done;
    }
    return done;
  }

  async #giveBack(job: Job<CallJob>, lock: string): Promise<never> {
    const { jobs } = this.#options;
    await jobs.excuse();
    await job.moveToWait(lock);
    jobs.wake();
    throw new WaitingError();
  }
}
