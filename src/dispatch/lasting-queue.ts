import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import type { RedisClient } from '../redis/script.ts';

export interface LastingQueueOptions {
  readonly name: string;
  readonly connection: RedisClient;
  /** What the names of its keys begin with, hash tag and all. */
  readonly prefix: string;
}

/** What BullMQ tells of its jobs is kept for boards only. */
const EVENTS_KEPT = 200;
const ANEW_MS = 300;

/** A BullMQ queue that was disturbed while it connected for the first time stays useless: here another one takes its place. */
export class LastingQueue<Job> {
  readonly #options: LastingQueueOptions;
  #queue: Queue<Job>;
  #closed = false;

  constructor(options: LastingQueueOptions) {
    this.#options = options;
    this.#queue = this.#newQueue();
  }

  /** As it is now; ask again each time. */
  get current(): Queue<Job> {
    return this.#queue;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue.getBackend().close(true);
    await this.#queue.close();
  }

  #newQueue(): Queue<Job> {
    const { name, connection, prefix } = this.#options;
    const queue = new Queue<Job>(name, {
      connection,
      prefix,
      streams: { events: { maxLen: EVENTS_KEPT } },
      skipVersionCheck: true,
    });
    queue.on('error', () => undefined);
    queue.waitUntilReady().catch(async () => {
      await sleep(ANEW_MS, undefined, { ref: false });
      if (this.#closed) return;
      queue.close().catch(() => undefined);
      this.#queue = this.#newQueue();
    });
    return queue;
  }
}
