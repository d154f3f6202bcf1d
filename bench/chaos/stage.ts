import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisServer } from '../../test/support/redis-server.ts';
import { Capture } from './capture.ts';
import { Carriers } from './carriers.ts';
import type { TrunkTerms } from './judge-wire.ts';
import { type NodeTerms, ServiceNode } from './nodes.ts';
import { chaosSounds } from './sounds.ts';
import type { WireEntry } from './wire.ts';

export interface StageTerms extends Pick<NodeTerms, 'program' | 'maxConcurrent' | 'maxCallMs'> {
  readonly store: 'redis' | 'sqlite';
  readonly nodes: number;
  readonly trunks: readonly TrunkTerms[];
}

/** Everything that it writes stays in its append-only file as it was written: no rewriting, no compression. */
const REDIS_OPTIONS = ['--auto-aof-rewrite-percentage', '0', '--rdbcompression', 'no'];
const STOP_MS = 40_000;

/** Carriers, a capture of what passes them, Redis, and the nodes: each a process of its own, in one folder. */
export class Stage {
  readonly folder: string;
  readonly carriers: Carriers;
  /** Undefined where this user cannot capture: the carriers' log is the only record then. */
  readonly capture: Capture | undefined;
  readonly redis: RedisServer | undefined;
  readonly nodes: readonly ServiceNode[];
  readonly #sounds: string;

  private constructor(
    parts: Pick<Stage, 'folder' | 'carriers' | 'capture' | 'redis' | 'nodes'>,
    sounds: string,
  ) {
    this.folder = parts.folder;
    this.carriers = parts.carriers;
    this.capture = parts.capture;
    this.redis = parts.redis;
    this.nodes = parts.nodes;
    this.#sounds = sounds;
  }

  static async start({ store, nodes: count, trunks, ...terms }: StageTerms): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-chaos-'));
    const sounds = await chaosSounds();
    const carriers = await Carriers.start(
      folder,
      trunks.map(({ id }) => id),
    );
    const capture = await Capture.start(join(folder, 'wire.pcap'), carriers.ports);
    const redis = store === 'redis' ? await RedisServer.start(...REDIS_OPTIONS) : undefined;
    // Whatever ends us.
    process.on('exit', () => redis !== undefined && redis.pid > 0 && killQuietly(redis.pid));
    const nodeTerms: NodeTerms = {
      ...terms,
      folder,
      sounds,
      trunks: trunks.map((trunk) => ({ ...trunk, port: carriers.ports.get(trunk.id) ?? 0 })),
      redisPort: redis?.port,
    };
    const nodes: ServiceNode[] = [];
    for (let i = 1; i <= count; i++) nodes.push(await ServiceNode.create(`node-${i}`, nodeTerms));
    const [first, ...others] = nodes;
    // It makes the key that all of them use.
    await first?.start();
    await Promise.all(others.map((node) => node.start()));
    return new Stage({ folder, carriers, capture, redis, nodes }, sounds);
  }

  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** What has passed the carriers, with the system's times where those can be had; ends the capture. */
  async wire(): Promise<{ readonly wire: readonly WireEntry[]; readonly log: readonly WireEntry[] }> {
    const wire = await this.capture?.read();
    const log = await this.carriers.wire();
    return { wire: wire ?? log, log };
  }

  /** SIGTERM to all nodes. */
  async stopNodes(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop(STOP_MS)));
  }

  async close(keep: boolean): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.carriers.close();
    await this.capture?.close();
    await this.redis?.stop('SIGKILL');
    await rm(this.#sounds, { recursive: true, force: true });
    if (keep) return;
    await this.redis?.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
