import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CodeSearch } from '../../../bench/chaos/code-search.ts';
import { judgeFolder, judgeRedis } from '../../../bench/chaos/judge-secrets.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { RedisServer } from '../../support/redis-server.ts';

const CODE = '4071938265';
const search = new CodeSearch([CODE]);
const KNOWN = 'call_0123456789abcdef';

describeWithPeer('redis-server', 'codes in Redis', () => {
  let server: RedisServer;
  let client: Redis;

  beforeAll(async () => {
    server = await RedisServer.start('--auto-aof-rewrite-percentage', '0', '--rdbcompression', 'no');
    client = new Redis(server.port, '127.0.0.1');
  });
  afterAll(async () => {
    client.disconnect();
    await server.remove();
  });

  const plants: readonly (readonly [type: string, plant: () => Promise<unknown>])[] = [
    ['string', () => client.set('a', CODE)],
    ['key', () => client.set(`a:${CODE}`, 'b')],
    ['hash', () => client.hset('a', 'code', CODE)],
    ['field', () => client.hset('a', CODE, '1')],
    ['list', () => client.rpush('a', 'x', CODE)],
    ['set', () => client.sadd('a', CODE)],
    ['sorted set', () => client.zadd('a', 1, CODE)],
    ['score', () => client.zadd('a', CODE, 'x')],
    ['stream', () => client.xadd('a', '*', 'code', CODE)],
  ];

  it.each(plants)('are found in a %s', async (_type, plant) => {
    await client.flushall();
    await client.set('harmless', KNOWN, 'PX', 60_000);
    expect((await judgeRedis(server.port, search, 'now')).map(({ ok }) => ok)).toEqual([true, true]);
    await plant();
    const [codes, expiry] = await judgeRedis(server.port, search, 'now');
    expect(codes).toMatchObject({ ok: false, found: expect.stringContaining(CODE) });
    expect(expiry?.ok).toBe(false);
  });

  it('are found in the append-only file, long after the key is gone', async () => {
    await client.set('a', CODE);
    await client.del('a');
    await client.set('b', KNOWN, 'PX', 60_000);
    await server.stop();
    const judged = await judgeFolder('codes', server.folder, search, KNOWN);
    expect(judged.map(({ ok }) => ok)).toEqual([false, true]);
  });
});
