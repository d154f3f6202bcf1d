import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import type { QueueConnections } from '../redis/connection.ts';
import type { WakeQueue } from '../webhooks/wake-queue.ts';
import { bounded } from './bounded.ts';

/** What a job says of what is to be told: no code, no number, no address. */
export interface NoticeJob {
  readonly noticeId: string;
}

/** Its name is that of no trunk's queue: those begin with `trunk-`. */
const NAME = 'webhooks';
/** Notices that are looked up at a time; telling them takes no job. */
const AT_ONCE = 50;
/** What BullMQ tells of its jobs is kept for boards only. */
const EVENTS_KEPT = 200;
const ANEW_MS = 300;
const CLOSE_MS = 500;

/**
 * Notices that some node is to look at, as a BullMQ queue. The job of a notice has its id: however often it is added, it
 * waits once. Nothing depends on a job: whoever is lost with one leaves a notice that is due.
 */
export class QueuedWakes implements WakeQueue {
  readonly #connections: QueueConnections;
  readonly #prefix: string;
  #queue: Queue<NoticeJob>;
  #worker: Worker<NoticeJob> | undefined;
  #closed = false;

  /** @param prefix what the names of all keys begin with */
  constructor(connections: QueueConnections, prefix: string) {
    this.#connections = connections;
    this.#prefix = `{${prefix}-q-${NAME}}`;
    this.#queue = this.#newQueue();
  }

  /** As a board shows it. */
  get queue(): Queue<NoticeJob> {
    return this.#queue;
  }

  add(noticeId: string): void {
    if (this.#closed) return;
    const options = { jobId: noticeId, attempts: 1, removeOnComplete: true, removeOnFail: true };
    this.#queue.add('notice', { noticeId }, options).catch(() => undefined);
  }

  start(look: (noticeId: string) => Promise<void>): void {
    if (this.#closed) return;
    const worker = new Worker<NoticeJob>(NAME, ({ data }) => look(data.noticeId), {
      connection: this.#connections.worker,
      prefix: this.#prefix,
      concurrency: AT_ONCE,
      skipVersionCheck: true,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    this.#worker = worker;
    worker.on('error', () => undefined);
    worker.waitUntilReady().catch(async () => {
      await sleep(ANEW_MS, undefined, { ref: false });
      worker.close(true).catch(() => undefined);
      this.start(look);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#worker !== undefined) await bounded(this.#worker.close(), CLOSE_MS);
    const end = async (): Promise<void> => {
      await this.#queue.getBackend().close(true);
      await this.#queue.close();
    };
    await bounded(end(), CLOSE_MS);
  }

  /** One that was disturbed while it connected for the first time stays useless: another one takes its place. */
  #newQueue(): Queue<NoticeJob> {
    const queue = new Queue<NoticeJob>(NAME, {
      connection: this.#connections.queue,
      prefix: this.#prefix,
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
