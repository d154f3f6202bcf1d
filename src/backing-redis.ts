import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import type { Logger } from 'pino';
import type { ClusterState } from './api/metrics.ts';
import type { Backing, Node } from './backing.ts';
import type { Attempt } from './call/call.ts';
import { isInAttempt } from './call/call.ts';
import type { Dialer } from './call/dialer.ts';
import { insist } from './call/persistence.ts';
import type { CdrSink } from './cdr/sink.ts';
import type { PeerMessage } from './cluster/peers.ts';
import { RedisPeers } from './cluster/redis-peers.ts';
import type { Config } from './config.ts';
import { QueueCapacity } from './dispatch/queue-capacity.ts';
import type { AttemptState, ForeignCall } from './dispatch/trunk-queue.ts';
import { QueuedWakes } from './dispatch/wake-queue.ts';
import type { RedisClock } from './redis/clock.ts';
import { redisClock } from './redis/clock.ts';
import type { RedisLink } from './redis/connection.ts';
import { openRedis } from './redis/connection.ts';
import { needed, OpenParts } from './starting.ts';
import { RedisLedger } from './store/redis/ledger.ts';
import { Outbox } from './store/redis/outbox.ts';
import { RedisStore } from './store/redis/redis-store.ts';
import { SpooledStore } from './store/spooled-store.ts';
import type { Store } from './store/store.ts';
import type { Permit } from './trunk/capacity.ts';

/** How long the start waits for Redis. */
const READY_MS = 10_000;
/** How long it waits for ends of calls that an earlier process could not deliver: before its calls are taken over. */
const SPOOL_MS = 5000;
const SPOOL_LOOK_MS = 20;
/** How long it waits for a Redis that goes away while calls are taken over. */
const RECOVER_MS = 60_000;
/**
 * How often calls are looked for that nobody carries: those of nodes that nobody knows any more, and of our own those
 * whose acceptance had failed, as it seemed, and was done by Redis later.
 */
const STRAYS_MS = 15_000;
/** How long an INVITE counts, at least, of whose leaving nothing is heard. */
const SLOT_LEASE_MS = 20_000;
const DAY_MS = 86_400_000;

/** A Redis that several processes share. @throws StartError */
export async function redisBacking(
  config: Config,
  { name: node, sink }: Node,
  logger: Logger,
): Promise<Backing> {
  const { redis } = config.store;
  if (redis === undefined) throw new Error('the configuration was not checked');
  const parts = new OpenParts();
  try {
    parts.add(async () => sink?.close());
    const link = openRedis({ terms: redis, name: `voice-otp-${node}`, logger });
    parts.add(() => link.close());
    await needed('The store cannot be used', () => link.ready(READY_MS));
    const clock = redisClock(link.client, redis.prefix);
    await needed('The store cannot be used', () =>
      insist(
        () => clock.start(),
        () => AbortSignal.timeout(READY_MS),
      ),
    );
    parts.add(async () => clock.close());
    const store = await needed('The spool cannot be used', () =>
      SpooledStore.open(storeOf(config, link, redis.prefix, sink), {
        folder: join(config.cluster.spoolFolder, node),
        log: logger,
      }),
    );
    parts.add(() => store.close());
    return new RedisBacking({ config, node, prefix: redis.prefix, link, clock, store, parts, logger });
  } catch (error) {
    await parts.close(logger);
    throw error;
  }
}

function storeOf(
  config: Config,
  { client }: RedisLink,
  prefix: string,
  sink: CdrSink | undefined,
): RedisStore {
  const { verifications, calls, cdrs } = config.store.retentionDays;
  const ledger = new RedisLedger({
    client,
    prefix,
    retentionMs: cdrs === undefined ? undefined : cdrs * DAY_MS,
  });
  return new RedisStore({
    client,
    prefix,
    ledger,
    outbox: new Outbox({ client, prefix, ledger, sink }),
    retentionMs: { verifications: verifications * DAY_MS, calls: calls * DAY_MS },
  });
}

interface RedisBackingParts {
  readonly config: Config;
  readonly node: string;
  readonly prefix: string;
  readonly link: RedisLink;
  readonly clock: RedisClock;
  readonly store: SpooledStore;
  readonly parts: OpenParts;
  readonly logger: Logger;
}

class RedisBacking implements Backing {
  readonly node: string;
  readonly store: SpooledStore;
  readonly peers: RedisPeers;
  readonly clock: Backing['clock'];
  readonly capacity: QueueCapacity;
  readonly wakes: QueuedWakes;
  readonly #parts: OpenParts;
  readonly #logger: Logger;
  #dialer: Dialer | undefined;
  #draining = false;
  #strays: NodeJS.Timeout | undefined;

  constructor({ config, node, prefix, link, clock, store, parts, logger }: RedisBackingParts) {
    const { client } = link;
    this.node = node;
    this.store = store;
    this.#parts = parts;
    this.#logger = logger;
    this.clock = { now: () => clock.now(), offsetMs: () => clock.now() - Date.now() };
    this.peers = new RedisPeers({
      client,
      subscriber: link.subscriber(),
      prefix,
      name: node,
      leaseMs: config.cluster.leaseMs,
      load: (callId) => store.call(callId),
      log: logger,
    });
    const { queue, worker } = link.forQueues();
    this.wakes = new QueuedWakes({ queue, worker }, prefix);
    this.capacity = new QueueCapacity(config.trunks, {
      queues: { queue, worker },
      client,
      prefix,
      token: () => this.peers.token,
      elapsed: () => performance.now(),
      now: () => clock.now(),
      maxCarried: config.calls.maxConcurrent,
      room: () => this.#roomForOthers(config.calls.maxConcurrent),
      takeOver: (call, permit) => this.#takeOver(call, permit),
      attemptOf: (callId, trunkId, since) => attemptOf(store, callId, trunkId, since),
      // Longer than a process may trust itself without being heard of.
      slotLeaseMs: Math.max(SLOT_LEASE_MS, 2 * config.cluster.leaseMs),
    });
  }

  async begin(dialer: Dialer): Promise<number> {
    this.#dialer = dialer;
    const until = performance.now() + SPOOL_MS;
    while (this.store.waiting() > 0 && performance.now() < until) await sleep(SPOOL_LOOK_MS);
    let calls = 0;
    await needed('The other nodes cannot be joined', () =>
      this.peers.start({
        dead: async (token) => {
          const taken = await dialer.takeOverFrom((one) => one === token);
          calls += taken;
        },
        lost: () => this.#leaveCalls(dialer),
        message: (told) => this.#told(told, dialer),
      }),
    );
    // Redis may go at this very moment: this process is known by now, and what it has taken over is its own.
    const orphans = await needed('The store cannot be used', () =>
      insist(
        () => dialer.recover(),
        () => AbortSignal.timeout(RECOVER_MS),
      ),
    );
    calls += orphans;
    this.#strays = setInterval(() => {
      dialer
        .takeOverFrom((one) => one === null || one === this.peers.token || !this.peers.isAlive(one))
        .catch((err: unknown) => this.#logger.warn({ err }, 'lost calls were not looked for'));
    }, STRAYS_MS);
    this.capacity.start();
    return calls;
  }

  state(): ClusterState {
    const nodes = this.peers.known().filter(({ state }) => state !== 'gone').length;
    return { nodes, spooled: this.store.waiting(), trusted: this.peers.isTrusted() };
  }

  get queues(): readonly Queue[] {
    return [...this.capacity.queues, this.wakes.queue];
  }

  drain(): void {
    this.#draining = true;
    clearInterval(this.#strays);
    this.capacity.roomChanged();
  }

  async close(): Promise<void> {
    clearInterval(this.#strays);
    await this.peers.leave();
    this.peers.close();
    await this.#parts.close(this.#logger);
  }

  #roomForOthers(maxConcurrent: number): number {
    return this.#draining || this.#dialer === undefined ? 0 : maxConcurrent - this.#dialer.active();
  }

  async #takeOver(call: ForeignCall, permit: Permit): Promise<boolean> {
    const taken = await this.#dialer?.takeOver(call, permit);
    if (taken === undefined) return false;
    void taken.over.then(() => permit.release());
    return true;
  }

  #told(message: PeerMessage, dialer: Dialer): void {
    if (message.kind === 'moved') this.capacity.moved(message.callId);
    else dialer.told(message);
  }

  /** This process was given up: calls that wait here are carried by whoever took them over, the others are hung up. */
  #leaveCalls(dialer: Dialer): void {
    for (const callId of dialer.callIds()) this.capacity.moved(callId);
    void dialer.checkLines();
  }
}

/** Of a call that waits for a trunk since then. An earlier round of it may have had an attempt there. */
async function attemptOf(
  store: Pick<Store, 'call'>,
  callId: string,
  trunkId: string,
  since: number,
): Promise<AttemptState> {
  const call = await store.call(callId);
  if (call === undefined || call.state === 'ended') return 'over';
  if (isInAttempt(call) && call.attempts.at(-1)?.trunkId === trunkId) return 'up';
  const isSince = ({ endedAt }: Attempt): boolean => endedAt !== null && endedAt >= since;
  return call.attempts.some((attempt) => attempt.trunkId === trunkId && isSince(attempt)) ? 'over' : 'none';
}
