import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Queue } from 'bullmq';
import { WaitingError, Worker } from 'bullmq';
import type { QueueConnections } from '../redis/connection.ts';
import type { RedisClient } from '../redis/script.ts';
import { guarded } from '../redis/unavailable.ts';
import type { CapacityAnswer, CapacityUse, CapacityWish, Permit, TrunkLimits } from '../trunk/capacity.ts';
import { bounded } from './bounded.ts';
import { InviteMoments } from './invite-moment.ts';
import { JobPermit } from './job-permit.ts';
import type { MediaRoom } from './media-room.ts';
import type { CallJob } from './trunk-jobs.ts';
import { cameAgain, TrunkJobs } from './trunk-jobs.ts';
import type { Wish } from './wish.ts';
import { WishLine } from './wish-line.ts';

/** A call that another process waits with. */
export interface ForeignCall {
  readonly callId: string;
  /** Token of that process. */
  readonly from: string;
  readonly trunkId: string;
}

/**
 * What became of a call on a trunk since it waited for it: an attempt that may still be up, attempts that are over,
 * or none.
 */
export type AttemptState = 'up' | 'over' | 'none';

export interface DispatchPorts {
  /** What this process is called among its peers now. */
  readonly token: () => string;
  /** Milliseconds since some moment; never set. */
  readonly elapsed: () => number;
  /** In ms since the epoch, by the clock of Redis. */
  readonly now: () => number;
  /**
   * Takes over a call, as its turn came here. True: it is ours, and the permit is its own. False: it is not to be had;
   * the permit is not to be used.
   */
  readonly takeOver: (call: ForeignCall, permit: Permit) => Promise<boolean>;
  /**
   * Asked where a job comes a second time, since whoever had it was silent for too long.
   *
   * @param since when it began to wait, in ms since the epoch by the clock of Redis
   */
  readonly attemptOf: (callId: string, trunkId: string, since: number) => Promise<AttemptState>;
  /** Tells the process of this token that its call is carried here. */
  readonly tellMoved: (token: string, callId: string) => void;
}

export interface TrunkQueueOptions extends DispatchPorts {
  readonly connections: QueueConnections;
  readonly client: RedisClient;
  readonly prefix: string;
  readonly media: MediaRoom;
  /** Something changed that other trunks wait for. */
  readonly onChange: () => void;
  readonly guardMs: number;
  readonly slotLeaseMs: number;
  readonly maxWaiting: number;
}

/**
 * Whoever is silent for longer than this may have lost its channels to others who then ask what became of them. It is
 * told every half of this at the latest.
 */
const LOCK_MS = 6000;
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
const ASK_AGAIN_MS = 1000;
/** By then BullMQ has said that a job is complete, or it never will. */
const COMPLETE_MS = 3000;
const CLOSE_MS = 500;
const SETTLE_MS = 5;
/** So long those who are picked up may wait for their moments: no moment passes unused while the next ones are picked up. */
const CROWD_MS = 100;
/** Timers come late by about this, which is made up for. */
const CATCH_UP_MS = 20;

/** One trunk as all processes share it: the calls that wait for it, and the channels that are in use. */
export class TrunkQueue {
  readonly #trunkId: string;
  readonly #options: TrunkQueueOptions;
  readonly #jobs: TrunkJobs;
  #worker: Worker<CallJob>;
  readonly #moments: InviteMoments;
  readonly #wishes: WishLine;
  /** Jobs that a worker here has, with the token of its lock, until it has done with them. */
  readonly #work = new Map<string, { readonly lock: string; readonly done: Promise<void> }>();
  /** Jobs that are done with and of which BullMQ has not said so, and since when. */
  readonly #done = new Map<string, number>();
  #limits: TrunkLimits;
  #running = 0;
  /** Nobody is picked up here before. */
  #restUntil = Number.NEGATIVE_INFINITY;
  #started = false;
  #open = true;
  #closed = false;
  /** Redis has had limits of it. */
  #limited = false;
  #applying = false;
  /** What Redis has is not what holds now. */
  #stale = false;
  #looking = false;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(limits: TrunkLimits, options: TrunkQueueOptions) {
    const { connections, client, prefix, guardMs, slotLeaseMs } = options;
    const trunkId = limits.id;
    this.#trunkId = trunkId;
    this.#limits = limits;
    this.#options = options;
    this.#jobs = new TrunkJobs({ trunkId, prefix, connection: connections.queue, client });
    this.#wishes = new WishLine({
      ...options,
      trunkId,
      jobs: this.#jobs,
      onChange: () => this.steer(),
    });
    this.#moments = new InviteMoments(limits.cps, {
      client,
      prefix,
      trunkId,
      guardMs,
      catchUpMs: CATCH_UP_MS,
      leaseMs: slotLeaseMs,
      onCrowd: (waitMs) => this.#jobs.hold(waitMs - CROWD_MS),
      elapsed: options.elapsed,
    });
    this.#worker = this.#newWorker();
  }

  /** As a board shows it. */
  get queue(): Queue<CallJob> {
    return this.#jobs.queue;
  }

  /** Serves from now on, as soon as Redis has the limits. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#apply();
  }

  /** New limits, at once and for all processes; one that was shut is open again. */
  limit(limits: TrunkLimits): void {
    this.#open = true;
    this.#limits = limits;
    this.#moments.limit(limits.cps);
    if (this.#started) void this.#apply();
    this.steer();
  }

  /** Redis is back: it is told the limits once more, which it may have lost, and its silence is nobody's fault. */
  renew(): void {
    this.#lookedAt = this.#options.elapsed() + GRACE_MS;
    if (this.#open && this.#started) void this.#apply();
  }

  /** Refuses those who wait here, and whoever comes. Its calls go on. */
  shut(): void {
    this.#open = false;
    this.#wishes.refuse('closed');
    this.steer();
  }

  async acquire(wish: CapacityWish, signal: AbortSignal): Promise<CapacityAnswer> {
    return this.#open ? this.#wishes.join(wish, signal) : { kind: 'refused', why: 'closed' };
  }

  /** The call is carried by another process: what it wants here is over. */
  moved(callId: string): void {
    this.#wishes.moved(callId);
  }

  /** @throws AppError store_unavailable */
  async use(): Promise<CapacityUse> {
    const { cps, channels } = this.#limits;
    const [counts, invites] = await Promise.all([
      guarded(() => this.#jobs.count()),
      cps === undefined ? 0 : this.#moments.count(),
    ]);
    return { trunkId: this.#trunkId, cps: cps ?? null, channels: channels ?? null, invites, ...counts };
  }

  /** To be called every second or so. */
  tick(): void {
    const now = this.#options.elapsed();
    this.steer();
    void this.#look(now);
    void this.#jobs.tidy();
    this.#wishes.renew();
    for (const [id, since] of this.#done) {
      if (now - since < COMPLETE_MS) continue;
      this.#done.delete(id);
      this.#jobs.forget(id);
    }
  }

  /** Picks jobs up where there is anything to do with them, and only then. */
  steer(): void {
    if (!this.#limited || this.#closed) return;
    const worker = this.#worker;
    const others = this.#options.media.forOthers;
    const rests = this.#options.elapsed() < this.#restUntil;
    const wanted = this.#open && !rests && (this.#wishes.size > 0 || others > 0);
    const ahead = Math.min(AHEAD, Math.max(1, this.#wishes.size + others));
    // One more is what it sleeps with.
    worker.concurrency = this.#running + 1 + ahead;
    if (!wanted) {
      if (!worker.isPaused()) void worker.pause(true);
    } else if (worker.isPaused()) {
      void worker.resume();
      this.#jobs.wake();
    } else if (!worker.isRunning()) {
      worker.run().catch(() => undefined);
    }
  }

  /** Ends it here, soon also where Redis is away. What is in use stays in use until others look after it. */
  async close(): Promise<void> {
    this.shut();
    // What was told before is to be heard: the removal of those who waited, and channels that were given back.
    await bounded(Promise.all([this.#jobs.settled(), this.#settled()]), CLOSE_MS);
    this.#closed = true;
    await Promise.all([bounded(this.#worker.close(true), CLOSE_MS), bounded(this.#jobs.close(), CLOSE_MS)]);
  }

  /** Waits until BullMQ has heard of all that was given back, for a while at most. */
  async #settled(): Promise<void> {
    const end = this.#options.elapsed() + CLOSE_MS;
    do await sleep(SETTLE_MS);
    while (this.#done.size > 0 && this.#options.elapsed() < end);
  }

  /** One that was disturbed while it connected for the first time stays useless: another one takes its place. */
  #newWorker(): Worker<CallJob> {
    const { name, opts } = this.#jobs.queue;
    const worker = new Worker<CallJob>(name, (job, lock) => this.#carry(job, lock ?? ''), {
      connection: this.#options.connections.worker,
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
      this.#jobs.wake();
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

  /** Runs until Redis has the limits that hold now: nothing is picked up before it has any. */
  async #apply(): Promise<void> {
    this.#stale = true;
    if (this.#applying) return;
    this.#applying = true;
    while (this.#stale && !this.#closed) {
      this.#stale = false;
      try {
        await this.#jobs.limit(this.#limits);
        this.#limited = true;
      } catch {
        this.#stale = true;
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
    this.#applying = false;
    this.steer();
  }

  /** Looks for jobs whose workers are silent. */
  async #look(now: number): Promise<void> {
    if (!this.#started || this.#closed || this.#looking || now - this.#lookedAt < STALLED_MS) return;
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
      if (work !== undefined) this.#jobs.lockAgain(id, work.lock, LOCK_MS);
    }
  }

  /** What the worker does with a job: as long as this takes, the job is a channel in use. */
  async #carry(job: Job<CallJob>, lock: string): Promise<void> {
    const id = job.id ?? '';
    // It was on its way as this process ended.
    if (this.#closed) return this.#giveBack(job, lock);
    this.#running += 1;
    this.steer();
    try {
      // It may have come again while it was in use here.
      for (let earlier = this.#work.get(id); earlier !== undefined; earlier = this.#work.get(id)) {
        await earlier.done;
      }
      const work = this.#serve(id, job, lock);
      this.#work.set(id, { lock, done: work.catch(() => undefined) });
      await work.finally(() => this.#work.delete(id));
      this.#done.set(id, this.#options.elapsed());
    } finally {
      this.#running -= 1;
      this.steer();
    }
  }

  async #serve(id: string, job: Job<CallJob>, lock: string): Promise<void> {
    const { now, token, media } = this.#options;
    const { callId, from, deadline } = job.data;
    const wish = this.#wishes.find(id);
    if (wish !== undefined) return this.#grant(wish);
    // Also of a call that was ours: another process may have carried it.
    if (cameAgain(job) && (await this.#outcome(job)) === 'over') return;
    // Nobody waits for it any more.
    if (from === token()) return this.#jobs.excuse();
    if (deadline < now()) return this.#jobs.excuse();
    if (!this.#open || media.forOthers === 0) return this.#putBack(job, lock);
    const call = { callId, from, trunkId: this.#trunkId };
    const taken = await media.ask(() => this.#takeOver(call, job, lock));
    if (taken === undefined) return this.#jobs.excuse();
    if (from !== token()) this.#options.tellMoved(from, callId);
    await taken.over;
  }

  #grant(wish: Wish): Promise<void> {
    const { permit, over } = this.#permit(this.#options.elapsed() - wish.since);
    wish.settle({ kind: 'permit', permit });
    return over;
  }

  /** Holds the channel as long as an attempt may be up. */
  async #outcome({ data, timestamp }: Job<CallJob>): Promise<AttemptState> {
    for (;;) {
      const { attemptOf } = this.#options;
      const state = await attemptOf(data.callId, this.#trunkId, timestamp).catch(() => 'up' as const);
      if (state !== 'up') return state;
      await sleep(ASK_AGAIN_MS, undefined, { ref: false });
      if (this.#closed) return never();
    }
  }

  /** Undefined where it is not to be had. */
  async #takeOver(
    call: ForeignCall,
    job: Job<CallJob>,
    lock: string,
  ): Promise<{ readonly over: Promise<void> } | undefined> {
    const { takeOver, now } = this.#options;
    // Whoever stood still since it was picked up may have lost it to another one.
    const ours = await job.extendLock(lock, LOCK_MS).catch(() => 0);
    if (ours !== 1) return undefined;
    const { permit, over } = this.#permit(Math.max(0, now() - job.timestamp));
    const taken = await takeOver(call, permit).catch(() => false);
    if (taken) return { over };
    permit.release();
    await over;
    return undefined;
  }

  /** The first in line has to wait for others: whoever has room, or has accepted the call. */
  #putBack(job: Job<CallJob>, lock: string): Promise<never> {
    const restMs = REST_MS + randomInt(REST_MS);
    this.#restUntil = this.#options.elapsed() + restMs;
    void this.#worker.pause(true);
    setTimeout(() => this.steer(), restMs + 1).unref();
    return this.#giveBack(job, lock);
  }

  async #giveBack(job: Job<CallJob>, lock: string): Promise<never> {
    await this.#jobs.excuse();
    await job.moveToWait(lock);
    this.#jobs.wake();
    throw new WaitingError();
  }

  #permit(waitedMs: number): { readonly permit: Permit; readonly over: Promise<void> } {
    const { media, onChange } = this.#options;
    const putDown = media.carry();
    let end: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const permit = new JobPermit({
      trunkId: this.#trunkId,
      waitedMs,
      moments: this.#moments,
      onReleased: () => {
        putDown();
        onChange();
      },
      onOver: end,
    });
    return { permit, over };
  }
}

/** Of what is left to others as this process ends. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}
