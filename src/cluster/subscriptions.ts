import type { RedisClient } from '../redis/script.ts';
import type { ClusterLog } from './membership.ts';

/**
 * So often the server is told again what is subscribed: a client of a Redis Cluster may lose subscriptions when it goes
 * from one server to another, and whoever is told nothing does not notice.
 */
const ASSERT_MS = 5000;

interface Listener {
  readonly heard: (text: string) => void;
  readonly subscribed: (() => void) | undefined;
}

/** Channels of Redis over one connection: a subscription per channel, however many listen. */
export class Subscriptions {
  readonly #client: RedisClient;
  readonly #log: ClusterLog;
  readonly #listeners = new Map<string, Set<Listener>>();
  /** Channels that nobody listens to any more, of which the server may not know that yet. */
  readonly #dropped = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  readonly #onMessage = (channel: string, text: string): void => this.#hear(channel, text);
  readonly #onReady = (): void => this.#assert();

  /** @param client for subscriptions alone; stays its owner's */
  constructor(client: RedisClient, log: ClusterLog) {
    this.#client = client;
    this.#log = log;
    client.on('message', this.#onMessage);
    client.on('ready', this.#onReady);
    this.#timer = setInterval(() => {
      if (client.status === 'ready') this.#assert();
    }, ASSERT_MS);
    this.#timer.unref();
  }

  /**
   * Hears what is published on a channel, until the function that it answers is called.
   *
   * @param subscribed hears each time that the server has confirmed it: what was published before may be lost
   */
  listen(channel: string, heard: (text: string) => void, subscribed?: () => void): () => void {
    const listener: Listener = { heard, subscribed };
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(listener));
    this.#dropped.delete(channel);
    // A client that is not there subscribes to everything when it is.
    if (this.#client.status === 'ready' || this.#client.status === 'wait') this.#subscribe([channel]);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      this.#listeners.delete(channel);
      this.#unsubscribe([channel]);
    };
  }

  /** Nobody hears anything any more. */
  close(): void {
    clearInterval(this.#timer);
    this.#client.off('message', this.#onMessage);
    this.#client.off('ready', this.#onReady);
    const channels = [...this.#listeners.keys()];
    this.#listeners.clear();
    if (channels.length > 0) this.#unsubscribe(channels);
  }

  #assert(): void {
    if (this.#listeners.size > 0) this.#subscribe([...this.#listeners.keys()]);
    if (this.#dropped.size > 0) this.#unsubscribe([...this.#dropped]);
  }

  #subscribe(channels: readonly string[]): void {
    this.#client.subscribe(...channels).then(
      () => {
        for (const channel of channels) {
          for (const { subscribed } of [...(this.#listeners.get(channel) ?? [])]) subscribed?.();
        }
      },
      (err: unknown) => this.#log.warn({ err }, 'channels of other nodes cannot be subscribed to yet'),
    );
  }

  #unsubscribe(channels: readonly string[]): void {
    for (const channel of channels) this.#dropped.add(channel);
    if (this.#client.status !== 'ready') return;
    this.#client.unsubscribe(...channels).then(
      () => {
        for (const channel of channels) this.#dropped.delete(channel);
      },
      // It is in `dropped`, and told again.
      () => undefined,
    );
  }

  #hear(channel: string, text: string): void {
    for (const { heard } of [...(this.#listeners.get(channel) ?? [])]) heard(text);
  }
}
