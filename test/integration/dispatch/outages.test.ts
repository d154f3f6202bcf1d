import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CapacityAnswer, TrunkLimits } from '../../../src/trunk/capacity.ts';
import { DispatchChild } from '../../support/dispatch-child.ts';
import { DispatchNode, permitOf, Site } from '../../support/dispatch-node.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisServer } from '../../support/redis-server.ts';

const REFUSED = { kind: 'refused', why: 'deadline' };

describeWithPeer('redis-server', 'channels over outages', () => {
  let server: RedisServer;
  let site: Site;
  let nodes: DispatchNode[] = [];
  let children: DispatchChild[] = [];

  beforeEach(async () => {
    server = await RedisServer.start();
    site = new Site();
  });
  afterEach(async () => {
    await Promise.all([...nodes.map((node) => node.close()), ...children.map((child) => child.kill())]);
    nodes = [];
    children = [];
    await server.remove();
  });

  function start(limits: Omit<TrunkLimits, 'id'>): DispatchNode {
    const node = new DispatchNode(server.port, site, [{ id: 'alpha', ...limits }]);
    nodes.push(node);
    return node;
  }

  /** A process of its own that holds permits of these calls. */
  async function holder(channels: number, ...calls: string[]): Promise<DispatchChild> {
    const child = await DispatchChild.start(server.port, 'votp', channels);
    children.push(child);
    for (const callId of calls) {
      child.tell(`acquire ${callId}`);
      await child.hears(`permit ${callId}`);
    }
    return child;
  }

  /** Looks at the channels in use until what this answers is called: the fewest and the most of them. */
  async function watch(node: DispatchNode): Promise<() => Promise<{ least: number; most: number }>> {
    await eventually(() => node.capacity.use());
    const seen: number[] = [];
    const end = new AbortController();
    const watching = (async () => {
      while (!end.signal.aborted) {
        seen.push((await node.capacity.use())[0]?.inUse ?? Number.NaN);
        await sleep(20);
      }
    })();
    return async () => {
      end.abort();
      await watching;
      return { least: Math.min(...seen), most: Math.max(...seen) };
    };
  }

  it('keeps the channel of a call that a killed process had taken from here', async () => {
    const child = await holder(20);
    const node = start({ channels: 20 });
    child.tell('take');
    // Until the other one is faster.
    const taken = await eventually(
      async () => {
        const callId = `call-${Math.random()}`;
        const hangUp = new AbortController();
        const waiting = node.acquire(callId, {}, hangUp.signal);
        const granted = waiting.then((answer) => answer.kind === 'permit' && (answer.permit.release(), true));
        if (await Promise.race([granted, child.hears(`taken ${callId}`).then(() => false)]))
          throw new Error('here');
        node.capacity.moved(callId);
        expect(await waiting).toEqual({ kind: 'moved' });
        return callId;
      },
      { timeoutMs: 30_000 },
    );
    site.attempts.set(`${taken} alpha`, 'up');
    await eventually(async () => expect((await node.capacity.use())[0]?.inUse).toBe(1));
    const seen = await watch(node);
    await child.kill();
    await sleep(12_000);
    expect(await seen()).toEqual({ least: 1, most: 1 });
    site.attempts.set(`${taken} alpha`, 'over');
    await eventually(async () => expect((await node.capacity.use())[0]?.inUse).toBe(0));
  });

  it('keeps the channels of a process that was killed until its calls are over', async () => {
    const child = await holder(2, 'x', 'y');
    const node = start({ channels: 2 });
    site.attempts.set('x alpha', 'up').set('y alpha', 'up');
    const stop = await watch(node);
    let served: CapacityAnswer | undefined;
    const waiting = node.acquire('waits', { waitMs: 60_000 }).then((answer) => {
      served = answer;
      return answer;
    });
    await child.kill();
    await sleep(12_000);
    expect(served).toBeUndefined();
    expect(await stop()).toEqual({ least: 2, most: 2 });
    site.attempts.set('x alpha', 'over');
    const permit = permitOf(await waiting);
    expect(node.offered).toEqual([]);
    expect((await node.capacity.use())[0]).toMatchObject({ inUse: 2, waiting: 0 });
    site.attempts.set('y alpha', 'none');
    // Of that one nobody knows whether it was dialled at all: whoever has it now is asked.
    await eventually(() => expect(node.offered[0]).toMatchObject({ callId: 'y', trunkId: 'alpha' }));
    // It may still dial.
    expect((await node.capacity.use())[0]?.inUse).toBe(2);
    site.attempts.set('y alpha', 'over');
    await eventually(async () => expect((await node.capacity.use())[0]?.inUse).toBe(1));
    permit.release();
    await eventually(async () => expect((await node.capacity.use())[0]?.inUse).toBe(0));
  });

  it('keeps the channels of a process that stood still, and frees them as it says, later', async () => {
    const child = await holder(2, 'x', 'y');
    const node = start({ channels: 2 });
    site.attempts.set('x alpha', 'up').set('y alpha', 'up');
    const stop = await watch(node);
    let served = false;
    const waiting = node.acquire('waits', { waitMs: 60_000 }).then((answer) => {
      served = true;
      return answer;
    });
    child.signal('SIGSTOP');
    await sleep(8000);
    child.signal('SIGCONT');
    await sleep(4000);
    expect(served).toBe(false);
    expect(await stop()).toEqual({ least: 2, most: 2 });
    child.tell('release x');
    site.attempts.set('x alpha', 'over').set('y alpha', 'over');
    permitOf(await waiting).release();
    await eventually(async () => expect((await node.capacity.use())[0]?.inUse).toBe(0), {
      timeoutMs: 10_000,
    });
  });

  it('gives a job that comes again to the permit that holds it', async () => {
    const node = start({ channels: 1 });
    const permit = permitOf(await node.acquire('holds'));
    let served = false;
    const waiting = node.acquire('waits', { waitMs: 60_000 }).then((answer) => {
      served = true;
      return answer;
    });
    const client = new Redis(server.port);
    const keys = '{votp-q-alpha}:trunk-alpha';
    const [job = ''] = await client.lrange(`${keys}:active`, 0, -1);
    // As BullMQ does with a job of a worker that was silent.
    const moved = client.multi().del(`${keys}:${job}:lock`).lrem(`${keys}:active`, 1, job);
    await moved
      .hincrby(`${keys}:${job}`, 'stc', 1)
      .rpush(`${keys}:wait`, job)
      .zadd(`${keys}:marker`, 0, '0')
      .exec();
    await eventually(async () => expect(await client.lrange(`${keys}:active`, 0, -1)).toEqual([job]));
    expect(await client.hget(`${keys}:${job}`, 'ats')).toBe('2');
    await sleep(1000);
    expect(served).toBe(false);
    expect((await node.capacity.use())[0]).toMatchObject({ inUse: 1, waiting: 1 });
    permit.release();
    permitOf(await waiting).release();
    expect(node.offered).toEqual([]);
    await eventually(async () => expect((await node.capacity.use())[0]?.inUse).toBe(0));
    client.disconnect();
  });

  it('keeps a channel over an outage of Redis that is longer than a lock, kept ones too', async () => {
    const node = start({ channels: 2 });
    const other = start({ channels: 2 });
    other.room = 0;
    const permits = await Promise.all(['x', 'y'].map(async (callId) => permitOf(await node.acquire(callId))));
    node.room = 0;
    const over = permits.map((permit) => permit.keep());
    let served = false;
    const waiting = other.acquire('waits', { waitMs: 60_000 }).then((answer) => {
      served = true;
      return answer;
    });
    await server.stop();
    site.attempts.set('x alpha', 'over').set('y alpha', 'over');
    permits[0]?.release();
    await sleep(8000);
    await server.again();
    await sleep(6000);
    expect(served).toBe(false);
    expect((await node.capacity.use())[0]).toMatchObject({ inUse: 2, waiting: 1 });
    over[0]?.();
    permitOf(await waiting).release();
    permits[1]?.release();
    over[1]?.();
    await eventually(async () => expect((await node.capacity.use())[0]?.inUse).toBe(0));
    expect([...node.offered, ...other.offered]).toEqual([]);
  });

  it('serves those who wait when Redis is back, and refuses the others in time', async () => {
    const node = start({ channels: 1 });
    const permit = permitOf(await node.acquire('first'));
    const waits = node.acquire('waits');
    await eventually(async () => expect((await node.capacity.use())[0]?.waiting).toBe(1));
    await server.stop('SIGKILL');
    const begun = performance.now();
    const comes = node.acquire('comes');
    const hangUp = new AbortController();
    const aborted = node.acquire('is aborted', {}, hangUp.signal);
    expect(await node.acquire('is late', { waitMs: 500 })).toEqual(REFUSED);
    expect(await node.acquire('at once', { waitMs: 0 })).toEqual(REFUSED);
    expect(performance.now() - begun).toBeLessThan(2500);
    await expect(node.capacity.use()).rejects.toMatchObject({ code: 'store_unavailable' });
    hangUp.abort();
    expect(await aborted).toEqual({ kind: 'refused', why: 'aborted' });
    permit.release();
    await server.again();
    const served = await Promise.all(
      [waits, comes].map(async (answer) => {
        permitOf(await answer).release();
      }),
    );
    expect(served).toHaveLength(2);
    await eventually(
      async () => expect(await node.capacity.use()).toMatchObject([{ inUse: 0, waiting: 0 }]),
      { timeoutMs: 10_000 },
    );
  });

  it('refuses in time while Redis stands still, and leaves nothing behind', async () => {
    const node = start({ channels: 1, cps: 20 });
    const permit = permitOf(await node.acquire('first'));
    process.kill(server.pid, 'SIGSTOP');
    const begun = performance.now();
    expect(await node.acquire('is late', { waitMs: 500 })).toEqual(REFUSED);
    expect(performance.now() - begun).toBeLessThan(1500);
    await expect(permit.moment(new AbortController().signal)).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    permit.release();
    process.kill(server.pid, 'SIGCONT');
    await eventually(
      async () => expect(await node.capacity.use()).toMatchObject([{ inUse: 0, waiting: 0 }]),
      { timeoutMs: 10_000 },
    );
    permitOf(await node.acquire('later')).release();
  });

  it('ends soon, whatever it waits for, and leaves nothing open', async () => {
    const child = await holder(1, 'x');
    child.tell('acquire waits');
    child.tell('close');
    await child.hears('refused waits');
    await eventually(() => expect(child.exitCode).toBe(0));
    const other = await holder(5, 'y');
    await server.stop();
    other.tell('acquire waits');
    other.tell('close');
    await other.hears('refused waits');
    await eventually(() => expect(other.exitCode).toBe(0));
  });

  it('begins without Redis, and serves when it is there', async () => {
    await server.stop();
    const node = start({ channels: 3, cps: 10 });
    const waits = node.acquire('waits');
    await sleep(500);
    await server.again();
    permitOf(await waits).release();
    await eventually(async () => {
      expect(await node.capacity.use()).toMatchObject([{ channels: 3, cps: 10, inUse: 0, waiting: 0 }]);
    });
  });
});
