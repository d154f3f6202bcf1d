import { once } from 'node:events';
import { mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { cliTally, FLASH_CALLS } from '../support/cli-calls.ts';
import { eventually } from '../support/eventually.ts';
import { acceptedPair } from '../support/records.ts';
import { StoreProcesses } from '../support/store-processes.ts';
import { storeContract } from './store-contract.ts';

storeContract('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-store-'));
  const options = { path: join(folder, 'db.sqlite'), synchronous: 'normal' } as const;
  const stores = [new SqliteStore(options)];
  const [store] = stores as [SqliteStore];
  return {
    store,
    beside: async () => {
      const other = new SqliteStore(options);
      stores.push(other);
      return other;
    },
    remove: async () => {
      await Promise.all(stores.map((one) => one.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
});

describe('SqliteStore', () => {
  let folder: string;
  let path: string;
  const processes = new StoreProcesses();

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-sqlite-'));
    path = join(folder, 'deep', 'db.sqlite');
  });

  afterEach(async () => {
    processes.end();
    await rm(folder, { recursive: true, force: true });
  });

  it('loses nothing that was accepted when its process is killed', { timeout: 30_000 }, async () => {
    const { child, lines } = processes.start('accept', path);
    await eventually(() => expect(lines().length).toBeGreaterThan(200), { timeoutMs: 20_000 });
    child.kill('SIGKILL');
    await once(child, 'exit');
    const accepted = lines();
    const store = new SqliteStore({ path, synchronous: 'normal' });
    const unfinished = await store.unfinishedCalls();
    const ids = new Set(unfinished.map(({ id }) => id));
    expect(accepted.filter((id) => !ids.has(id))).toEqual([]);
    for (const call of unfinished) {
      expect((await store.verification(String(call.verificationId)))?.callId).toBe(call.id);
    }
    await store.close();
  });

  it('decides checks of two processes as if they were one', { timeout: 30_000 }, async () => {
    const store = new SqliteStore({ path, synchronous: 'normal' });
    for (const name of ['right', 'wrong']) {
      const { verification, call } = acceptedPair(name);
      await store.accept(verification, call, null);
    }
    expect(await processes.checkTogether(path)).toEqual({ approved: 1, wrong: 5 });
    await store.close();
  });

  it('takes the numbers of 10,000 flash calls in two processes as if they were one', {
    timeout: 120_000,
  }, async () => {
    await new SqliteStore({ path, synchronous: 'normal' }).close();
    const halves = await processes.takeTogether(path);
    expect(halves.map((calls) => calls.length)).toEqual([FLASH_CALLS / 2, FLASH_CALLS / 2]);
    const tally = cliTally(halves.flat());
    expect(tally).toMatchObject({ reused: 0, none: 0 });
    expect(tally.fewestUses).toBeGreaterThanOrEqual(45);
    expect(tally.mostUses).toBeLessThanOrEqual(55);
    const database = new Database(path);
    const row = database.prepare('SELECT SUM(uses) AS uses FROM cli_counts').get();
    database.close();
    expect(row).toMatchObject({ uses: FLASH_CALLS });
  });

  it('waits for another writer, and gives up after its time', async () => {
    const store = new SqliteStore({ path, synchronous: 'normal', lockTimeoutMs: 300 });
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    const { verification, call } = acceptedPair('a');
    const waiting = store.accept(verification, call, null);
    await expect(store.ping()).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(waiting).rejects.toMatchObject({ code: 'store_unavailable' });
    const patient = store.accept(verification, call, null);
    // Reading goes on beside a writer.
    expect(await store.call('call_a')).toBeUndefined();
    other.exec('ROLLBACK');
    expect(await patient).toEqual({ kind: 'accepted' });
    other.close();
    await store.close();
  });

  it('does not stop the process while it waits', async () => {
    const store = new SqliteStore({ path, synchronous: 'normal', lockTimeoutMs: 500 });
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    let turns = 0;
    const counter = setInterval(() => {
      turns += 1;
    }, 5);
    await expect(store.ping()).rejects.toMatchObject({ code: 'store_unavailable' });
    clearInterval(counter);
    expect(turns).toBeGreaterThan(5);
    other.exec('ROLLBACK');
    other.close();
    await store.close();
  });

  it('keeps its files from other users, and leaves one file behind', async () => {
    const store = new SqliteStore({ path, synchronous: 'full' });
    await store.ping();
    for (const name of await readdir(join(folder, 'deep'))) {
      expect((await stat(join(folder, 'deep', name))).mode & 0o077).toBe(0);
    }
    await store.close();
    expect((await stat(join(folder, 'deep', 'db.sqlite-wal')).catch(() => ({ size: 0 }))).size).toBe(0);
  });

  it('opens what it wrote, and refuses what a newer program wrote', async () => {
    await new SqliteStore({ path, synchronous: 'normal' }).close();
    const store = new SqliteStore({ path, synchronous: 'normal' });
    await store.ping();
    await store.close();
    const database = new Database(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    expect(() => new SqliteStore({ path, synchronous: 'normal' })).toThrow(/written by a newer one/);
  });

  it('says that it cannot be used where the file is no database, or no file', async () => {
    const rubbish = join(folder, 'rubbish');
    await writeFile(rubbish, 'not a database, by no means '.repeat(200));
    for (const bad of [rubbish, folder, join(rubbish, 'below')]) {
      expect(() => new SqliteStore({ path: bad, synchronous: 'normal' })).toThrow(
        expect.objectContaining({ code: 'store_unavailable' }),
      );
    }
  });

  it('says so when the file is damaged while it is open', async () => {
    const store = new SqliteStore({ path, synchronous: 'normal' });
    const { verification, call } = acceptedPair('a');
    await store.accept(verification, call, null);
    await store.close();
    // The schema stays, so that it opens; the first page of each table and index is lost.
    const database = new Database(path, { readonly: true });
    const roots = database.prepare('SELECT rootpage FROM sqlite_schema WHERE rootpage > 1').pluck().all();
    database.close();
    const handle = await open(path, 'r+');
    for (const root of roots)
      await handle.write(Buffer.alloc(4096, 0xff), 0, 4096, 4096 * (Number(root) - 1));
    await handle.close();
    const damaged = new SqliteStore({ path, synchronous: 'normal' });
    await expect(damaged.call('call_a')).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(damaged.ping()).rejects.toMatchObject({ code: 'store_unavailable' });
    await damaged.close();
  });
});
