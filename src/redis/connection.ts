import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import type { Logger } from 'pino';
import {
  clusterOptions,
  DISCONNECT_MS,
  type Manner,
  reconnectDelay,
  serverOptions,
} from './client-options.ts';
import { limitCommands } from './command-time.ts';
import { diagnosis } from './diagnosis.ts';
import type { RedisClient } from './script.ts';
import { placeOf, type RedisTerms } from './terms.ts';
import { letFail } from './unattended.ts';

export interface RedisLinkOptions {
  readonly terms: RedisTerms;
  /** What the connections are called at the server (CLIENT LIST), before a colon and what each is for; no spaces. */
  readonly name: string;
  /** Hears once of each time that Redis goes away, and comes back. */
  readonly logger?: Pick<Logger, 'info' | 'warn'> | undefined;
}

/** What BullMQ is given. It neither opens nor closes these. */
export interface QueueConnections {
  /** For `Queue`, and whatever else must fail quickly. */
  readonly queue: RedisClient;
  /** For `Worker` and `QueueEvents`, which duplicate it for what they wait with: commands wait for the server. */
  readonly worker: RedisClient;
}

/** Redis cannot be used as it is set up. The message is for the operator, and has no secret in it. */
class RedisNotUsable extends Error {
  constructor(place: string, why: string, cause?: unknown) {
    super(`Redis (${place}) cannot be used: ${why}`, { cause });
    this.name = 'RedisNotUsable';
  }
}

/** Functions and commands of scripts that are used need it. */
const OLDEST_MAJOR = 7;
/** Whoever listens only would not notice that nobody is there any more. */
const PING_MS = 3000;
/** One that is read-only by now is left after each command, and connected to again at once: it is not back yet. */
const STEADY_MS = 3000;

/** @throws RedisNotUsable only from `ready`: that Redis cannot be reached yet is no error here */
export function openRedis(options: RedisLinkOptions): RedisLink {
  return new RedisLink(options);
}

/** The connections of this process to one Redis. Each is made again by itself, for as long as it takes. */
export class RedisLink {
  /**
   * For commands and scripts. Whatever happens, each ends within `commandTimeoutMs`, and is sent once only: what failed
   * may have been done all the same, or be done later, where a server that hung goes on. Errors go through `unavailable`.
   */
  readonly client: RedisClient;
  readonly #options: RedisLinkOptions;
  readonly #opened = new Map<string, RedisClient>();
  #lastError: unknown;
  #isAway = false;
  #back: NodeJS.Timeout | undefined;
  #closed = false;
  #ping: NodeJS.Timeout | undefined;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.client = this.#open('commands', 'quick');
    this.#watch(this.client);
  }

  /**
   * For subscriptions, which are made again after each reconnection; its event `ready` says that messages may have been
   * lost. In a cluster it asks any of the nodes, since each passes on what the others are told (PUBLISH).
   */
  subscriber(): Redis {
    const known = this.#opened.get('events');
    if (known instanceof Redis) return known;
    const { terms } = this.#options;
    const subscriber =
      terms.cluster === undefined ? new Redis(this.#serverOptions('events', 'listening')) : this.#anyNode();
    this.#keep('events', subscriber);
    this.#ping = setInterval(() => {
      if (subscriber.status === 'ready') subscriber.ping().catch(() => undefined);
    }, PING_MS);
    this.#ping.unref();
    return subscriber;
  }

  forQueues(): QueueConnections {
    return {
      queue: this.#opened.get('queue') ?? this.#open('queue', 'quick'),
      worker: this.#opened.get('worker') ?? this.#open('worker', 'patient'),
    };
  }

  /**
   * Waits until commands can be sent.
   *
   * @throws RedisNotUsable where that takes longer than `timeoutMs`, or the server is too old
   */
  async ready(timeoutMs: number): Promise<void> {
    const place = placeOf(this.#options.terms);
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      while (this.client.status !== 'ready') await eventOf(this.client, 'ready', signal);
      await this.#warm();
    } catch {
      throw new RedisNotUsable(place, diagnosis(this.#lastError), this.#lastError);
    }
    await this.#inspect(place);
  }

  /** Commands that are under way fail. May be called again. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#ping);
    clearTimeout(this.#back);
    const ends = [...this.#opened.values()].map(async (client) => {
      // Between two attempts there is nothing that could end.
      const isOpen = client.status !== 'end' && client.status !== 'reconnecting';
      const end = eventOf(client, 'end', AbortSignal.timeout(2 * DISCONNECT_MS)).catch(() => undefined);
      client.disconnect();
      if (isOpen) await end;
    });
    await Promise.all(ends);
  }

  #open(purpose: string, manner: Manner): RedisClient {
    const { terms, name } = this.#options;
    const client =
      terms.cluster === undefined
        ? new Redis(this.#serverOptions(purpose, manner))
        : new Cluster([...terms.cluster.nodes], clusterOptions(terms, `${name}:${purpose}`, manner));
    if (manner === 'quick') limitCommands(client, terms.commandTimeoutMs);
    return this.#keep(purpose, client);
  }

  #keep<Client extends RedisClient>(purpose: string, client: Client): Client {
    this.#opened.set(purpose, client);
    if (client instanceof Redis) letFail(client);
    const remember = (error: unknown): void => {
      this.#lastError = error;
    };
    client.on('error', remember);
    client.on('node error', remember);
    client.on('end', () => void this.#again(client));
    return client;
  }

  #serverOptions(purpose: string, manner: Manner) {
    const { terms, name } = this.#options;
    return serverOptions(terms, `${name}:${purpose}`, manner);
  }

  /** ioredis gives up where it is disturbed while it asks sentinels. */
  async #again(client: RedisClient): Promise<void> {
    if (this.#closed) return;
    await sleep(reconnectDelay(1));
    if (!this.#closed && client.status === 'end') await client.connect().catch(() => undefined);
  }

  #anyNode(): Redis {
    const { terms, name } = this.#options;
    const { redisOptions } = clusterOptions(terms, `${name}:events`, 'listening');
    const given = terms.cluster?.nodes ?? [];
    let turn = Math.floor(Math.random() * given.length);
    const next = () => {
      const met = (this.client as Cluster)
        .nodes()
        .map(({ options: { host = '', port = 0 } }) => ({ host, port }));
      const nodes = [...met, ...given];
      return nodes[turn++ % nodes.length];
    };
    const subscriber: Redis = new Redis({
      ...redisOptions,
      ...next(),
      retryStrategy: (attempt: number) => {
        // It reads its address again before each attempt.
        Object.assign(subscriber.options, next());
        return reconnectDelay(attempt);
      },
    });
    return subscriber;
  }

  /** A cluster connects to a node only when that is asked for something, and would refuse a second command until then. */
  async #warm(): Promise<void> {
    if (!(this.client instanceof Cluster)) return;
    const wake = (node: Redis): void => {
      if (node.status === 'wait') node.connect().catch(() => undefined);
    };
    this.client.on('+node', (node: Redis) => void setImmediate(wake, node));
    await Promise.all(this.client.nodes('master').map((node) => node.ping()));
  }

  async #inspect(place: string): Promise<void> {
    const nodes = this.client instanceof Cluster ? this.client.nodes('master') : [this.client];
    for (const node of nodes) {
      const info = await infoOf(node);
      const version = /^(?:valkey|redis)_version:(\d+)/m.exec(info)?.[1];
      if (version !== undefined && Number(version) < OLDEST_MAJOR) {
        throw new RedisNotUsable(place, `it is of version ${version}, and ${OLDEST_MAJOR} is needed`);
      }
      const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
      if (policy !== undefined && policy !== 'noeviction') {
        this.#options.logger?.warn(
          { policy },
          'Redis may forget calls where its memory runs out: set its maxmemory-policy to noeviction',
        );
      }
    }
  }

  #watch(client: RedisClient): void {
    const { logger } = this.#options;
    client.on('close', () => {
      clearTimeout(this.#back);
      if (this.#isAway || this.#closed) return;
      this.#isAway = true;
      const why = this.#lastError === undefined ? 'the connection was closed' : diagnosis(this.#lastError);
      logger?.warn({ why }, 'Redis is away');
    });
    client.on('ready', () => {
      this.#lastError = undefined;
      if (!this.#isAway) return;
      clearTimeout(this.#back);
      this.#back = setTimeout(() => {
        this.#isAway = false;
        logger?.info('Redis is back');
      }, STEADY_MS).unref();
    });
  }
}

/** Empty where the user may not ask. */
async function infoOf(node: RedisClient): Promise<string> {
  try {
    return await node.info();
  } catch {
    return '';
  }
}

/** Unlike `once` of Node, whatever errors there are meanwhile. */
function eventOf(client: RedisClient, event: 'end' | 'ready', signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once(event, () => resolve());
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
