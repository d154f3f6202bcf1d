import type { RedisClient } from '../../src/redis/script.ts';
import { RedisLedger } from '../../src/store/redis/ledger.ts';
import { Outbox } from '../../src/store/redis/outbox.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';

const DAY_MS = 86_400_000;

/** As long as the configuration keeps them where nothing is said. */
export const RETENTION_MS = { verifications: 30 * DAY_MS, calls: 90 * DAY_MS };

/** A store as the app puts it together, with its ledger. */
export function redisStore(client: RedisClient, prefix: string): RedisStore {
  const ledger = new RedisLedger({ client, prefix, retentionMs: undefined });
  const outbox = new Outbox({ client, prefix, ledger });
  return new RedisStore({ client, prefix, ledger, outbox, retentionMs: RETENTION_MS });
}
