import type { Call } from '../call/call.ts';
import type { RedisClient } from '../redis/script.ts';
import type { ClusterLog } from './membership.ts';
import { shownCall, toldCall } from './shown-call.ts';
import type { Subscriptions } from './subscriptions.ts';

/** What was lost on the way is read from the store after this. */
const POLL_MS = 2000;

export interface CallUpdatesOptions {
  /** Publishes. */
  readonly client: RedisClient;
  readonly subscriptions: Subscriptions;
  readonly prefix: string;
  /** Reads a call from the store. */
  readonly load: (callId: string) => Promise<Call | undefined>;
  /** Between two readings of a call that is followed. Default: 2 s. */
  readonly pollMs?: number;
  readonly log: ClusterLog;
}

type Source = 'store' | 'message';

/** A call that somebody follows here. */
interface Followed {
  readonly listeners: Set<(call: Call) => void>;
  readonly stop: () => void;
  latest: Call | undefined;
  /** Whether it is read at the moment, and whether it is to be read once more after that. */
  reading: 'no' | 'once' | 'again';
}

/** Tells other processes of the calls of this one, and hears of theirs. */
export class CallUpdates {
  readonly #options: CallUpdatesOptions;
  readonly #followed = new Map<string, Followed>();
  /** Latest of each call that was published in this turn of the event loop. */
  readonly #pending = new Map<string, Call>();

  constructor(options: CallUpdatesOptions) {
    this.#options = options;
  }

  /** Several changes of one turn of the event loop are told as one. Where Redis is away, nobody is told. Never throws. */
  publish(call: Call): void {
    if (this.#pending.size === 0) setImmediate(() => this.#flush());
    this.#pending.set(call.id, call);
  }

  /**
   * Hears of each change of a call that another process carries, until it has ended or the function that it answers is
   * called: never of an older state after a newer one. Begins with what the store holds.
   */
  follow(callId: string, listener: (call: Call) => void): () => void {
    const followed = this.#followed.get(callId) ?? this.#begin(callId);
    // A function that is given twice is called twice.
    const own = (call: Call): void => listener(call);
    followed.listeners.add(own);
    queueMicrotask(() => {
      if (followed.latest !== undefined && followed.listeners.has(own)) this.#call(own, followed.latest);
    });
    return () => {
      if (followed.listeners.delete(own) && followed.listeners.size === 0) this.#end(callId, followed);
    };
  }

  close(): void {
    this.#pending.clear();
    for (const [callId, followed] of [...this.#followed]) this.#end(callId, followed);
  }

  #flush(): void {
    const { client } = this.#options;
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    if (client.status !== 'ready') return;
    for (const call of calls) {
      client.publish(this.#channel(call.id), JSON.stringify(shownCall(call))).catch(() => undefined);
    }
  }

  #begin(callId: string): Followed {
    const { subscriptions, pollMs = POLL_MS, log } = this.#options;
    const read = (): void => this.#read(callId, followed);
    const hear = (text: string): void => {
      const call = toldCall(text, callId);
      if (call === undefined) log.warn({ callId }, 'what another node says of a call is not understood');
      else this.#take(call, followed, 'message');
    };
    const unlisten = subscriptions.listen(this.#channel(callId), hear, read);
    const timer = setInterval(read, pollMs);
    const followed: Followed = {
      listeners: new Set(),
      stop: () => {
        clearInterval(timer);
        unlisten();
      },
      latest: undefined,
      reading: 'no',
    };
    this.#followed.set(callId, followed);
    return followed;
  }

  #end(callId: string, followed: Followed): void {
    followed.listeners.clear();
    if (this.#followed.get(callId) !== followed) return;
    this.#followed.delete(callId);
    followed.stop();
  }

  #read(callId: string, followed: Followed): void {
    if (followed.reading !== 'no') {
      followed.reading = 'again';
      return;
    }
    followed.reading = 'once';
    void this.#load(callId).then((call) => {
      const again = followed.reading === 'again';
      followed.reading = 'no';
      if (call !== undefined) this.#take(call, followed, 'store');
      if (again && this.#followed.get(callId) === followed) this.#read(callId, followed);
    });
  }

  /** Undefined also where the store is away: it is asked again before long. */
  async #load(callId: string): Promise<Call | undefined> {
    try {
      return await this.#options.load(callId);
    } catch {
      return undefined;
    }
  }

  #take(call: Call, followed: Followed, source: Source): void {
    if (this.#followed.get(call.id) !== followed) return;
    const { latest } = followed;
    if (latest !== undefined && call.state !== 'ended') {
      if (call.node === latest.node) {
        if (call.timeline.length <= latest.timeline.length) return;
      } else if (source === 'message') {
        // Who carries it, only the store can say: one that had lost it may not know that yet.
        this.#read(call.id, followed);
        return;
      }
    }
    followed.latest = call;
    const listeners = [...followed.listeners];
    if (call.state === 'ended') this.#end(call.id, followed);
    for (const listener of listeners) this.#call(listener, call);
  }

  #call(listener: (call: Call) => void, call: Call): void {
    try {
      listener(call);
    } catch (err) {
      this.#options.log.error({ err, callId: call.id }, 'a listener of a call failed');
    }
  }

  #channel(callId: string): string {
    return `${this.#options.prefix}:call:${callId}`;
  }
}
