import { createCall } from '../../../src/call/call.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { answeredCall, endedCall } from '../../support/cdr-calls.ts';
import { NOW } from '../../support/records.ts';

/** `<path> <name>`: carries calls, several at a time, until it is killed; says which of them have ended. */
const [, , path = '', name = ''] = process.argv;
const store = new SqliteStore({ path, synchronous: 'normal' });

async function carry(id: string): Promise<string> {
  const call = createCall({ id: `call_${id}`, verificationId: null, clientId: null, to: '+49301', now: NOW });
  await store.accept(null, call, null);
  await store.saveCall(answeredCall(id));
  await store.finishCall(endedCall(id), false, NOW);
  return call.id;
}

for (let round = 0; ; round += 1) {
  const ids = await Promise.all([0, 1, 2, 3, 4].map((place) => carry(`${name}${round}_${place}`)));
  process.stdout.write(`${ids.join('\n')}\n`);
}
