import { SqliteStore } from '../../src/store/sqlite.ts';
import { acceptedNotice, courseOf, delivererFor } from './notice-rig.ts';

/**
 * A process of its own that tells the receiver on a port of what is in a SQLite file, until it is killed: `webhook-process
 * <path> <port> <calls>`. So many calls it accepts first, has half of them go their whole way, and says the id of each
 * when it is stored.
 */
const [, , path = '', port = '', calls = '0'] = process.argv;
const store = new SqliteStore({ path, synchronous: 'normal', lockTimeoutMs: 20_000 });
const { deliverer } = delivererFor(store, [{ port: Number(port) }]);

for (let index = 0; index < Number(calls); index += 1) {
  const { call, noticeId } = await acceptedNotice(store);
  process.stdout.write(`${noticeId}\n`);
  deliverer.wake(call.id);
  if (index % 2 === 1) continue;
  const { ringing, answered, ended } = courseOf(call);
  await store.saveCall(ringing);
  deliverer.wake(call.id);
  await store.saveCall(answered);
  await store.finishCall(ended, true, ended.endedAt ?? 0);
  deliverer.wake(call.id);
}
process.stdout.write('ready\n');
