import { once } from 'node:events';
import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RedisClient } from '../../src/redis/script.ts';
import { cliTally, FLASH_CALLS } from '../support/cli-calls.ts';
import { eventually } from '../support/eventually.ts';
import { describeWithPeer } from '../support/peers.ts';
import { acceptedPair } from '../support/records.ts';
import { RedisClusterServers } from '../support/redis-cluster.ts';
import { RedisServer } from '../support/redis-server.ts';
import { redisStore } from '../support/redis-store.ts';
import { StoreProcesses } from '../support/store-processes.ts';
import type { StoreUnderTest } from './store-contract.ts';
import { storeContract } from './store-contract.ts';

let prefixes = 0;

/** What a test calls its keys: it sees those of no other test. */
function freshPrefix(): string {
  prefixes += 1;
  return `t${prefixes}`;
}

/** @param connect makes a client, each time another one */
function underTest(connect: () => RedisClient): StoreUnderTest {
  const prefix = freshPrefix();
  const clients: RedisClient[] = [];
  const open = () => {
    const client = connect();
    clients.push(client);
    return redisStore(client, prefix);
  };
  return {
    store: open(),
    beside: async () => open(),
    remove: async () => {
      await Promise.all(clients.map((client) => client.quit()));
    },
  };
}

describeWithPeer('redis-server', 'on one redis-server', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.remove());

  storeContract('Redis', async () => underTest(() => new Redis(server.port)));

  describe('RedisStore of several processes', () => {
    const processes = new StoreProcesses();
    let client: Redis;
    let prefix: string;
    let where: string;

    beforeEach(() => {
      client = new Redis(server.port);
      prefix = freshPrefix();
      where = `redis:${server.port}:${prefix}`;
    });
    afterEach(async () => {
      processes.end();
      await client.quit();
    });

    it('loses nothing that was accepted when a process is killed', { timeout: 30_000 }, async () => {
      const { child, lines } = processes.start('accept', where);
      await eventually(() => expect(lines().length).toBeGreaterThan(200), { timeoutMs: 20_000 });
      child.kill('SIGKILL');
      await once(child, 'exit');
      const store = redisStore(client, prefix);
      const unfinished = await store.unfinishedCalls();
      const ids = new Set(unfinished.map(({ id }) => id));
      expect(lines().filter((id) => !ids.has(id))).toEqual([]);
      for (const call of unfinished) {
        expect((await store.verification(String(call.verificationId)))?.callId).toBe(call.id);
      }
      // None is missing in the list of all, whatever the process was about when it was killed.
      const listed = new Set<string>();
      for (let after: string | undefined; ; ) {
        const page = await store.calls({ limit: 500, ...(after === undefined ? {} : { after }) });
        for (const { id } of page) listed.add(id);
        after = page.at(-1)?.id;
        if (page.length < 500) break;
      }
      expect([...listed].sort()).toEqual([...ids].sort());
    });

    it('accepts each call once when Redis is killed meanwhile, and loses none', {
      timeout: 60_000,
    }, async () => {
      const other = await RedisServer.start('--appendfsync', 'always');
      try {
        const { lines } = processes.start('accept', `redis:${other.port}:${prefix}`);
        await eventually(() => expect(lines().length).toBeGreaterThan(200), { timeoutMs: 20_000 });
        await other.stop('SIGKILL');
        const before = lines().length;
        await other.again();
        // Commands whose answer was lost are sent again: none of them may find that its own id is taken.
        await eventually(() => expect(lines().length).toBeGreaterThan(before + 100), { timeoutMs: 20_000 });
        processes.end();
        const accepted = lines();
        expect(new Set(accepted).size).toBe(accepted.length);
        await other.ask(async (connection) => {
          const ids = new Set((await redisStore(connection, prefix).unfinishedCalls()).map(({ id }) => id));
          expect(accepted.filter((id) => !ids.has(id))).toEqual([]);
        });
      } finally {
        await other.remove();
      }
    });

    it('decides checks of two processes as if they were one', { timeout: 30_000 }, async () => {
      const store = redisStore(client, prefix);
      for (const name of ['right', 'wrong']) {
        const { verification, call } = acceptedPair(name);
        await store.accept(verification, call, null);
      }
      expect(await processes.checkTogether(where)).toEqual({ approved: 1, wrong: 5 });
    });

    it('takes the numbers of 10,000 flash calls in two processes as if they were one', {
      timeout: 120_000,
    }, async () => {
      const halves = await processes.takeTogether(where);
      expect(halves.map((calls) => calls.length)).toEqual([FLASH_CALLS / 2, FLASH_CALLS / 2]);
      const tally = cliTally(halves.flat());
      expect(tally).toMatchObject({ reused: 0, none: 0 });
      expect(tally.fewestUses).toBeGreaterThanOrEqual(45);
      expect(tally.mostUses).toBeLessThanOrEqual(55);
      const [pool = ''] = await client.zrangebyscore(`${prefix}:{cli}:pools`, '-inf', '+inf');
      const uses = await client.hvals(`${prefix}:{cli}:pool:${pool}`);
      expect(uses.reduce((sum, text) => sum + Number(text.split(':')[0]), 0)).toBe(FLASH_CALLS);
    });
  });
});

describeWithPeer('redis-server', 'on a Redis Cluster of three', () => {
  let servers: RedisClusterServers;

  beforeAll(async () => {
    servers = await RedisClusterServers.start();
  });
  afterAll(() => servers.remove());

  storeContract('Redis Cluster', async () => underTest(() => new Cluster([...servers.nodes])));
});
