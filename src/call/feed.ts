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
  /** Index of the first entry that the listener has not got. */
  next: number;
}

/**
 * Tells whoever listens what happens to a call, in this process. Timelines only grow, and every publication
 * carries the whole call: each listener gets each entry once and in order, whenever it came.
 */
export class CallFeed {
  readonly #load: (callId: string) => Promise<Call | undefined>;
  readonly #onListenerError: (error: unknown, callId: string) => void;
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  /** Calls under way: the store may lag behind them. */
  readonly #live = new Map<string, Call>();

  /**
   * @param load reads a call from the store
   * @param onListenerError hears of listeners that threw
   */
  constructor(options: {
    load: (callId: string) => Promise<Call | undefined>;
    onListenerError: (error: unknown, callId: string) => void;
  }) {
    this.#load = options.load;
    this.#onListenerError = options.onListenerError;
  }

  /** Tells the new entries of a call. A call that has ended must have been stored before. */
  publish(call: Call): void {
    if (call.state === 'ended') {
      this.#live.delete(call.id);
    } else {
      this.#live.set(call.id, call);
    }
    for (const subscription of this.#subscriptions.get(call.id) ?? []) {
      this.#deliver(call, subscription);
    }
    if (call.state === 'ended') {
      this.#subscriptions.delete(call.id);
    }
  }

  /** Forgets a call that ends without being told so: another process has ended it, or none can be told. */
  forget(callId: string): void {
    this.#live.delete(callId);
  }

  /**
   * Tells what has happened from entry `from` on, then what happens. The last entry of every call is `ended`
   * of attempt 0; after it the subscription is over by itself.
   *
   * @returns a function that ends the subscription
   * @throws AppError store_unavailable
   */
  async subscribe(callId: string, listener: CallListener, from = 0): Promise<() => void> {
    const subscription: Subscription = { listener, next: from };
    const unsubscribe = (): void => this.#remove(callId, subscription);
    // Before the call is read: what is published meanwhile is then told here, and read a second time in vain.
    this.#add(callId, subscription);
    try {
      const call = this.#live.get(callId) ?? (await this.#load(callId));
      if (call !== undefined && this.#has(callId, subscription)) {
        this.#deliver(call, subscription);
      }
      if (call === undefined || call.state === 'ended') {
        unsubscribe();
      }
    } catch (error) {
      unsubscribe();
      throw error;
    }
    return unsubscribe;
  }

  #deliver(call: Call, subscription: Subscription): void {
    while (subscription.next < call.timeline.length) {
      const index = subscription.next;
      const entry = call.timeline[index];
      subscription.next += 1;
      if (entry === undefined) {
        return;
      }
      try {
        subscription.listener({ index, entry, call });
      } catch (error) {
        this.#remove(call.id, subscription);
        this.#onListenerError(error, call.id);
        return;
      }
      // The listener may have unsubscribed just now.
      if (!this.#has(call.id, subscription)) {
        return;
      }
    }
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
    }
  }
}
