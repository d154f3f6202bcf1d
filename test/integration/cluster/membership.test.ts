import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { StoreLost } from '../../../src/call/persistence.ts';
import { NameTaken } from '../../../src/cluster/membership.ts';
import { NodeRegister } from '../../../src/cluster/node-register.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisServer } from '../../support/redis-server.ts';
import type { TestNode } from './nodes.ts';
import { TestNodes } from './nodes.ts';

const LEASE_MS = 1000;
/** Nobody waits for this one within a test. */
const LONG = { leaseMs: 600_000, beatMs: 100 };

describeWithPeer('redis-server', 'the nodes that share a Redis', () => {
  let server: RedisServer;
  let nodes: TestNodes;

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.remove());
  beforeEach(() => {
    nodes = new TestNodes(server);
  });
  afterEach(async () => {
    const client = nodes.client();
    await client.flushall();
    nodes.close();
  });

  /** All of them know each other. */
  async function acquainted(...all: TestNode[]): Promise<void> {
    await eventually(() => {
      for (const { peers } of all) {
        const beating = peers.known().filter(({ state }) => state !== 'gone');
        expect(beating.map(({ token }) => token).toSorted()).toEqual(
          all.map((one) => one.peers.token).toSorted(),
        );
      }
    });
  }

  async function passed(ms: number): Promise<void> {
    const end = performance.now() + ms;
    await eventually(() => expect(performance.now()).toBeGreaterThan(end), { timeoutMs: 2 * ms });
  }

  it('know each other, and each by a token of its name', async () => {
    const one = await nodes.start('one.example');
    const two = await nodes.start('two');
    await acquainted(one, two);
    expect(one.peers.token).toMatch(/^one\.example\.[0-9a-f]{12}$/);
    expect(one.peers.isAlive(two.peers.token)).toBe(true);
    expect([one.peers.isTrusted(), two.peers.isTrusted()]).toEqual([true, true]);
  });

  it('see who died without a word, not before the lease, and all of them', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two');
    const three = await nodes.start('three');
    await acquainted(one, two, three);
    const diedAt = performance.now();
    three.peers.close();
    expect(three.peers.isTrusted()).toBe(false);
    const { token } = three.peers;
    await eventually(() => expect(one.peers.isAlive(token)).toBe(false), { timeoutMs: 10 * LEASE_MS });
    // Its last beat was a tenth of the lease before it died, at most.
    expect(performance.now() - diedAt).toBeGreaterThan(0.9 * LEASE_MS);
    await eventually(() => expect(two.peers.isAlive(token)).toBe(false));
    await eventually(() => expect([one.dead[0], two.dead[0]]).toEqual([token, token]));
    expect([one.lost, two.lost]).toEqual([[], []]);
  });

  it('are asked again until the calls of the dead are taken over, and once more a lease later', async () => {
    let refusals = 3;
    const one = await nodes.start('one', {
      onDead: async () => {
        refusals -= 1;
        if (refusals >= 0) throw new Error('the store is away');
      },
    });
    const two = await nodes.start('two', LONG);
    await two.peers.leave();
    const { token } = two.peers;
    await eventually(() => expect(one.dead).toEqual([token, token, token, token]));
    await eventually(() => expect(one.dead).toHaveLength(5), { timeoutMs: 10 * LEASE_MS });
  });

  it('do not wait for one that has left', async () => {
    const one = await nodes.start('one', LONG);
    const two = await nodes.start('two', LONG);
    await acquainted(one, two);
    await two.peers.leave();
    await eventually(() => expect(one.peers.isAlive(two.peers.token)).toBe(false));
    expect(one.dead).toEqual([two.peers.token]);
    expect(two.peers.isTrusted()).toBe(false);
  });

  it('refuse a second one of the same name while the first one beats', async () => {
    const first = await nodes.start('one', LONG);
    const second = nodes.make('one', LONG);
    await expect(nodes.begin(second)).rejects.toThrow(NameTaken);
    expect(second.peers.isTrusted()).toBe(false);
    await eventually(() => expect(first.dead).toEqual([second.peers.token]));
    expect(first.peers.isTrusted()).toBe(true);
    expect(first.lost).toEqual([]);
  });

  it('take an earlier process of their name for dead at once', async () => {
    const other = await nodes.start('two', LONG);
    const first = await nodes.start('one', LONG);
    first.peers.close();
    const second = await nodes.start('one', LONG);
    expect(second.peers.isAlive(first.peers.token)).toBe(false);
    expect(second.dead).toEqual([first.peers.token]);
    await eventually(() => expect(other.dead).toEqual([first.peers.token]));
    expect(other.peers.isAlive(second.peers.token)).toBe(true);
  });

  it('take a token that nobody has seen for dead after the lease', async () => {
    const one = await nodes.start('one');
    expect(one.peers.isAlive('ghost.0')).toBe(true);
    await eventually(() => expect(one.peers.isAlive('ghost.0')).toBe(false), { timeoutMs: 10 * LEASE_MS });
    await eventually(() => expect(one.dead).toEqual(['ghost.0']));
  });

  it('give nobody up that has beaten since', async () => {
    const register = new NodeRegister({ client: nodes.client(), prefix: 'x', keepGoneMs: 60_000 });
    await register.register('a.1');
    const { beats } = await register.beat('a.1');
    await register.beat('a.1');
    expect(await register.bury('a.1', beats.get('a.1'))).toBe(false);
    expect((await register.beat('a.1')).standing).toBe('beating');
    const now = (await register.beat('a.1')).beats.get('a.1');
    // Two at once, and once more.
    expect(await Promise.all([register.bury('a.1', now), register.bury('a.1', now)])).toEqual([true, true]);
    const after = await register.beat('a.1');
    expect(after.standing).toBe('gone');
    expect(after.gone).toEqual(['a.1']);
    expect([...after.beats]).toEqual([]);
  });

  it('forget who is no more after a while, and still tell it from a Redis that lost all', async () => {
    const client = nodes.client();
    const register = new NodeRegister({ client, prefix: 'y', keepGoneMs: 50 });
    await register.register('a.1');
    await register.register('b.1');
    await register.leave('a.1');
    await eventually(async () => expect((await register.beat('b.1')).gone).toEqual([]));
    expect((await register.beat('a.1')).standing).toBe('forgotten');
    await client.flushall();
    expect((await register.beat('a.1')).standing).toBe('new_era');
  });

  it('leave no key without an expiry', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two');
    await two.peers.leave();
    await eventually(() => expect(one.dead).toHaveLength(1));
    const client = nodes.client();
    const keys = await client.keys('*');
    expect(keys.toSorted()).toEqual(['test:{nodes}:beats', 'test:{nodes}:era', 'test:{nodes}:gone']);
    for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(0);
  });

  it('outlive a Redis that loses all it held', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two');
    const tokens = [one.peers.token, two.peers.token];
    await nodes.client().flushall();
    await passed(2 * LEASE_MS);
    await acquainted(one, two);
    expect([one.peers.token, two.peers.token]).toEqual(tokens);
    expect([one.dead, two.dead, one.lost, two.lost]).toEqual([[], [], [], []]);
  });

  it('outlive a Redis that stands still for three leases', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two');
    await acquainted(one, two);
    process.kill(server.pid, 'SIGSTOP');
    try {
      await passed(3 * LEASE_MS);
      // They cannot know what the others see.
      expect([one.peers.isTrusted(), two.peers.isTrusted()]).toEqual([false, false]);
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
    await eventually(() => expect([one.peers.isTrusted(), two.peers.isTrusted()]).toEqual([true, true]));
    await passed(2 * LEASE_MS);
    expect([one.dead, two.dead, one.lost, two.lost]).toEqual([[], [], [], []]);
    expect(one.logged.join('')).toMatch(/cannot be seen.*seen again/s);
  });

  it('outlive a Redis that is ended and begins again three leases later', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two');
    await acquainted(one, two);
    await server.stop('SIGKILL');
    await passed(3 * LEASE_MS);
    await server.again();
    await eventually(() => expect([one.peers.isTrusted(), two.peers.isTrusted()]).toEqual([true, true]));
    await passed(2 * LEASE_MS);
    expect([one.dead, two.dead, one.lost, two.lost]).toEqual([[], [], [], []]);
    // And one that dies later is still found.
    two.peers.close();
    await eventually(() => expect(one.dead).toEqual([two.peers.token]), { timeoutMs: 10 * LEASE_MS });
  });

  it('do not hold it against one that it is back half a lease after them', async () => {
    const one = await nodes.start('one');
    const late = new NodeRegister({ client: nodes.client(), prefix: 'test', keepGoneMs: 60_000 });
    const token = 'late.1';
    await late.register(token);
    await eventually(() => expect(one.peers.known().map((node) => node.token)).toContain(token));
    await server.stop();
    await passed(1.5 * LEASE_MS);
    await server.again();
    await eventually(() => expect(one.peers.isTrusted()).toBe(true));
    await passed(LEASE_MS / 2);
    expect((await late.beat(token)).standing).toBe('beating');
    expect(one.dead).toEqual([]);
  });

  it('begin anew where they were given up, and look after what they had', async () => {
    const one = await nodes.start('one', LONG);
    const two = await nodes.start('two', LONG);
    const before = one.peers.token;
    const register = new NodeRegister({ client: nodes.client(), prefix: 'test', keepGoneMs: 60_000 });
    await register.leave(before);
    await eventually(() => expect(one.lost).toEqual([one.peers.token]));
    expect(one.peers.token).not.toBe(before);
    expect(one.peers.isAlive(before)).toBe(false);
    await eventually(() => expect([one.dead, two.dead]).toEqual([[before], [before]]));
    // Told at its new name, and no longer at the old one.
    await eventually(async () =>
      expect(await two.peers.send(one.peers.token, { kind: 'settle', callId: 'call_1' })).toBe(true),
    );
    expect(await two.peers.send(before, { kind: 'settle', callId: 'call_2' })).toBe(false);
    expect(one.messages).toEqual([{ kind: 'settle', callId: 'call_1' }]);
  });

  it('go by no clock that can be set', async () => {
    const one = await nodes.start('one');
    const two = await nodes.start('two');
    await acquainted(one, two);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    try {
      // `eventually` asks the clock that was set.
      await new Promise<void>((resolve) => {
        const end = performance.now() + 2 * LEASE_MS;
        const timer = setInterval(() => {
          if (performance.now() < end) return;
          clearInterval(timer);
          resolve();
        }, 10);
      });
    } finally {
      vi.useRealTimers();
    }
    expect([one.dead, two.dead, one.lost, two.lost]).toEqual([[], [], [], []]);
    expect(one.peers.isTrusted()).toBe(true);
  });

  it('refuse a lease that holds too few beats', () => {
    expect(() => nodes.make('one', { leaseMs: 1000, beatMs: 300 })).toThrow(RangeError);
  });

  it('wait for a Redis that is away while they join, and while they outlive an earlier process', async () => {
    const first = await nodes.start('one');
    const { token } = first.peers;
    first.peers.close();
    await server.stop();
    const node = nodes.make('one');
    const joined = nodes.begin(node);
    await server.again();
    await eventually(() => expect(node.peers.known().map((one) => one.token)).toContain(token));
    await server.stop();
    await server.again();
    await joined;
    expect(node.peers.isTrusted()).toBe(true);
    expect(node.peers.isAlive(token)).toBe(false);
    await eventually(() => expect(node.dead).toContain(token));
  });

  it('give that up where they are to end', async () => {
    await server.stop();
    try {
      const node = nodes.make('one');
      const joined = nodes.begin(node);
      await node.peers.leave();
      await expect(joined).rejects.toThrow(StoreLost);
    } finally {
      await server.again();
    }
  });
});
