/**
 * In a process of its own: a store through its port. Arguments: `full` or `normal` and a file for SQLite, `redis` and a
 * port for Redis; how many verifications, and how many more before them, to warm up. Each line of its input, `accept` or `check`, has all of them accepted or
 * checked once, and is answered by a line of JSON: when it began and ended, epoch milliseconds.
 */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { familyOfKey, inFamily } from '../src/store/family.ts';
import { SqliteStore } from '../src/store/sqlite.ts';
import type { Store } from '../src/store/store.ts';
import { acceptedPair } from '../test/support/records.ts';
import { redisStore } from '../test/support/redis-store.ts';

/** What one process of the service has under way under load. */
const AT_ONCE = 64;
const DIGEST = 'd'.repeat(64);

const [kind = '', where = '', count = '', before = ''] = process.argv.slice(2);
const store: Store =
  kind === 'redis'
    ? redisStore(new Redis(Number(where), '127.0.0.1'), 'bench')
    : new SqliteStore({ path: where, synchronous: kind === 'full' ? 'full' : 'normal' });

/** Names as services make them: the ids are of the family of the request. */
function names(howMany: number): readonly (readonly [key: string, name: string])[] {
  return Array.from({ length: howMany }, () => {
    const key = randomUUID();
    return [key, inFamily(randomUUID().replaceAll('-', ''), familyOfKey(key))] as const;
  });
}

async function accept([key, name]: readonly [string, string]): Promise<void> {
  const { verification, call } = acceptedPair(name, { createdAt: Date.now(), codeDigest: DIGEST });
  const request = { key, fingerprint: DIGEST, reply: JSON.stringify({ id: verification.id }) };
  const { kind: answer } = await store.accept(verification, call, {
    ...request,
    expiresAt: Date.now() + 86_400_000,
  });
  if (answer !== 'accepted') throw new Error(`${answer} instead of accepted`);
}

async function check([, name]: readonly [string, string]): Promise<void> {
  const checked = await store.check(`ver_${name}`, { by: 'code', digest: DIGEST }, Date.now());
  if (checked?.verdict !== 'approved') throw new Error(`${checked?.verdict} instead of approved`);
}

async function all<Item>(items: readonly Item[], work: (item: Item) => Promise<void>) {
  const left = [...items];
  const from = performance.timeOrigin + performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
    }),
  );
  return { from, to: performance.timeOrigin + performance.now() };
}

const warm = names(Number(before));
await all(warm, accept);
await all(warm, check);
const items = names(Number(count));
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const took = await all(items, line === 'accept' ? accept : check);
  process.stdout.write(`${JSON.stringify(took)}\n`);
}
process.exit(0);
