import { eventually } from './eventually.ts';
import { freePorts } from './free-ports.ts';
import { RedisServer } from './redis-server.ts';

const SLOTS = 16_384;
/** How long a node may be silent before the others take it for dead, milliseconds. */
const NODE_TIMEOUT_MS = 2000;
const READY_MS = 20_000;

/** Masters of a Redis Cluster of its own, that a test starts, stops and starts again. */
export class RedisClusterServers {
  readonly servers: readonly RedisServer[];
  readonly #buses = new Map<number, number>();

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers;
  }

  /** @param args more options of each server, such as `--maxmemory 3mb` as two texts */
  static async start(masters = 3, ...args: string[]): Promise<RedisClusterServers> {
    const servers: RedisServer[] = [];
    const cluster = new RedisClusterServers(servers);
    try {
      for (let i = 0; i < masters; i++) {
        const port = await freePorts(2);
        const bus = port + 1;
        servers.push(await RedisServer.with({ port, args: [...clusterOptions(bus), ...args] }));
        cluster.#buses.set(port, bus);
      }
      await cluster.#join();
      await cluster.ready();
      return cluster;
    } catch (error) {
      await cluster.remove();
      throw error;
    }
  }

  /** Where a client may begin to ask. */
  get nodes(): readonly { readonly host: string; readonly port: number }[] {
    return this.servers.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** Waits until every node that runs says that all slots are served. */
  async ready(): Promise<void> {
    await eventually(
      async () => {
        for (const server of this.servers) {
          const info = await server.ask((client) => client.cluster('INFO'));
          if (!info.includes('cluster_state:ok') || !info.includes(`cluster_size:${this.servers.length}`)) {
            throw new Error(`a node of the cluster is not ready: ${info}`);
          }
        }
      },
      { timeoutMs: READY_MS },
    );
  }

  /** Ends all of them and removes what they wrote. */
  async remove(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.remove()));
  }

  async #join(): Promise<void> {
    for (const [index, server] of this.servers.entries()) {
      const first = Math.floor((index * SLOTS) / this.servers.length);
      const last = Math.floor(((index + 1) * SLOTS) / this.servers.length) - 1;
      await server.ask(async (client) => {
        // Two nodes of the same epoch would first have to agree who is right.
        await client.cluster('SET-CONFIG-EPOCH', index + 1);
        await client.cluster('ADDSLOTSRANGE', first, last);
      });
    }
    await this.servers[0]?.ask(async (client) => {
      for (const [port, bus] of this.#buses) await client.cluster('MEET', '127.0.0.1', port, bus);
    });
  }
}

/** The bus has a port of its own: ten thousand above the first, as is usual, may be taken or too high. */
function clusterOptions(bus: number): string[] {
  return [
    '--cluster-enabled',
    'yes',
    '--cluster-port',
    String(bus),
    '--cluster-node-timeout',
    String(NODE_TIMEOUT_MS),
    '--cluster-announce-ip',
    '127.0.0.1',
  ];
}
