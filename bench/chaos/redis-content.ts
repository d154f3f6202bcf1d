import { Redis } from 'ioredis';

/** One key with all that is in it, as text. */
export interface RedisEntry {
  readonly key: string;
  readonly type: string;
  readonly content: string;
  /** Milliseconds; -1: it never expires, -2: it has just gone. */
  readonly ttlMs: number;
}

/** Every key of a server: read by its type, since a dump packs numbers so that no search finds them. */
export async function* redisContent(port: number): AsyncGenerator<RedisEntry, void, undefined> {
  const client = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 1 });
  client.on('error', () => undefined);
  try {
    const keys = new Set<string>();
    let cursor = '0';
    do {
      const [next, some] = await client.scan(cursor, 'COUNT', 1000);
      for (const key of some) keys.add(key);
      cursor = next;
    } while (cursor !== '0');
    for (const key of keys) {
      const type = await client.type(key);
      // Gone meanwhile.
      if (type === 'none') continue;
      const content = await contentOf(client, key, type);
      yield { key, type, content, ttlMs: await client.pttl(key) };
    }
  } finally {
    client.disconnect();
  }
}

async function contentOf(client: Redis, key: string, type: string): Promise<string> {
  switch (type) {
    case 'string':
      return ((await client.getBuffer(key)) ?? Buffer.alloc(0)).toString('latin1');
    case 'hash':
      return Object.entries(await client.hgetall(key))
        .flat()
        .join('\n');
    case 'list':
      return (await client.lrange(key, 0, -1)).join('\n');
    case 'set':
      return (await client.smembers(key)).join('\n');
    case 'zset':
      return (await client.zrange(key, '0', '-1', 'WITHSCORES')).join('\n');
    case 'stream':
      return JSON.stringify(await client.xrange(key, '-', '+'));
    default:
      throw new Error(`${key} is a ${type}, which nobody reads here`);
  }
}
