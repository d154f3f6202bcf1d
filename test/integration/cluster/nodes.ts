import { Redis } from 'ioredis';
import type { Call } from '../../../src/call/call.ts';
import type { PeerMessage } from '../../../src/cluster/peers.ts';
import type { RedisPeersOptions } from '../../../src/cluster/redis-peers.ts';
import { RedisPeers } from '../../../src/cluster/redis-peers.ts';
import { createLogger } from '../../../src/log.ts';
import type { RedisServer } from '../../support/redis-server.ts';

/** One process among those that share a Redis, and what it was told. */
export interface TestNode {
  readonly peers: RedisPeers;
  readonly dead: string[];
  readonly lost: string[];
  readonly messages: PeerMessage[];
  readonly logged: string[];
  readonly subscriber: Redis;
}

export type NodeOptions = Partial<Omit<RedisPeersOptions, 'client' | 'subscriber' | 'log'>> & {
  /** In place of noting who is dead. */
  readonly onDead?: (token: string) => Promise<void>;
  readonly onMessage?: (message: PeerMessage) => void;
};

/** A client as the service has them: what cannot be asked soon fails soon. */
export function redisClient(port: number): Redis {
  const client = new Redis(port, '127.0.0.1', {
    commandTimeout: 800,
    maxRetriesPerRequest: 1,
    retryStrategy: () => 50,
  });
  client.on('error', () => undefined);
  return client;
}

/** Nodes of one test over one server; each with connections of its own. */
export class TestNodes {
  readonly #server: RedisServer;
  readonly #clients: Redis[] = [];
  readonly #nodes: TestNode[] = [];

  constructor(server: RedisServer) {
    this.#server = server;
  }

  /** A connection of the test's own. */
  client(): Redis {
    const client = redisClient(this.#server.port);
    this.#clients.push(client);
    return client;
  }

  /** One that is not started. */
  make(name: string, options: NodeOptions = {}): TestNode {
    const logged: string[] = [];
    const log = createLogger({ level: 'info', destination: { write: (line) => void logged.push(line) } });
    const subscriber = this.client();
    const load = async (): Promise<Call | undefined> => undefined;
    const peers = new RedisPeers({
      client: this.client(),
      subscriber,
      prefix: 'test',
      name,
      leaseMs: 1000,
      load,
      ...options,
      log,
    });
    const node = { peers, dead: [], lost: [], messages: [], logged, subscriber };
    this.#nodes.push(node);
    return node;
  }

  async start(name: string, options: NodeOptions = {}): Promise<TestNode> {
    const node = this.make(name, options);
    await this.begin(node, options);
    return node;
  }

  begin(node: TestNode, { onDead, onMessage }: NodeOptions = {}): Promise<void> {
    return node.peers.start({
      dead: async (token) => {
        node.dead.push(token);
        await onDead?.(token);
      },
      lost: (token) => node.lost.push(token),
      message: (message) => {
        node.messages.push(message);
        onMessage?.(message);
      },
    });
  }

  close(): void {
    for (const { peers } of this.#nodes) peers.close();
    for (const client of this.#clients) client.disconnect();
  }
}
