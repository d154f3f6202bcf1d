import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { endCall } from '../../src/call/apply.ts';
import type { Call } from '../../src/call/call.ts';
import { createCall } from '../../src/call/call.ts';
import { FRESH_MS } from '../../src/store/redis/accept-scripts.ts';
import { RedisLedger } from '../../src/store/redis/ledger.ts';
import { Outbox } from '../../src/store/redis/outbox.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { createNotice } from '../../src/webhooks/notice.ts';
import { endedCall } from '../support/cdr-calls.ts';
import { eventually } from '../support/eventually.ts';
import { describeWithPeer } from '../support/peers.ts';
import { acceptedPair, NOW } from '../support/records.ts';
import { RedisServer } from '../support/redis-server.ts';
import { RETENTION_MS, redisStore } from '../support/redis-store.ts';

describeWithPeer('redis-server', 'what Redis keeps', () => {
  let server: RedisServer;
  let client: Redis;
  let store: RedisStore;

  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.port);
  });
  beforeEach(async () => {
    await client.flushall();
    store = redisStore(client, 'votp');
  });
  afterAll(async () => {
    await client.quit();
    await server.remove();
  });

  const keysOf = async (of = client): Promise<readonly string[]> => (await of.keys('*')).sort();

  /** A verification and its call, of the family of the key `shop 1`. */
  async function acceptWithRequest(): Promise<ReturnType<typeof acceptedPair>> {
    const pair = acceptedPair('a_f4', { sealedCode: 'SEALED-CODE', sealedCli: 'SEALED-CLI' });
    const request = { key: 'shop 1', fingerprint: 'f', reply: '{}', expiresAt: NOW + 86_400_000 };
    expect(await store.accept(pair.verification, pair.call, request)).toEqual({ kind: 'accepted' });
    return pair;
  }

  it('gives every key an expiry, by its retention', async () => {
    const { call } = await acceptWithRequest();
    const lives = async (what: string): Promise<number> => client.pttl(`votp:{f4}:${what}`);
    const about = (ms: number): [number, number] => [ms - 60_000, ms];
    const expectLife = async (what: string, ms: number): Promise<void> => {
      const [least, most] = about(ms);
      expect(await lives(what)).toBeGreaterThan(least);
      expect(await lives(what)).toBeLessThanOrEqual(most);
    };
    await expectLife('verification:ver_a_f4', RETENTION_MS.verifications + 600_000);
    await expectLife('call:call_a_f4', RETENTION_MS.calls);
    await store.takeCli({
      clis: ['1', '2'],
      callee: 'c',
      now: NOW,
      reuseWindowMs: 1000,
      fewest: 1,
      random: 0,
    });
    await store.ping();
    const ended = { ...endedCall('a_f4'), verificationId: call.verificationId };
    expect(await store.finishCall(ended, true, NOW + 70_000)).toBe(true);
    await expectLife('verification:ver_a_f4', RETENTION_MS.verifications);
    const keys = await keysOf();
    expect(keys.map((key) => key.replace(/^votp:\{\w+\}:/, '').replace(/:.*/, ''))).toEqual(
      expect.arrayContaining(['all', 'client', 'fresh', 'call', 'calls', 'final', 'verification']),
    );
    expect(keys.map((key) => key.replace(/^votp:\{\w+\}:/, '').replace(/:.*/, ''))).toEqual(
      expect.arrayContaining(['request', 'requests', 'callees', 'pools', 'pool', 'shown', 'beat']),
    );
    for (const key of keys.filter((one) => !one.startsWith('votp:{cdr}:'))) {
      expect([key, await client.pttl(key)]).toEqual([key, expect.toSatisfy((ms: number) => ms > 0)]);
    }
  });

  it('gives every key of a notice and of an alias an expiry, and leaves none when all is told', async () => {
    const { verification, call } = acceptedPair('a_f4');
    const target = { format: 'standard', url: null, method: 'POST', events: null, fields: {} } as const;
    const about = { clientId: 'shop', callId: call.id, verificationId: verification.id, target, now: NOW };
    const notice = createNotice(about);
    await store.accept(verification, call, null, { alias: 'shop 1', notice });
    const own = async (): Promise<readonly string[]> =>
      (await keysOf()).filter((key) => /:(?:notice|alias)/.test(key));
    const expectMortal = async (...names: string[]): Promise<void> => {
      const keys = await own();
      expect(keys.map((key) => key.replace(/^votp:\{f4\}:/, '').replace(/alias:.*/, 'alias'))).toEqual(names);
      for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(RETENTION_MS.verifications);
    };
    await expectMortal('alias', 'notice:ntc_a_f4', 'notices:due', 'notices:open');
    await store.notices.claim(notice.id, 'me', NOW, NOW + 9);
    await store.notices.put({ ...notice, state: 'dead' }, 'me');
    await expectMortal('alias', 'notice:ntc_a_f4', 'notices:dead', 'notices:dead:shop');
    await store.notices.revive(notice.id, NOW);
    await expectMortal('alias', 'notice:ntc_a_f4', 'notices:due', 'notices:open');
    await store.notices.claim(notice.id, 'you', NOW, NOW + 9);
    await store.notices.finish(notice.id, 'you');
    await expectMortal('alias');
  });

  it('makes a list live as long as the longest of what it lists', async () => {
    const { verification, call } = acceptedPair('b_f4', { ttlSeconds: 3600 });
    await store.accept(verification, call, null);
    await acceptWithRequest();
    const most = RETENTION_MS.verifications + 3_600_000;
    expect(await client.pttl('votp:{f4}:pending')).toBeGreaterThan(most - 60_000);
  });

  it('has nothing sealed any more when the call has ended', async () => {
    const { call } = await acceptWithRequest();
    const spoken = createCall({
      id: 'call_p_f4',
      verificationId: null,
      clientId: 'shop',
      to: '+4930123456',
      now: NOW,
      sealedPlaylist: 'SEALED-PLAYLIST',
    });
    await store.accept(null, spoken, null);
    expect((await dump()).match(/SEALED-\w+/g)?.sort()).toEqual([
      'SEALED-CLI',
      'SEALED-CODE',
      'SEALED-PLAYLIST',
    ]);
    await store.finishCall(endCall(call, NOW + 5, 'busy', 'callee'), false, NOW + 5);
    await store.finishCall(endCall(spoken, NOW + 5, 'busy', 'callee'), false, NOW + 5);
    expect(await dump()).not.toContain('SEALED');
  });

  /** All that is in Redis, as text. */
  async function dump(): Promise<string> {
    const values = (await keysOf()).map(async (key) => {
      const type = await client.type(key);
      if (type !== 'hash') return `${key} ${type}`;
      return JSON.stringify(
        Object.entries(await client.hgetall(key)).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );
    });
    return (await Promise.all(values)).join('\n');
  }

  it('takes no more memory than it is said to', async () => {
    const pair = await acceptWithRequest();
    const used = async (): Promise<number> => {
      const sizes = (await keysOf()).map((key) => client.memory('USAGE', key, 'SAMPLES', 0));
      return (await Promise.all(sizes)).reduce<number>((sum, size) => sum + Number(size), 0);
    };
    // Lists have some bytes of their own each, whatever is in them.
    expect(await used()).toBeLessThan(5000);
    await store.finishCall(endCall(pair.call, NOW + 5, 'busy', 'callee'), false, NOW + 5);
    expect(await used()).toBeLessThan(5500);
  });

  it('refuses a verification, a call and a request of several families', async () => {
    const { verification } = acceptedPair('a_f4');
    const { call } = acceptedPair('b_54');
    await expect(store.accept(verification, call, null)).rejects.toThrow(RangeError);
    const request = { key: 'shop 2', fingerprint: 'f', reply: '{}', expiresAt: NOW + 1 };
    await expect(store.accept(null, { ...call, verificationId: null }, request)).rejects.toThrow(RangeError);
    expect(await keysOf()).toEqual([]);
  });

  it('leaves a call out that was entered and never accepted, and deletes its entry once it cannot come', async () => {
    const { verification, call } = acceptedPair('a');
    await store.accept(verification, call, null);
    const [seconds] = await client.time();
    const lists = ['votp:{calls}:all', 'votp:{calls}:client:shop'];
    for (const list of lists) await client.zadd(list, NOW + 1, 'call_ghost');
    const entered = Number(seconds) * 1000;
    await client.zadd('votp:{calls}:fresh', entered, 'call_ghost');
    const read = async (): Promise<void> => {
      for (const query of [{ limit: 1 }, { limit: 5, clientId: 'shop' }]) {
        expect((await store.calls(query)).map(({ id }) => id)).toEqual(['call_a']);
      }
    };
    await read();
    for (const list of lists) expect(await client.zcard(list)).toBe(2);
    await client.zadd('votp:{calls}:fresh', entered - FRESH_MS - 1, 'call_ghost');
    await read();
    for (const list of lists) expect(await client.zrangebyscore(list, '-inf', '+inf')).toEqual(['call_a']);
  });

  it('leaves out what Redis let expire', async () => {
    for (const name of ['a', 'b']) {
      const { verification, call } = acceptedPair(name);
      await store.accept(verification, call, null);
    }
    const [key = ''] = await client.keys('votp:*:call:call_a');
    await client.del(key);
    expect((await store.unfinishedCalls()).map(({ id }) => id)).toEqual(['call_b']);
    expect((await store.calls({ limit: 5, state: 'queued' })).map(({ id }) => id)).toEqual(['call_b']);
    expect(await store.calls({ limit: 5, verificationId: 'ver_a' })).toEqual([]);
    const lists = await client.keys('votp:*:unfinished');
    expect(lists).toHaveLength(1);
  });

  it('leaves no record behind whose delivery failed, whoever asks again or sweeps', async () => {
    const ledger = new RedisLedger({ client, prefix: 'votp', retentionMs: undefined });
    const sink = { append: () => Promise.reject(new Error('the disk is full')) };
    const outbox = new Outbox({ client, prefix: 'votp', ledger, sink });
    const failing = new RedisStore({ client, prefix: 'votp', ledger, outbox, retentionMs: RETENTION_MS });
    const outboxes = (): Promise<string[]> => client.keys('votp:*:outbox');
    for (const [name, deliver] of [
      ['a', async (ended: Call) => expect(await store.finishCall(ended, false, NOW + 71_000)).toBe(true)],
      ['b', () => store.sweep(NOW, { verificationsBefore: 0, callsBefore: 0, cliUsesBefore: 0 })],
    ] as const) {
      const ended = endedCall(name);
      await store.accept(null, acceptedPair(name).call, null);
      const asked = { ...ended, verificationId: `ver_${name}` };
      await expect(failing.finishCall(asked, false, NOW + 70_000)).rejects.toThrow('the disk is full');
      expect((await store.call(`call_${name}`))?.state).toBe('ended');
      expect(await outboxes()).toHaveLength(1);
      await deliver(asked);
      expect(await outboxes()).toEqual([]);
      expect(await store.cdrs.ofCall(`call_${name}`)).toHaveLength(2);
    }
  });

  it('answers a command that comes twice as the first time, and one that comes too late not at all', async () => {
    // So that Redis knows the scripts.
    const before = acceptedPair('b');
    await store.accept(before.verification, before.call, null);
    await store.moveCall('call_b', { from: null, to: 'x', attempt: 'none' });
    const monitor = await client.monitor();
    const sent: string[][] = [];
    monitor.on('monitor', (_time: string, args: string[]) => {
      if (/^evalsha$/i.test(args[0] ?? '')) sent.push(args);
    });
    const last = (name: string): Promise<string[]> =>
      eventually(() => {
        const found = sent.findLast((args) => args.includes(name));
        if (found === undefined) throw new Error(`${name} was not sent`);
        return found;
      });
    const again = (args: readonly string[]): Promise<unknown> => {
      const [command = '', ...rest] = args;
      return client.call(command, ...rest);
    };
    const { verification, call } = acceptedPair('a');
    await store.accept(verification, { ...call, node: 'a.1' }, null);
    const accepted = await last('a.1');
    const moved = await store.moveCall('call_a', { from: 'a.1', to: 'b.2', attempt: 'none' });
    const move = await last('b.2');
    monitor.disconnect();
    expect(await again(accepted)).toEqual(['accepted']);
    expect(JSON.parse(String(await again(move)))).toMatchObject({ id: 'call_a' });
    expect(await store.call('call_a')).toEqual(moved);
    await store.moveCall('call_a', { from: 'b.2', to: 'c.3', attempt: 'none' });
    expect(await again(move)).toBeNull();
    expect((await store.call('call_a'))?.node).toBe('c.3');

    await client.flushdb();
    // Command, script, how many keys, the keys; then the word, and the time at which the call was entered.
    const keys = Number(accepted[2]);
    const late = accepted.with(3 + keys + 1, String(Date.now() - 3 * FRESH_MS));
    expect(await again(late)).toEqual(['late']);
    expect(await keysOf()).toEqual([]);
  });

  it('says that it cannot be used where Redis takes nothing', async () => {
    const { verification, call } = acceptedPair('a');
    await store.accept(verification, call, null);
    const asked = {
      ping: () => store.ping(),
      check: () => store.check('ver_a', { by: 'code', digest: '' }, NOW),
      end: () => store.endVerification('ver_a', 'canceled', NOW),
      save: () => store.saveCall(call),
      move: () => store.moveCall('call_a', { from: null, to: 'b.2', attempt: 'any' }),
      finish: () => store.finishCall(endCall(call, NOW, 'busy', 'callee'), true, NOW),
      accept: () => store.accept(null, { ...call, id: 'call_b', verificationId: null }, null),
    };
    const expectRefusals = async (): Promise<void> => {
      for (const ask of Object.values(asked)) {
        await expect(ask()).rejects.toMatchObject({ code: 'store_unavailable' });
      }
    };
    const before = await dump();
    await client.config('SET', 'maxmemory', '1');
    await expectRefusals();
    expect(await store.call('call_a')).toEqual(call);
    await client.config('SET', 'maxmemory', '0');
    await client.config('SET', 'min-replicas-to-write', '1');
    await expectRefusals();
    await client.config('SET', 'min-replicas-to-write', '0');
    expect(await dump()).toBe(before);
    await store.ping();
  });
});
