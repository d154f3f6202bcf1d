import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpooledStore } from '../../src/store/spooled-store.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { storeContract } from './store-contract.ts';

storeContract('SQLite behind a spool', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-spooled-'));
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const stores: SpooledStore[] = [];
  const opened = async (): Promise<SpooledStore> => {
    const sqlite = new SqliteStore({ path: join(folder, 'db.sqlite'), synchronous: 'normal' });
    const store = await SpooledStore.open(sqlite, { folder: join(folder, `spool${stores.length}`), log });
    stores.push(store);
    return store;
  };
  return {
    store: await opened(),
    beside: opened,
    remove: async () => {
      await Promise.all(stores.map((one) => one.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
});
