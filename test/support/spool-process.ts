import { renameSync } from 'node:fs';
import { SpooledStore } from '../../src/store/spooled-store.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { endedCall } from './cdr-calls.ts';
import { NOW } from './records.ts';

/**
 * A process of its own: `<database> <folder> <calls> <first>` loses its store as soon as it has it, ends the calls from
 * this one on, ten at a time, and says the number of each whose end is promised.
 */
const [, , path = '', folder = '', calls = '0', first = '0'] = process.argv;
const log = { info: () => {}, warn: () => {}, error: () => {} };
const store = await SpooledStore.open(new SqliteStore({ path, synchronous: 'normal' }), { folder, log });
const waiting = Array.from({ length: Number(calls) - Number(first) }, (_, index) => Number(first) + index);

async function worker(): Promise<void> {
  for (let call = waiting.shift(); call !== undefined; call = waiting.shift()) {
    await store.finishCall(endedCall(`${call}`), false, NOW);
    process.stdout.write(`${call}\n`);
  }
}

// What was left may be on its way to the store now.
renameSync(path, `${path}.away`);
await Promise.all(Array.from({ length: 10 }, worker));
await store.close();
