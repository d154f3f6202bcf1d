import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Queue } from 'bullmq';
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
import { LOCK_MS, TrunkWorker } from './trunk-worker.ts';
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
 * What became of a call on a trunk since it waited for it: an attempt that may still be up; an attempt, or the call, that
 * is over; or none, so that whoever waits with it may still dial.
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
   * Takes over a call, as its turn came here, and tells the process that waits with it. True: it is ours, and the permit is
   * its own. False: it is not to be had; the permit is not to be used.
   */
  readonly takeOver: (call: ForeignCall, permit: Permit) => Promise<boolean>;
  /**
   * Asked where a job comes a second time, since whoever had it was silent for too long.
   *
   * @param since when it began to wait, in ms since the epoch by the clock of Redis
   */
  readonly attemptOf: (callId: string, trunkId: string, since: number) => Promise<AttemptState>;
}

/** A call that is carried here now. */
interface Taken {
  /** Resolves when it needs its channel no more. */
  readonly over: Promise<void>;
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

/** After an error of Redis it is told the limits again. */
const RETRY_MS = 500;
const ASK_AGAIN_MS = 1000;
const CLOSE_MS = 500;
/** So long those who are picked up may wait for their moments: no moment passes unused while the next ones are picked up. */
const CROWD_MS = 100;
/** Timers come late by about this, which is made up for. */
const CATCH_UP_MS = 20;

/** One trunk as all processes share it: the calls that wait for it, and the channels that are in use. */
export class TrunkQueue {
  readonly #trunkId: string;
  readonly #options: TrunkQueueOptions;
  readonly #jobs: TrunkJobs;
  readonly #worker: TrunkWorker;
  readonly #moments: InviteMoments;
  readonly #wishes: WishLine;
  #limits: TrunkLimits;
  #started = false;
  #open = true;
  #closed = false;
  #applying = false;
  /** What Redis has is not what holds now. */
  #stale = false;

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
    this.#worker = new TrunkWorker({
      jobs: this.#jobs,
      connection: connections.worker,
      elapsed: options.elapsed,
      wanted: () => (this.#open ? this.#wishes.size + this.#options.media.forOthers : 0),
      serve: (job, lock) => this.#serve(job, lock),
    });
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
    this.#worker.forgive();
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
    if (this.#started) this.#worker.tick();
    void this.#jobs.tidy();
    this.#wishes.renew();
    if (this.#started && this.#open) this.#jobs.keepLimits(this.#limits, this.#options.elapsed());
  }

  /** Something changed that decides whether jobs are picked up here. */
  steer(): void {
    this.#worker.steer();
  }

  /** Ends it here, soon also where Redis is away. What is in use stays in use until others look after it. */
  async close(): Promise<void> {
    this.shut();
    // What was told before is to be heard: the removal of those who waited, and channels that were given back.
    await bounded(Promise.all([this.#jobs.settled(), this.#worker.settled()]), CLOSE_MS);
    this.#closed = true;
    await Promise.all([this.#worker.close(), bounded(this.#jobs.close(), CLOSE_MS)]);
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
        this.#worker.begin();
      } catch {
        this.#stale = true;
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
    this.#applying = false;
    this.steer();
  }

  async #serve(job: Job<CallJob>, lock: string): Promise<void> {
    const { now, token, media } = this.#options;
    const { from, deadline } = job.data;
    const wish = this.#wishes.find(job.id ?? '');
    if (wish !== undefined) return this.#grant(wish);
    // Also one of a call that was ours: another process may have carried it.
    if (cameAgain(job)) return this.#hold(job, lock);
    // Nobody waits for it any more.
    if (from === token()) return this.#jobs.excuse();
    if (deadline < now()) return this.#jobs.excuse();
    if (!this.#open || media.forOthers === 0) return this.#worker.putBack(job, lock);
    const taken = await this.#offer(job, lock);
    if (taken === undefined) return this.#jobs.excuse();
    await taken.over;
  }

  /** Undefined where the call is not to be had. */
  async #offer(job: Job<CallJob>, lock: string): Promise<Taken | undefined> {
    const { callId, from } = job.data;
    const call = { callId, from, trunkId: this.#trunkId };
    return this.#options.media.ask(() => this.#takeOver(call, job, lock));
  }

  #grant(wish: Wish): Promise<void> {
    const { permit, over } = this.#permit(this.#options.elapsed() - wish.since);
    wish.settle({ kind: 'permit', permit });
    return over;
  }

  /**
   * Holds the channel of a job that came again, since whoever had it was silent for too long: while an attempt may be up,
   * and while it may still be dialled by whoever has the call, unless that can be had.
   */
  async #hold(job: Job<CallJob>, lock: string): Promise<void> {
    const { attemptOf, media, now } = this.#options;
    const { callId, deadline } = job.data;
    for (;;) {
      const state = await attemptOf(callId, this.#trunkId, job.timestamp).catch(() => 'up' as const);
      if (state === 'over') return;
      if (state === 'none' && this.#open && deadline >= now() && media.forOthers > 0) {
        const taken = await this.#offer(job, lock);
        if (taken !== undefined) return taken.over;
      }
      await sleep(ASK_AGAIN_MS, undefined, { ref: false });
      if (this.#closed) return never();
    }
  }

  /** Undefined where it is not to be had. */
  async #takeOver(call: ForeignCall, job: Job<CallJob>, lock: string): Promise<Taken | undefined> {
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
