import type { Peers } from '../cluster/peers.ts';
import type { Call, TimelineEntry } from './call.ts';

/** One entry of a call's timeline, as it happens. */
export interface CallUpdate {
  /** Place of the entry in the timeline, from 0. */
  readonly index: number;
  readonly entry: TimelineEntry;
  /** The call right after it (or later, for what is told after the fact). */
  readonly call: Call;
}

/** Must return at once. One that throws gets nothing more. */
export type CallListener = (update: CallUpdate) => void;

interface Subscription {
  readonly listener: CallListener;
  /** Index of the first entry that the listener wants. */
  readonly from: number;
  /** What it has got, by index. */
  readonly told: TimelineEntry[];
}

export interface CallFeedOptions {
  /** Reads a call from the store. */
  readonly load: (callId: string) => Promise<Call | undefined>;
  /** Hears of listeners that threw. */
  readonly onListenerError: (error: unknown, callId: string) => void;
  /** Hears of what is published here. Must return at once. */
  readonly onPublished?: (call: Call) => void;
  /** Other processes that carry calls of the same store; absent: there are none. */
  readonly peers?: Pick<Peers, 'publish' | 'follow'>;
}

/**
 * Tells whoever listens what happens to a call, in whichever process. Timelines only grow, and every publication
 * carries the whole call: each listener gets each entry once and in order, whenever it came. Only where a process is lost,
 * what it told last may not be in the store: whoever carries the call then goes on from what is there, and what differs
 * from what was told at its place is told too.
 */
export class CallFeed {
  readonly #options: CallFeedOptions;
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  /** Calls under way in this process: the store may lag behind them. */
  readonly #live = new Map<string, Call>();
  /** What ends the following of calls that others carry: of those that have subscriptions. */
  readonly #followed = new Map<string, () => void>();

  constructor(options: CallFeedOptions) {
    this.#options = options;
  }

  /** Tells the new entries of a call that this process carries. One that has ended must have been stored before. */
  publish(call: Call): void {
    if (call.state === 'ended') this.#live.delete(call.id);
    else this.#live.set(call.id, call);
    this.#unfollow(call.id);
    this.#tell(call);
    this.#options.peers?.publish(call);
    this.#options.onPublished?.(call);
  }

  /**
   * Forgets a call that this process carries no more, without having told its end: another one carries it or has ended it,
   * or none can be told.
   */
  forget(callId: string): void {
    if (this.#live.delete(callId)) this.#follow(callId);
  }

  /**
   * The call as it is now, as far as this process knows or the store.
   *
   * @throws AppError store_unavailable
   */
  async current(callId: string): Promise<Call | undefined> {
    return this.#live.get(callId) ?? (await this.#options.load(callId));
  }

  /**
   * Tells what has happened from entry `from` on, then what happens. The last entry of every call is `ended`
   * of attempt 0; after it the subscription is over by itself.
   *
   * @returns a function that ends the subscription
   * @throws AppError store_unavailable
   */
  async subscribe(callId: string, listener: CallListener, from = 0): Promise<() => void> {
    const subscription: Subscription = { listener, from, told: [] };
    const unsubscribe = (): void => this.#remove(callId, subscription);
    // Before the call is read: what is published meanwhile is then told here, and read a second time in vain.
    this.#add(callId, subscription);
    try {
      const call = await this.current(callId);
      if (call !== undefined && this.#has(callId, subscription)) {
        this.#deliver(call, subscription, from);
      }
      if (call === undefined || call.state === 'ended') {
        unsubscribe();
      }
    } catch (error) {
      unsubscribe();
      throw error;
    }
    this.#follow(callId);
    return unsubscribe;
  }

  #tell(call: Call): void {
    const hasEnded = call.state === 'ended';
    for (const subscription of this.#subscriptions.get(call.id) ?? []) {
      // Whoever goes on after an entry that was lost still hears of the end.
      const from = hasEnded ? Math.min(subscription.from, call.timeline.length - 1) : subscription.from;
      this.#deliver(call, subscription, from);
    }
    if (hasEnded) {
      this.#subscriptions.delete(call.id);
      this.#unfollow(call.id);
    }
  }

  #deliver(call: Call, subscription: Subscription, from: number): void {
    for (const [index, entry] of call.timeline.entries()) {
      if (index < from || isSame(subscription.told[index], entry)) continue;
      subscription.told[index] = entry;
      try {
        subscription.listener({ index, entry, call });
      } catch (error) {
        this.#remove(call.id, subscription);
        this.#options.onListenerError(error, call.id);
        return;
      }
      // The listener may have unsubscribed just now.
      if (!this.#has(call.id, subscription)) {
        return;
      }
    }
  }

  /** Listens to whoever carries a call that somebody listens to here, unless that is this process. */
  #follow(callId: string): void {
    const { peers } = this.#options;
    const isOurs = this.#live.has(callId) || this.#followed.has(callId);
    if (peers === undefined || isOurs || !this.#subscriptions.has(callId)) return;
    this.#followed.set(
      callId,
      peers.follow(callId, (call) => this.#tell(call)),
    );
    // What it had to tell at once may have been the end.
    if (!this.#subscriptions.has(callId)) this.#unfollow(callId);
  }

  #unfollow(callId: string): void {
    this.#followed.get(callId)?.();
    this.#followed.delete(callId);
  }

  #add(callId: string, subscription: Subscription): void {
    const set = this.#subscriptions.get(callId) ?? new Set();
    this.#subscriptions.set(callId, set.add(subscription));
  }

  #has(callId: string, subscription: Subscription): boolean {
    return this.#subscriptions.get(callId)?.has(subscription) ?? false;
  }

  #remove(callId: string, subscription: Subscription): void {
    const set = this.#subscriptions.get(callId);
    if (set?.delete(subscription) === true && set.size === 0) {
      this.#subscriptions.delete(callId);
      this.#unfollow(callId);
    }
  }
}

function isSame(one: TimelineEntry | undefined, other: TimelineEntry): boolean {
  return one !== undefined && one.at === other.at && one.attempt === other.attempt && one.type === other.type;
}
