import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Backing, Node } from './backing.ts';
import { catchUp } from './cdr/sink-catch-up.ts';
import { alone } from './cluster/alone.ts';
import type { Config } from './config.ts';
import { needed } from './starting.ts';
import { SqliteStore } from './store/sqlite.ts';
import { LocalCapacity } from './trunk/local-capacity.ts';
import { localWakeQueue } from './webhooks/wake-queue.ts';

const TOKEN_BYTES = 4;

/** A file of this machine, shared with nobody. @throws StartError */
export async function sqliteBacking(
  { store: { path, synchronous }, trunks }: Config,
  { name, sink }: Node,
  logger: Logger,
): Promise<Backing> {
  const store = await needed(
    'The store cannot be used',
    async () => new SqliteStore({ path, synchronous, ...(sink === undefined ? {} : { sink }) }),
  );
  return {
    node: name,
    store,
    peers: alone(`${name}.${randomBytes(TOKEN_BYTES).toString('hex')}`),
    clock: { now: Date.now, offsetMs: () => 0 },
    capacity: new LocalCapacity(trunks, { elapsed: () => performance.now() }),
    wakes: localWakeQueue(),
    begin: async (dialer) => {
      if (sink !== undefined)
        logger.info({ ...(await catchUp(store.cdrs, sink)) }, 'call detail records on files');
      return dialer.recover();
    },
    state: () => undefined,
    queues: [],
    drain: () => undefined,
    close: async () => {
      await store.close();
      await sink?.close();
    },
  };
}
