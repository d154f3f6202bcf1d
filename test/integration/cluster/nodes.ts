import type { Redis } from 'ioredis';
import type { Call } from '../../../src/call/call.ts';
import type { PeerMessage } from '../../../src/cluster/peers.ts';
import type { RedisPeersOptions } from '../../../src/cluster/redis-peers.ts';
import { RedisPeers } from '../../../src/cluster/redis-peers.ts';
import { createLogger } from '../../../src/log.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { connected, redisClient } from './redis-client.ts';

/** One process among those that share a Redis, and what it was told. */
export interface TestNode {
  readonly peers: RedisPeers;
  readonly dead: string[];
  readonly lost: string[];
  readonly messages: PeerMessage[];
  readonly logged: string[];
  readonly client: Redis;
}

export type NodeOptions = Partial<Omit<RedisPeersOptions, 'client' | 'subscriber' | 'log'>> & {
  /** In place of noting who is dead. */
  readonly onDead?: (token: string) => Promise<void>;
  readonly onMessage?: (message: PeerMessage) => void;
};

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
    const client = this.client();
    const load = async (): Promise<Call | undefined> => undefined;
    const peers = new RedisPeers({
      client,
      subscriber: this.client(),
      prefix: 'test',
      name,
      leaseMs: 1000,
      load,
      ...options,
      log,
    });
    const node = { peers, dead: [], lost: [], messages: [], logged, client };
    this.#nodes.push(node);
    return node;
  }

  async start(name: string, options: NodeOptions = {}): Promise<TestNode> {
    const node = this.make(name, options);
    await connected(node.client);
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
