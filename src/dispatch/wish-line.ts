import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CapacityAnswer, CapacityRefusal, CapacityWish } from '../trunk/capacity.ts';
import { bounded } from './bounded.ts';
import type { TrunkJobs } from './trunk-jobs.ts';
import { Wish } from './wish.ts';

export interface WishLineOptions {
  readonly trunkId: string;
  readonly jobs: TrunkJobs;
  readonly token: () => string;
  readonly elapsed: () => number;
  readonly now: () => number;
  /** Calls that wait at most. */
  readonly maxWaiting: number;
  /** Somebody came, or waits no more. */
  readonly onChange: () => void;
}

/** Whoever is to be served at once waits for one worker's answer. */
const AT_ONCE_MS = 100;
/** Whoever has picked up a job at the last moment decides by then. */
const PICK_MS = 1000;
const REMOVE_MS = 500;
const RETRY_MS = 250;
/** A job that Redis has lost comes back. */
const ADD_AGAIN_MS = 3000;

/** The calls of this process that wait for one trunk: each is a job in the queue, until it is answered. */
export class WishLine {
  readonly #options: WishLineOptions;
  readonly #wishes = new Map<string, Wish>();
  #counter = 0;

  constructor(options: WishLineOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#wishes.size;
  }

  join({ callId, priority, waitMs }: CapacityWish, signal: AbortSignal): Promise<CapacityAnswer> {
    if (signal.aborted) return refused('aborted');
    if (this.#wishes.size >= this.#options.maxWaiting) return refused('full');
    return new Promise((resolve) => {
      const wish = new Wish({
        id: this.#newId(callId),
        callId,
        priority,
        since: this.#options.elapsed(),
        waitMs: Math.max(AT_ONCE_MS, waitMs),
        signal,
        answer: resolve,
        onEnd: (one) => this.#leave(one),
        onDeadline: (one) => void this.#expire(one),
      });
      this.#wishes.set(wish.id, wish);
      this.#options.onChange();
      void this.#add(wish);
    });
  }

  /** Who waits with this job, and has not waited for too long: one that has is refused. */
  find(id: string): Wish | undefined {
    const wish = this.#wishes.get(id);
    if (wish === undefined || this.#options.elapsed() <= wish.deadline + PICK_MS) return wish;
    wish.refuse('deadline');
    return undefined;
  }

  /** All that this call waits with are over. */
  moved(callId: string): void {
    for (const wish of this.#wishes.values()) {
      if (wish.callId === callId) wish.settle({ kind: 'moved' });
    }
  }

  refuse(why: CapacityRefusal): void {
    for (const wish of this.#wishes.values()) wish.refuse(why);
  }

  /** Adds again what may have been lost: to be called every second or so. */
  renew(): void {
    const now = this.#options.elapsed();
    for (const wish of this.#wishes.values()) {
      if (wish.addedAt !== undefined && now - wish.addedAt > ADD_AGAIN_MS) void this.#add(wish);
    }
  }

  #newId(callId: string): string {
    this.#counter += 1;
    const call = callId.replaceAll(/[^\w-]/g, '_');
    const owner = createHash('sha256').update(this.#options.token()).digest('base64url').slice(0, 10);
    return `${call}-${this.#counter}-${owner}`;
  }

  #leave(wish: Wish): void {
    this.#wishes.delete(wish.id);
    if (!wish.granted) this.#forget(wish);
    this.#options.onChange();
  }

  /** Of a call that another process carries one job is its channel now: none is removed later, when that may wait again. */
  #forget({ id, moved }: Wish): void {
    const { jobs } = this.#options;
    if (moved) jobs.remove(id).catch(() => undefined);
    else jobs.forget(id);
  }

  /** Harmless where it is there already. */
  async #add(wish: Wish): Promise<void> {
    const { jobs, trunkId, token, elapsed, now } = this.#options;
    wish.addedAt = undefined;
    while (wish.waits) {
      const at = now();
      const deadline = at + wish.deadline - elapsed();
      const { id, callId, priority } = wish;
      try {
        await jobs.add({ callId, from: token(), trunkId, wish: id, deadline, priority, at });
        wish.addedAt = elapsed();
        break;
      } catch {
        await sleep(RETRY_MS);
      }
    }
    // It was given up while it was added.
    if (!wish.waits && !wish.granted) this.#forget(wish);
  }

  /** Its time is over: whoever has picked it up just now may still serve it. */
  async #expire(wish: Wish): Promise<void> {
    const removed = await bounded(this.#options.jobs.remove(wish.id), REMOVE_MS);
    if (wish.waits && removed === false) await sleep(PICK_MS, undefined, { ref: false });
    wish.refuse('deadline');
  }
}

async function refused(why: CapacityRefusal): Promise<CapacityAnswer> {
  return { kind: 'refused', why };
}
