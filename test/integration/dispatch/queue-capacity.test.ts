import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { CapacityAnswer, TrunkLimits } from '../../../src/trunk/capacity.ts';
import { DispatchNode, permitOf, Site } from '../../support/dispatch-node.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisServer } from '../../support/redis-server.ts';

describeWithPeer('redis-server', 'the queues of trunks', () => {
  let server: RedisServer;
  let nodes: DispatchNode[] = [];
  let prefixes = 0;

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    nodes = [];
  });
  afterAll(() => server.remove());

  /** Nodes of a site of their own. */
  function start(count: number, limits: Omit<TrunkLimits, 'id'>, extra = {}): DispatchNode[] {
    const site = new Site();
    prefixes += 1;
    const options = { prefix: `p${prefixes}`, ...extra };
    nodes = Array.from(
      { length: count },
      () => new DispatchNode(server.port, site, [{ id: 'alpha', ...limits }], options),
    );
    return nodes;
  }

  function only(limits: Omit<TrunkLimits, 'id'>): DispatchNode {
    const [node] = start(1, limits);
    if (node === undefined) throw new Error('no node');
    return node;
  }

  it('gives a permit, and the channel again once it is over', async () => {
    const node = only({ channels: 1 });
    const first = permitOf(await node.acquire('a'));
    const second = node.acquire('b');
    await eventually(async () => {
      expect(await node.capacity.use()).toMatchObject([{ inUse: 1, waiting: 1 }]);
    });
    const over = first.keep();
    first.release();
    expect(await Promise.race([second, node.acquire('c', { waitMs: 300 })])).toEqual({
      kind: 'refused',
      why: 'deadline',
    });
    over();
    permitOf(await second).release();
    await eventually(async () => {
      expect(await node.capacity.use()).toMatchObject([{ inUse: 0, waiting: 0 }]);
    });
  });

  it('serves in the order of priority, and of coming', async () => {
    const node = only({ channels: 1 });
    const first = permitOf(await node.acquire('first'));
    const served: string[] = [];
    const wanted = [
      ['d', 9],
      ['b', 3],
      ['a', 0],
      ['c', 3],
    ] as const;
    const waiting: Promise<void>[] = [];
    for (const [index, [callId, priority]] of wanted.entries()) {
      waiting.push(
        node.acquire(callId, { priority }).then((answer) => {
          served.push(callId);
          permitOf(answer).release();
        }),
      );
      await eventually(async () => expect((await node.capacity.use())[0]?.waiting).toBe(index + 1));
    }
    first.release();
    await Promise.all(waiting);
    expect(served).toEqual(['a', 'b', 'c', 'd']);
  });

  it('refuses whoever waited too long, was given up, comes at once or after the end', async () => {
    const node = only({ channels: 1 });
    const permit = permitOf(await node.acquire('first', { waitMs: 0 }));
    const hangUp = new AbortController();
    const late = node.acquire('late', { waitMs: 200 });
    const atOnce = node.acquire('at once', { waitMs: 0 });
    const aborted = node.acquire('aborted', {}, hangUp.signal);
    const closed = node.acquire('closed');
    expect(await atOnce).toEqual({ kind: 'refused', why: 'deadline' });
    expect(await late).toEqual({ kind: 'refused', why: 'deadline' });
    hangUp.abort();
    expect(await aborted).toEqual({ kind: 'refused', why: 'aborted' });
    await eventually(async () => {
      expect(await node.capacity.use()).toMatchObject([{ inUse: 1, waiting: 1 }]);
    });
    node.capacity.limit([]);
    expect(await closed).toEqual({ kind: 'refused', why: 'closed' });
    expect(await node.acquire('later')).toEqual({ kind: 'refused', why: 'closed' });
    permit.release();
    node.capacity.limit([{ id: 'alpha', channels: 1 }]);
    permitOf(await node.acquire('again')).release();
  });

  it('never has more channels in use than there are, over 300 calls of 3 nodes', async () => {
    const group = start(3, { channels: 7 });
    let inUse = 0;
    let most = 0;
    let permits = 0;
    const use = async (answer: CapacityAnswer): Promise<void> => {
      if (answer.kind === 'moved') return;
      const permit = permitOf(answer);
      permits += 1;
      inUse += 1;
      most = Math.max(most, inUse);
      const over = permit.keep();
      setTimeout(() => permit.release(), Math.random() * 20);
      await new Promise((resolve) => {
        setTimeout(resolve, Math.random() * 40);
      });
      permit.release();
      inUse -= 1;
      over();
    };
    for (const node of group) {
      node.onOffer = async (call, permit) => {
        // Those that it will not have are not used.
        queueMicrotask(() => {
          if (node.taken.some((one) => one.call === call)) void use({ kind: 'permit', permit });
        });
        return undefined;
      };
    }
    const calls = Array.from({ length: 300 }, (_, i) => group[i % 3]?.acquire(`call_${i}`, { waitMs: 60_000 }));
    const answers = await Promise.all(
      calls.map(async (answer) => {
        const given = (await answer) as CapacityAnswer;
        await use(given);
        return given.kind;
      }),
    );
    await eventually(() => expect(permits).toBe(300));
    await eventually(() => expect(inUse).toBe(0));
    expect(most).toBe(7);
    expect(answers.filter((kind) => kind === 'moved').length).toBe(group.flatMap(({ taken }) => taken).length);
    expect(answers).toContain('moved');
  });

  it('lets another node carry a call, and does not where it is not to be had', async () => {
    const [here, there] = start(2, { channels: 1 });
    if (here === undefined || there === undefined) throw new Error('no nodes');
    here.room = 0;
    const first = permitOf(await here.acquire('first'));
    there.onOffer = async () => false;
    const refused = here.acquire('not to be had', { waitMs: 30_000 });
    there.room = 0;
    const moves = here.acquire('moves', { waitMs: 30_000 });
    const elsewhere = here.acquire('moves', { waitMs: 30_000, trunkId: 'alpha', priority: 9 });
    await eventually(async () => expect((await here.capacity.use())[0]?.waiting).toBe(3));
    there.room = 5;
    first.release();
    // It comes back to who waits with it, whoever was asked before.
    const permit = permitOf(await refused);
    there.onOffer = async () => undefined;
    here.capacity.moved('nobody');
    await here.close();
    permit.release();
    expect(await Promise.all([moves, elsewhere])).toHaveLength(2);
  });
});
