import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { redisClock } from '../../../src/redis/clock.ts';
import type { RedisLink } from '../../../src/redis/connection.ts';
import { type RedisScript, runScript } from '../../../src/redis/script.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisClusterServers } from '../../support/redis-cluster.ts';
import { expectAway, expectBack, readyLinkTo } from '../../support/redis-outage.ts';

const COUNT: RedisScript = {
  name: 'testCount',
  keys: 1,
  lua: `
-- KEYS 1: a number; ARGV none. Result: that number, one more than it was
local count = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], 60)
return count
`,
};

describeWithPeer('redis-server', 'a Redis Cluster', () => {
  let servers: RedisClusterServers;
  let link: RedisLink;
  beforeAll(async () => {
    servers = await RedisClusterServers.start();
  });
  afterAll(() => servers.remove());
  beforeEach(async () => {
    await servers.ready();
    // One node is enough to find the others.
    link = await readyLinkTo({ cluster: { nodes: servers.nodes.slice(0, 1) } });
  });
  afterEach(() => link.close());

  const count = (tag: number): Promise<unknown> => runScript(link.client, COUNT, [`votp:{${tag}}:count`], []);
  /** On all nodes: so many tags leave none of them out. */
  const everywhere = (): Promise<unknown[]> =>
    Promise.all(Array.from({ length: 40 }, (_, tag) => count(tag)));
  const server = (index: number) => servers.servers[index] ?? expect.fail(`no server ${index}`);

  it('runs scripts where their keys are, at once on all nodes', async () => {
    expect(await everywhere()).toEqual(Array(40).fill(1));
    expect(await everywhere()).toEqual(Array(40).fill(2));
    const sizes = await Promise.all(servers.servers.map((node) => node.ask((client) => client.dbsize())));
    expect(sizes.every((size) => size > 0)).toBe(true);
  });

  it('that has lost a master is away, and back with it', async () => {
    await everywhere();
    await server(1).stop('SIGKILL');
    await expectAway(everywhere);
    await expectAway(everywhere);
    await server(1).again();
    await expectBack(everywhere);
  });

  it('of which a master hangs is away, and back with it', async () => {
    await everywhere();
    server(2).pause();
    for (let i = 0; i < 3; i++) await expectAway(everywhere);
    server(2).resume();
    await expectBack(everywhere);
  });

  it('that is restarted as a whole is found again', async () => {
    await everywhere();
    await Promise.all(servers.servers.map((node) => node.stop('SIGKILL')));
    await expectAway(everywhere);
    await Promise.all(servers.servers.map((node) => node.again()));
    await expectBack(everywhere);
  });

  it('of which a slot moves is followed', async () => {
    const key = 'votp:{moving}:count';
    const run = (): Promise<unknown> => runScript(link.client, COUNT, [key], []);
    await run();
    const slot = await server(0).ask((client) => client.cluster('KEYSLOT', key));
    const ids = await Promise.all(
      servers.servers.map((node) => node.ask((client) => client.cluster('MYID'))),
    );
    const slots = await Promise.all(
      servers.servers.map((node) => node.ask((client) => client.exists(key).catch(() => 0))),
    );
    const from = slots.indexOf(1);
    const to = (from + 1) % servers.servers.length;
    await server(from).ask((client) => client.del(key));
    for (const index of [to, from]) {
      await server(index).ask((client) => client.cluster('SETSLOT', slot, 'NODE', String(ids[to])));
    }
    expect(await expectBack(run)).toBe(1);
    await eventually(async () => expect(await server(to).ask((client) => client.get(key))).toBe('1'));
  });

  it('passes messages on, and goes on where the node that was listened to dies', async () => {
    const heard = new Set<string>();
    const subscriber = link.subscriber();
    subscriber.on('message', (_, message) => heard.add(message));
    await subscriber.subscribe('votp:news');
    const told = (text: string) =>
      eventually(
        async () => {
          for (const node of servers.servers) await node.ask((client) => client.publish('votp:news', text));
          expect([...heard]).toContain(text);
        },
        { timeoutMs: 10_000, intervalMs: 100 },
      );
    await told('first');
    const listenedTo = servers.servers.findIndex(({ port }) => port === subscriber.options.port);
    await server(listenedTo).stop('SIGKILL');
    await eventually(
      () => {
        expect(subscriber.status).toBe('ready');
        expect(subscriber.options.port).not.toBe(server(listenedTo).port);
      },
      { timeoutMs: 10_000 },
    );
    await server(listenedTo).again();
    await told('second');
  });

  it('has one clock, whichever of our nodes asks', async () => {
    const clock = redisClock(link.client, 'votp');
    await clock.start();
    const [seconds] = await server(0).ask((client) => client.time());
    expect(Math.abs(clock.now() - Number(seconds) * 1000)).toBeLessThan(2000);
    clock.close();
  });
});
