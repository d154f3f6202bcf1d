import { randomBytes } from 'node:crypto';
import type { QueueCapacityOptions } from '../../src/dispatch/queue-capacity.ts';
import { QueueCapacity } from '../../src/dispatch/queue-capacity.ts';
import type { AttemptState, ForeignCall } from '../../src/dispatch/trunk-queue.ts';
import { RedisLink } from '../../src/redis/connection.ts';
import type { RedisTerms } from '../../src/redis/terms.ts';
import type { CapacityAnswer, Permit, TrunkLimits } from '../../src/trunk/capacity.ts';

/** What the nodes of a test know together: in place of the store, and of messages between them. */
export class Site {
  readonly nodes = new Map<string, DispatchNode>();
  /** Who carries a call, by its id. */
  readonly carriedBy = new Map<string, string>();
  /** Attempts that may still be up, or are over; by call and trunk. */
  readonly attempts = new Map<string, AttemptState>();
}

/** One node of several that share the trunks of a Redis. */
export class DispatchNode {
  readonly token = `node.${randomBytes(6).toString('hex')}`;
  readonly capacity: QueueCapacity;
  /** Calls that were offered, and what was answered. */
  readonly offered: ForeignCall[] = [];
  /** Permits of calls that were taken over. */
  readonly taken: { readonly call: ForeignCall; readonly permit: Permit }[] = [];
  /** What is answered when a call is offered; the rule of the store where it says nothing. */
  onOffer: (call: ForeignCall, permit: Permit) => Promise<boolean | undefined> = async () => undefined;
  /** Hears of calls that were taken over. */
  onTaken: (call: ForeignCall, permit: Permit) => void = () => undefined;
  room = Number.POSITIVE_INFINITY;
  readonly #link: RedisLink;
  readonly #site: Site;

  /** @param redis port of one server, or how several are reached */
  constructor(
    redis: number | Omit<RedisTerms, 'commandTimeoutMs'>,
    site: Site,
    trunks: readonly TrunkLimits[],
    options: Partial<QueueCapacityOptions> = {},
  ) {
    this.#site = site;
    const terms = typeof redis === 'number' ? { url: `redis://127.0.0.1:${redis}` } : redis;
    const link = new RedisLink({ terms: { ...terms, commandTimeoutMs: 800 }, name: this.token });
    this.#link = link;
    this.capacity = new QueueCapacity(trunks, {
      queues: link.forQueues(),
      client: link.client,
      prefix: 'votp',
      token: () => this.token,
      elapsed: () => performance.now(),
      now: () => Date.now(),
      maxCarried: 10_000,
      room: () => this.room,
      takeOver: (call, permit) => this.#takeOver(call, permit),
      attemptOf: async (callId, trunkId) => site.attempts.get(`${callId} ${trunkId}`) ?? 'none',
      ...options,
    });
    site.nodes.set(this.token, this);
    this.capacity.start();
  }

  /** Waits for a trunk with a call of this node. */
  acquire(
    callId: string,
    wish: { readonly trunkId?: string; readonly priority?: number; readonly waitMs?: number } = {},
    signal: AbortSignal = new AbortController().signal,
  ): Promise<CapacityAnswer> {
    if (!this.#site.carriedBy.has(callId)) this.#site.carriedBy.set(callId, this.token);
    return this.capacity.acquire({ callId, trunkId: 'alpha', priority: 5, waitMs: 20_000, ...wish }, signal);
  }

  /** Waits until Redis can be asked. */
  ready(): Promise<void> {
    return this.#link.ready(20_000);
  }

  async close(): Promise<void> {
    await this.capacity.close();
    await this.#link.close();
  }

  async #takeOver(call: ForeignCall, permit: Permit): Promise<boolean> {
    this.offered.push(call);
    const said = await this.onOffer(call, permit);
    if (said === false) return false;
    if (this.#site.carriedBy.get(call.callId) !== call.from) return false;
    this.#site.carriedBy.set(call.callId, this.token);
    this.taken.push({ call, permit });
    if (call.from !== this.token) this.#site.nodes.get(call.from)?.capacity.moved(call.callId);
    this.onTaken(call, permit);
    return true;
  }
}

/** The permit of an answer. */
export function permitOf(answer: CapacityAnswer): Permit {
  if (answer.kind !== 'permit') throw new Error(`no permit: ${JSON.stringify(answer)}`);
  return answer.permit;
}
