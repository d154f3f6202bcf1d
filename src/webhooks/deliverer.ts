import { setMaxListeners } from 'node:events';
import pLimit from 'p-limit';
import { isUnavailable } from '../call/persistence.ts';
import { Delivery, type DeliveryCounts, type DeliveryPorts } from './delivery.ts';
import { HostLanes } from './host-lanes.ts';
import { noticeIdOf } from './notice.ts';
import { hostOf, receiverOf } from './receiver.ts';
import type { RetryRules } from './retry-pause.ts';
import { withoutLostTime } from './retry-pause.ts';
import type { WakeQueue } from './wake-queue.ts';

export interface WebhookSettings extends RetryRules {
  /** How long one request may take at most. */
  readonly timeoutMs: number;
  /** How often notices are looked for that are due. */
  readonly lookMs: number;
  /** Requests at the same time, to all receivers and to one host. */
  readonly maxConcurrent: number;
  readonly maxPerHost: number;
  /** See `DeliveryPorts`; 5000 where it is left out. */
  readonly claimSlackMs?: number;
}

export interface DelivererOptions
  extends Pick<DeliveryPorts, 'store' | 'clients' | 'outbound' | 'now' | 'elapsed' | 'random' | 'log'> {
  readonly queue: WakeQueue;
  /** What this process is called among all that share the store; no other one ever was. */
  readonly name: string;
  readonly settings: WebhookSettings;
}

/** A notice that waits for its turn, or has it. */
interface Known {
  /** When it began to wait, by the clock that is never set. */
  readonly since: number;
  /** Something happened meanwhile. */
  again: boolean;
}

/** Notices that are looked for at a time. */
const PAGE = 500;
/** Where there are more of them than that, the next look comes so much sooner. */
const HURRY = 10;
/** Of one client for one host; what comes on top of that waits in the store. */
const LONGEST_LINE = 200;
/** What waits there because of a long line is left alone for so long, and up to twice that: others get their turn. */
const PARK_MS = 20_000;
const CLAIM_SLACK_MS = 5000;
/** By less than this: what is due for one process is so for whoever hears of it. */
const CLOCKS_DIFFER_MS = 500;
const READ_AT_ONCE = 50;
/** A request that runs when the process ends has so long. */
const CLOSE_MS = 1000;

/**
 * Tells receivers what happened. Any process may tell of any call: whoever hears of a notice first claims it. What nobody
 * hears of is found by looking for what is due.
 */
export class Deliverer {
  readonly counts: DeliveryCounts = { delivered: 0, failed: 0, dead: 0 };
  readonly #options: DelivererOptions;
  readonly #stop = new AbortController();
  readonly #ports: DeliveryPorts;
  readonly #lanes: HostLanes;
  readonly #reading = pLimit(READ_AT_ONCE);
  /** Those that wait here or are worked on. */
  readonly #known = new Map<string, Known>();
  readonly #told = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #claims = 0;
  #closed = false;

  constructor(options: DelivererOptions) {
    const { settings } = options;
    this.#options = options;
    // One for each request.
    setMaxListeners(settings.maxConcurrent + 1, this.#stop.signal);
    const { firstPauseMs, longestPauseMs, giveUpMs, timeoutMs, claimSlackMs = CLAIM_SLACK_MS } = settings;
    this.#ports = {
      ...options,
      timeoutMs,
      claimSlackMs,
      retries: { firstPauseMs, longestPauseMs, giveUpMs },
      stop: this.#stop.signal,
      counts: this.counts,
    };
    this.#lanes = new HostLanes({
      most: settings.maxConcurrent,
      mostOfHost: settings.maxPerHost,
      longestLine: LONGEST_LINE,
      work: (id) => this.#work(id),
    });
  }

  /** Tells what is due, and whatever happens from now on. */
  start(): void {
    this.#options.queue.start((id) => this.#consider(id, false));
    this.#timer = setTimeout(() => void this.#look(), 0);
  }

  /** Something happened to a call or its verification, and is stored: whoever is to be told hears of it soon. */
  wake(callId: string): void {
    if (this.#closed) return;
    const { store, queue, now, log } = this.#options;
    const id = noticeIdOf(callId);
    const told: Promise<void> = store.notices
      .wake(id, now() - CLOCKS_DIFFER_MS)
      .then((isDue) => {
        if (isDue) queue.add(id);
      })
      .catch((err: unknown) => log.warn({ callId, err }, 'a callback may come late'))
      .finally(() => this.#told.delete(told));
    this.#told.add(told);
  }

  /** A notice that was given up is open again. False: there is no such dead one. @throws AppError store_unavailable */
  async redeliver(noticeId: string): Promise<boolean> {
    const { store, queue, now } = this.#options;
    const revived = await store.notices.revive(noticeId, now() - CLOCKS_DIFFER_MS);
    if (revived) queue.add(noticeId);
    return revived;
  }

  /** Begins nothing more, gives what runs a moment, and gives all claims back. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#told);
    await this.#options.queue.close();
    this.#lanes.close();
    const hurry = setTimeout(() => this.#stop.abort(new Error('the service ends')), CLOSE_MS);
    await this.#lanes.settled();
    clearTimeout(hurry);
    this.#stop.abort();
  }

  async #look(): Promise<void> {
    const { store, now, settings, log } = this.#options;
    let found = 0;
    try {
      // What waits in a line is still due, and longer than others: it must not fill the page again and again.
      const due = await store.notices.due(now(), PAGE + this.#known.size);
      const ids = due.filter((id) => !this.#known.has(id)).slice(0, PAGE);
      found = ids.length;
      await Promise.all(ids.map((id) => this.#consider(id, true)));
    } catch (err) {
      log.warn({ err }, 'nobody looks for callbacks that are due');
    }
    if (this.#closed) return;
    const pauseMs = found < PAGE ? settings.lookMs : settings.lookMs / HURRY;
    this.#timer = setTimeout(() => void this.#look(), pauseMs);
  }

  /** Puts a notice into the line of its client for its receiver's host. @param parks whether it is left alone for a while where that is full */
  async #consider(id: string, parks: boolean): Promise<void> {
    if (this.#closed) return;
    const known = this.#known.get(id);
    if (known !== undefined) {
      if (!parks) known.again = true;
      return;
    }
    const { store, clients, elapsed, log } = this.#options;
    this.#known.set(id, { since: elapsed(), again: false });
    try {
      const notice = await this.#reading(() => store.notices.get(id));
      const receiver = notice === undefined ? undefined : receiverOf(notice, clients);
      const host = receiver === undefined ? '' : hostOf(receiver);
      if (this.#lanes.add(host, id, notice?.clientId ?? null)) return;
      this.#known.delete(id);
      if (parks) await this.#park(id);
    } catch (err) {
      this.#known.delete(id);
      log.warn({ noticeId: id, err }, 'a callback waits for the store');
    }
  }

  async #park(id: string): Promise<void> {
    if (this.#closed) return;
    const { store, now, random, settings } = this.#options;
    const by = this.#word();
    const at = now();
    const notice = await store.notices.claim(id, by, at, at + settings.timeoutMs);
    if (notice === undefined) return;
    const dueAt = Math.round(at + PARK_MS * (1 + random()));
    await store.notices.put({ ...withoutLostTime(notice, at, 0), dueAt }, by);
  }

  async #work(id: string): Promise<'taken' | 'not_taken' | undefined> {
    const { elapsed, log } = this.#options;
    const known = this.#known.get(id);
    const now = elapsed();
    try {
      return await Delivery.of(id, this.#word(), now - (known?.since ?? now), this.#ports);
    } catch (err) {
      const level = isUnavailable(err) ? 'warn' : 'error';
      log[level]({ noticeId: id, err }, 'a callback was not told: it is tried again');
      return undefined;
    } finally {
      this.#known.delete(id);
      if (known?.again === true) void this.#consider(id, false);
    }
  }

  #word(): string {
    this.#claims += 1;
    return `${this.#options.name}.${this.#claims}`;
  }
}
