import type { Call } from '../call/call.ts';
import type { RedisClient } from '../redis/script.ts';
import { CallUpdates } from './call-updates.ts';
import type { KnownNode, MembershipEvents, MembershipOptions } from './membership.ts';
import { Membership } from './membership.ts';
import { Messages } from './messages.ts';
import type { PeerMessage, Peers } from './peers.ts';
import { Subscriptions } from './subscriptions.ts';

export interface RedisPeersOptions extends MembershipOptions {
  /** A connection for subscriptions alone. Both stay their owner's. */
  readonly subscriber: RedisClient;
  /** Reads a call from the store. */
  readonly load: (callId: string) => Promise<Call | undefined>;
  /** See `CallUpdates`. */
  readonly pollMs?: number;
}

/** What a process does for the others. */
export interface PeerEvents extends MembershipEvents {
  /** Another process asks for something. Must return at once. */
  message(told: PeerMessage): void;
}

/** The processes that share a Redis, as one of them knows them. Before `start` it is not trusted, and takes no messages. */
export class RedisPeers implements Peers {
  readonly #membership: Membership;
  readonly #subscriptions: Subscriptions;
  readonly #messages: Messages;
  readonly #updates: CallUpdates;

  /** @throws RangeError; see `Membership` */
  constructor(options: RedisPeersOptions) {
    const { subscriber, ...rest } = options;
    this.#membership = new Membership(rest);
    this.#subscriptions = new Subscriptions(subscriber, options.log);
    const shared = { ...rest, subscriptions: this.#subscriptions };
    this.#messages = new Messages(shared);
    this.#updates = new CallUpdates(shared);
  }

  get token(): string {
    return this.#membership.token;
  }

  /** See `Membership.start`. @throws NameTaken; StoreLost */
  async start(events: PeerEvents): Promise<void> {
    this.#messages.onMessage((told) => events.message(told));
    this.#messages.listenAs(this.token);
    await this.#membership.start({
      dead: (token) => events.dead(token),
      lost: (token) => {
        this.#messages.listenAs(token);
        events.lost(token);
      },
    });
  }

  isAlive(token: string): boolean {
    return this.#membership.isAlive(token);
  }

  isTrusted(): boolean {
    return this.#membership.isTrusted();
  }

  /** For operators. */
  known(): readonly KnownNode[] {
    return this.#membership.known();
  }

  send(token: string, message: PeerMessage): Promise<boolean> {
    return this.#messages.send(token, message);
  }

  publish(call: Call): void {
    this.#updates.publish(call);
  }

  follow(callId: string, listener: (call: Call) => void): () => void {
    return this.#updates.follow(callId, listener);
  }

  /** Says that this process ends, when its last call has: see `Membership.leave`. */
  leave(): Promise<void> {
    return this.#membership.leave();
  }

  /** Talks to nobody any more, at once. Whoever has not left is given up by the others after the lease. */
  close(): void {
    this.#membership.close();
    this.#messages.close();
    this.#updates.close();
    this.#subscriptions.close();
  }
}
