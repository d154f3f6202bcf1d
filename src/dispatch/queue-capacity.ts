import type { Queue } from 'bullmq';
import type { QueueConnections } from '../redis/connection.ts';
import type { RedisClient } from '../redis/script.ts';
import type {
  Capacity,
  CapacityAnswer,
  CapacityUse,
  CapacityWish,
  Permit,
  TrunkLimits,
} from '../trunk/capacity.ts';
import { freePermit } from '../trunk/free-permit.ts';
import { MediaRoom } from './media-room.ts';
import type { DispatchPorts } from './trunk-queue.ts';
import { TrunkQueue } from './trunk-queue.ts';

export interface QueueCapacityOptions extends DispatchPorts {
  /** For BullMQ: clients that all queues share, and that stay open. */
  readonly queues: QueueConnections;
  /** For scripts of our own; stays open. Its commands fail soon where Redis is away. */
  readonly client: RedisClient;
  /** Of all keys. */
  readonly prefix: string;
  /** Calls that the media of this process carry at most. */
  readonly maxCarried: number;
  /** How many more calls of others its media may carry now, those left out about which `takeOver` is just being asked. */
  readonly room: () => number;
  /** See `PaceOptions.guardMs`. */
  readonly guardMs?: number;
  /**
   * How long an INVITE counts of whose leaving nothing is heard: longer than any process may stand still between the
   * moment and the INVITE. In ms.
   */
  readonly slotLeaseMs?: number;
  /** Calls that wait here for one trunk at most: 1–1,000,000. */
  readonly maxWaiting?: number;
}

/** What networks delay one packet more than another by; it costs 2 % of the calls per second. */
const GUARD_MS = 20;
const SLOT_LEASE_MS = 20_000;
const MAX_WAITING = 20_000;
const TICK_MS = 500;

/**
 * Limits of trunks as all processes keep them together that share a Redis: a call that waits is a job in the BullMQ queue
 * of its trunk, and a channel in use is a job that is being worked on. Whichever process picks the job up carries the call.
 */
export class QueueCapacity implements Capacity {
  readonly shared = true;
  readonly #options: QueueCapacityOptions;
  readonly #media: MediaRoom;
  readonly #lines = new Map<string, TrunkQueue>();
  /** Of trunks that are not configured any more: they take no calls, and may still carry some. */
  readonly #gone = new Map<string, TrunkQueue>();
  #ticking: NodeJS.Timeout | undefined;
  #started = false;
  #closed = false;

  constructor(trunks: readonly TrunkLimits[], options: QueueCapacityOptions) {
    this.#options = options;
    this.#media = new MediaRoom(options);
    this.limit(trunks);
  }

  /** The queues of the trunks, for a board. */
  get queues(): readonly Queue[] {
    return [...this.#lines.values()].map(({ queue }) => queue);
  }

  /** Picks up jobs from now on, as soon as Redis is there. */
  start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    for (const line of this.#lines.values()) line.start();
    this.#ticking = setInterval(() => this.#all((line) => line.tick()), TICK_MS);
    this.#options.client.on('ready', this.#renew);
  }

  /**
   * New limits, as of a new configuration, at once and for all processes. Those who wait here for a trunk that is gone
   * are refused, as is whoever comes; its calls go on, and count again should it come back.
   */
  limit(trunks: readonly TrunkLimits[]): void {
    if (this.#closed) return;
    const wanted = new Set(trunks.map(({ id }) => id));
    for (const [id, line] of this.#lines) {
      if (wanted.has(id)) continue;
      line.shut();
      this.#lines.delete(id);
      this.#gone.set(id, line);
    }
    for (const trunk of trunks) {
      const known = this.#lineOf(trunk.id);
      known?.limit(trunk);
      const line = known ?? this.#newLine(trunk);
      this.#lines.set(trunk.id, line);
      this.#gone.delete(trunk.id);
      if (this.#started) line.start();
    }
  }

  async acquire(wish: CapacityWish, signal: AbortSignal): Promise<CapacityAnswer> {
    if (this.#closed) return { kind: 'refused', why: 'closed' };
    const line = this.#lineOf(wish.trunkId);
    return line === undefined
      ? { kind: 'permit', permit: freePermit(wish.trunkId) }
      : line.acquire(wish, signal);
  }

  /** The job of the process that had the leg still holds its channel, until somebody sees that the leg is over. */
  async occupy(trunkId: string): Promise<Permit> {
    return freePermit(trunkId);
  }

  /** @throws AppError store_unavailable */
  use(): Promise<readonly CapacityUse[]> {
    return Promise.all([...this.#lines.values()].map((line) => line.use()));
  }

  /** Another process carries this call now: it waits here no more. */
  moved(callId: string): void {
    this.#all((line) => line.moved(callId));
  }

  /** The room for calls of others may have changed; without being told, it is noticed a little later. */
  roomChanged(): void {
    this.#all((line) => line.steer());
  }

  /** Refuses those who wait, and ends within two seconds. Permits that were given are still to be released before. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#ticking);
    this.#options.client.off('ready', this.#renew);
    await Promise.all([...this.#lines.values(), ...this.#gone.values()].map((line) => line.close()));
  }

  /** A server that comes back may be another one, which knows no limits. */
  readonly #renew = (): void => this.#all((line) => line.renew());

  #lineOf(trunkId: string): TrunkQueue | undefined {
    return this.#lines.get(trunkId) ?? this.#gone.get(trunkId);
  }

  #newLine(trunk: TrunkLimits): TrunkQueue {
    const { queues, guardMs, slotLeaseMs, maxWaiting } = this.#options;
    return new TrunkQueue(trunk, {
      ...this.#options,
      connections: queues,
      media: this.#media,
      onChange: () => this.roomChanged(),
      guardMs: guardMs ?? GUARD_MS,
      slotLeaseMs: slotLeaseMs ?? SLOT_LEASE_MS,
      maxWaiting: maxWaiting ?? MAX_WAITING,
    });
  }

  #all(work: (line: TrunkQueue) => void): void {
    for (const line of this.#lines.values()) work(line);
    for (const line of this.#gone.values()) work(line);
  }
}
