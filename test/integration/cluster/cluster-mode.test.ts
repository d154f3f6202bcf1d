import { Cluster } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { markPrepared } from '../../../src/call/apply.ts';
import type { Call } from '../../../src/call/call.ts';
import type { PeerMessage } from '../../../src/cluster/peers.ts';
import { RedisPeers } from '../../../src/cluster/redis-peers.ts';
import { createLogger } from '../../../src/log.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { acceptedPair, NOW, SOME_PROMPT } from '../../support/records.ts';
import { RedisClusterServers } from '../../support/redis-cluster.ts';

const PATIENCE = { timeoutMs: 20_000 };

/** With several connections, some are sure to be to different servers. */
describeWithPeer('redis-server', 'nodes over a Redis Cluster', () => {
  let servers: RedisClusterServers;
  const closing: (() => void)[] = [];

  beforeAll(async () => {
    servers = await RedisClusterServers.start();
  }, 60_000);
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });
  afterAll(() => servers.remove());

  function client(): Cluster {
    const cluster = new Cluster([...servers.nodes], { clusterRetryStrategy: () => 50 });
    cluster.on('error', () => undefined);
    closing.push(() => cluster.disconnect());
    return cluster;
  }

  function make(name: string): RedisPeers {
    const peers = new RedisPeers({
      client: client(),
      subscriber: client(),
      prefix: 'test',
      name,
      leaseMs: 1500,
      load: async (id) => (id === 'call_a' ? acceptedPair('a').call : undefined),
      log: createLogger({ level: 'silent' }),
    });
    closing.unshift(() => peers.close());
    return peers;
  }

  it('know, tell and follow each other as over one server', async () => {
    const names = ['one', 'two', 'three', 'four'];
    const all = names.map(make);
    const told: PeerMessage[][] = all.map(() => []);
    const dead: string[][] = all.map(() => []);
    await Promise.all(
      all.map((peers, i) =>
        peers.start({
          dead: async (token) => void dead[i]?.push(token),
          lost: () => expect.fail('nobody was given up'),
          message: (message) => told[i]?.push(message),
        }),
      ),
    );
    for (const from of all) {
      for (const to of all) {
        if (from === to) continue;
        const message: PeerMessage = { kind: 'settle', callId: from.token };
        await eventually(async () => expect(await from.send(to.token, message)).toBe(true), PATIENCE);
      }
    }
    expect(await all[0]?.send('nobody.0', { kind: 'settle', callId: 'x' })).toBe(false);

    const { call } = acceptedPair('a');
    const seen: Call[][] = all.map(() => []);
    for (const [i, peers] of all.entries()) peers.follow(call.id, (one) => seen[i]?.push(one));
    await eventually(() => {
      all[0]?.publish(markPrepared(call, NOW + 1, SOME_PROMPT));
      expect(seen.map((calls) => calls.at(-1)?.timeline.length)).toEqual([2, 2, 2, 2]);
    }, PATIENCE);

    const last = all.pop();
    last?.close();
    await eventually(
      () => expect(dead.slice(0, 3).map(([token]) => token)).toEqual(all.map(() => last?.token)),
      PATIENCE,
    );
  });
});
