import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { CapacityAnswer, TrunkLimits } from '../../../src/trunk/capacity.ts';
import { type DispatchNode, permitOf } from '../../support/dispatch-node.ts';
import { DispatchNodes } from '../../support/dispatch-nodes.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';

describeWithPeer('redis-server', 'the queues of trunks', () => {
  let nodes: DispatchNodes;

  beforeAll(async () => {
    nodes = await DispatchNodes.open();
  });
  afterEach(() => nodes.close());
  afterAll(() => nodes.remove());

  function only(limits: Omit<TrunkLimits, 'id'>): DispatchNode {
    const [node] = nodes.start(1, limits);
    if (node === undefined) throw new Error('no node');
    return node;
  }

  /** The first of them carries its own calls only. */
  function pair(limits: Omit<TrunkLimits, 'id'>, extra = {}): readonly [DispatchNode, DispatchNode] {
    const [here, there] = nodes.start(2, limits, extra);
    if (here === undefined || there === undefined) throw new Error('no nodes');
    here.room = 0;
    return [here, there];
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
    // At once is a tenth of a second where Redis is asked, in which this process may have been busy.
    const permit = await eventually(async () => permitOf(await node.acquire('first', { waitMs: 0 })));
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
    const group = nodes.start(3, { channels: 7 });
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
      node.onTaken = (_, permit) => void use({ kind: 'permit', permit });
    }
    const calls = Array.from({ length: 300 }, (_, i) =>
      group[i % 3]?.acquire(`call_${i}`, { waitMs: 60_000 }),
    );
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
    expect(answers.filter((kind) => kind === 'moved').length).toBe(
      group.flatMap(({ taken }) => taken).length,
    );
    expect(answers).toContain('moved');
  });

  it('gives a call to the node that has picked it up', async () => {
    const [here, there] = pair({ channels: 1 });
    const first = permitOf(await there.acquire('first'));
    const moves = here.acquire('moves');
    const alsoHere = here.acquire('moves', { priority: 9 });
    await eventually(async () => expect((await here.capacity.use())[0]?.waiting).toBe(2));
    first.release();
    expect(await moves).toEqual({ kind: 'moved' });
    expect(await alsoHere).toEqual({ kind: 'moved' });
    expect(there.taken.map(({ call }) => call)).toEqual([
      { callId: 'moves', from: here.token, trunkId: 'alpha' },
    ]);
    await eventually(async () => {
      expect(await here.capacity.use()).toMatchObject([{ inUse: 1, waiting: 0 }]);
    });
    there.taken[0]?.permit.release();
    await eventually(async () => expect((await here.capacity.use())[0]?.inUse).toBe(0));
  });

  it('serves a call where it waits that nobody else will have', async () => {
    const [here, there] = pair({ channels: 1 });
    there.onOffer = async () => {
      there.room = 0;
      return false;
    };
    const first = permitOf(await there.acquire('first'));
    const wanted = here.acquire('wanted');
    await eventually(async () => expect((await here.capacity.use())[0]?.waiting).toBe(1));
    first.release();
    permitOf(await wanted).release();
    expect(there.offered.length).toBeGreaterThan(0);
    expect(there.taken).toEqual([]);
    await eventually(async () => expect((await here.capacity.use())[0]?.inUse).toBe(0));
  });

  it('leaves calls of others alone where there is no room for them', async () => {
    const [here, there] = pair({ channels: 1 });
    there.room = 0;
    const first = permitOf(await there.acquire('first'));
    const foreign = here.acquire('foreign');
    await eventually(async () => expect((await here.capacity.use())[0]?.waiting).toBe(1));
    const begun = performance.now();
    first.release();
    const second = permitOf(await foreign);
    expect(performance.now() - begun).toBeLessThan(1500);
    second.release();
    // Now one of its own is behind one of the other node: it gets to it, in the order of the line.
    const third = permitOf(await there.acquire('third'));
    const order: string[] = [];
    const waiting = [here, there].map(async (node, index) => {
      await eventually(async () => expect((await here.capacity.use())[0]?.waiting).toBe(index));
      const callId = index === 0 ? 'next' : 'own';
      const permit = permitOf(await node.acquire(callId));
      order.push(callId);
      permit.release();
    });
    await eventually(async () => expect((await here.capacity.use())[0]?.waiting).toBe(2));
    third.release();
    await Promise.all(waiting);
    expect(order).toEqual(['next', 'own']);
    expect(there.offered).toEqual([]);
  });

  it('asks for the room of each call, and counts none twice', async () => {
    const [here, there] = pair({ channels: 2 });
    const permits = [permitOf(await there.acquire('a')), permitOf(await there.acquire('b'))];
    const moves = ['x', 'y'].map((callId) => here.acquire(callId));
    await eventually(async () => expect((await here.capacity.use())[0]?.waiting).toBe(2));
    there.room = 1;
    for (const permit of permits) {
      permit.release();
      await eventually(() => expect(there.taken.length).toBe(permits.indexOf(permit) + 1));
    }
    expect(await Promise.all(moves)).toEqual([{ kind: 'moved' }, { kind: 'moved' }]);
    for (const { permit } of there.taken) permit.release();
  });

  it('takes what it has given back, and those who waited, out of the queue before it ends', async () => {
    const [here, there] = pair({ channels: 1 });
    there.room = 0;
    const permit = permitOf(await here.acquire('first'));
    const waits = here.acquire('waits');
    await eventually(async () => expect((await there.capacity.use())[0]?.waiting).toBe(1));
    permit.release();
    await here.close();
    const inUse = (await waits).kind === 'permit' ? 1 : 0;
    expect((await there.capacity.use())[0]).toMatchObject({ inUse, waiting: 0 });
  });

  it('never carries more calls of others than its media can', async () => {
    const [here, there] = pair({}, { maxCarried: 4 });
    const blocked = await Promise.all(
      Array.from({ length: 4 }, async (_, i) => permitOf(await there.acquire(`own_${i}`))),
    );
    const waiting = Array.from({ length: 20 }, (_, i) => here.acquire(`call_${i}`));
    const answers = await Promise.all(waiting);
    expect(answers.every(({ kind }) => kind === 'permit')).toBe(true);
    expect(there.taken).toEqual([]);
    for (const permit of blocked) permit.release();
  });
});
