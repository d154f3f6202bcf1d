import { hostname } from 'node:os';
import type { Queue } from 'bullmq';
import type { Logger } from 'pino';
import type { ClusterState } from './api/metrics.ts';
import { redisBacking } from './backing-redis.ts';
import { sqliteBacking } from './backing-sqlite.ts';
import type { Dialer } from './call/dialer.ts';
import { CdrSink } from './cdr/sink.ts';
import type { Peers } from './cluster/peers.ts';
import type { Config } from './config.ts';
import type { ServiceClock } from './services.ts';
import { needed } from './starting.ts';
import type { Store } from './store/store.ts';
import type { TrunkCapacity } from './ways.ts';
import type { WakeQueue } from './webhooks/wake-queue.ts';

/** What the service keeps its state in, and with whom it shares that. */
export interface Backing {
  /** The name of this process, by the configuration or its machine's. */
  readonly node: string;
  readonly store: Store;
  readonly peers: Peers;
  readonly clock: ServiceClock;
  readonly capacity: TrunkCapacity;
  /** Closed by whoever uses it. */
  readonly wakes: WakeQueue;
  /**
   * Takes over what earlier processes left, and takes part in what is shared from now on: before the first call is taken.
   *
   * @returns how many calls were taken over
   */
  begin(dialer: Dialer): Promise<number>;
  /** Undefined where nothing is shared. */
  state(): ClusterState | undefined;
  /** For a board; none where they are in this process. */
  readonly queues: readonly Queue[];
  /** Takes no more of what is shared: calls under way go on. */
  drain(): void;
  close(): Promise<void>;
}

/** What is known of this process before its state is. */
export interface Node {
  /** By the configuration, or the machine's. */
  readonly name: string;
  /** Records are written there too, where the configuration wants that. */
  readonly sink: CdrSink | undefined;
}

/** @throws StartError */
export async function openBacking(config: Config, logger: Logger): Promise<Backing> {
  const name = config.cluster.node ?? hostname();
  const sink = await sinkOf(config, name);
  const close = async (): Promise<void> => sink?.close();
  try {
    const open = config.store.kind === 'redis' ? redisBacking : sqliteBacking;
    return await open(config, { name, sink }, logger);
  } catch (error) {
    await close();
    throw error;
  }
}

async function sinkOf({ cdr: { sink } }: Config, node: string): Promise<CdrSink | undefined> {
  if (sink === undefined) return undefined;
  return needed('The folder for call detail records cannot be used', () =>
    CdrSink.open({ ...sink, node, now: Date.now }),
  );
}
