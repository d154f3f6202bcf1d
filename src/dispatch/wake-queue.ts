import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import { Worker } from 'bullmq';
import type { QueueConnections } from '../redis/connection.ts';
import type { WakeQueue } from '../webhooks/wake-queue.ts';
import { bounded } from './bounded.ts';
import { LastingQueue } from './lasting-queue.ts';

/** What a job says of what is to be told: no code, no number, no address. */
export interface NoticeJob {
  readonly noticeId: string;
}

/** Its name is that of no trunk's queue: those begin with `trunk-`. */
const NAME = 'webhooks';
/** Notices that are looked up at a time; telling them takes no job. */
const AT_ONCE = 50;
const ANEW_MS = 300;
const CLOSE_MS = 500;
const SETTLE_MS = 5;

/**
 * Notices that some node is to look at, as a BullMQ queue. The job of a notice has its id: however often it is added, it
 * waits once. Nothing depends on a job: whoever is lost with one leaves a notice that is due.
 */
export class QueuedWakes implements WakeQueue {
  readonly #connections: QueueConnections;
  readonly #prefix: string;
  readonly #queue: LastingQueue<NoticeJob>;
  #worker: Worker<NoticeJob> | undefined;
  /** Jobs that were picked up and of which BullMQ has not said what became of them. */
  readonly #underWay = new Set<string>();
  #closed = false;

  /** @param prefix what the names of all keys begin with */
  constructor(connections: QueueConnections, prefix: string) {
    this.#connections = connections;
    this.#prefix = `{${prefix}-q-${NAME}}`;
    this.#queue = new LastingQueue({ name: NAME, connection: connections.queue, prefix: this.#prefix });
  }

  /** As a board shows it. */
  get queue(): Queue<NoticeJob> {
    return this.#queue.current;
  }

  add(noticeId: string): void {
    if (this.#closed) return;
    const options = { jobId: noticeId, attempts: 1, removeOnComplete: true, removeOnFail: true };
    this.queue.add('notice', { noticeId }, options).catch(() => undefined);
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
    worker.on('active', ({ id = '' }) => this.#underWay.add(id));
    worker.on('completed', ({ id = '' }) => this.#underWay.delete(id));
    worker.on('failed', (job) => this.#underWay.delete(job?.id ?? ''));
    worker.waitUntilReady().catch(async () => {
      await sleep(ANEW_MS, undefined, { ref: false });
      worker.close(true).catch(() => undefined);
      this.start(look);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#worker !== undefined) await this.#closeWorker(this.#worker);
    await bounded(this.#queue.close(), CLOSE_MS);
  }

  /** Unless it is forced, BullMQ waits for a Redis that is away, and its timers for ever: the process would not end. */
  async #closeWorker(worker: Worker<NoticeJob>): Promise<void> {
    await worker.pause(true);
    const end = performance.now() + CLOSE_MS;
    while (this.#underWay.size > 0 && performance.now() < end) await sleep(SETTLE_MS);
    await bounded(worker.close(true), CLOSE_MS);
  }
}
