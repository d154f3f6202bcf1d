import { afterAll, beforeAll, expect, it } from 'vitest';
import { DispatchNode, permitOf, Site } from '../../support/dispatch-node.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisClusterServers } from '../../support/redis-cluster.ts';

describeWithPeer('redis-server', 'the queues of trunks in a Redis Cluster', () => {
  let servers: RedisClusterServers;
  beforeAll(async () => {
    servers = await RedisClusterServers.start();
  });
  afterAll(() => servers.remove());

  it('serves all trunks, whichever node of Redis has them', async () => {
    const site = new Site();
    const ids = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'];
    const trunks = ids.map((id) => ({ id, channels: 1, cps: 20 }));
    const [here, there] = [0, 1].map(
      () => new DispatchNode({ cluster: { nodes: servers.nodes } }, site, trunks, { prefix: 'c' }),
    );
    if (here === undefined || there === undefined) throw new Error('no nodes');
    here.room = 0;
    await Promise.all([here.ready(), there.ready()]);
    const { signal } = new AbortController();
    try {
      const served = ids.map(async (trunkId) => {
        const first = permitOf(await there.acquire(`first_${trunkId}`, { trunkId }));
        await first.moment(signal);
        first.leaving();
        first.sent();
        const moves = here.acquire(`moves_${trunkId}`, { trunkId });
        await eventually(async () => {
          const use = (await here.capacity.use()).find((one) => one.trunkId === trunkId);
          expect(use).toMatchObject({ inUse: 1, waiting: 1 });
        });
        first.release();
        expect(await moves).toEqual({ kind: 'moved' });
      });
      await Promise.all(served);
      expect(there.taken.map(({ call }) => call.trunkId).toSorted()).toEqual(ids.toSorted());
      for (const { permit } of there.taken) permit.release();
      await eventually(async () => {
        for (const use of await here.capacity.use()) expect(use).toMatchObject({ inUse: 0, waiting: 0 });
      });
    } finally {
      await Promise.all([here.close(), there.close()]);
    }
  });
});
