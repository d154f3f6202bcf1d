import { randomInt } from 'node:crypto';
import { Redis } from 'ioredis';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import type { CliCall } from './cli-calls.ts';
import { cliRequest, FLASH_CALLS } from './cli-calls.ts';
import { acceptedPair, NOW } from './records.ts';
import { redisStore } from './redis-store.ts';

/**
 * A process of its own over a SQLite file, or over `redis:<port>:<prefix>`: `accept <where>` writes until it is killed,
 * `check <where>` guesses, `take <where> even|odd` takes the calling numbers of every other flash call.
 */
const [, , task, where = '', half] = process.argv;
const store = open();

if (task === 'accept') {
  await accept();
} else {
  process.stdout.write('ready\n');
  await new Promise((resolve) => {
    process.stdin.once('data', resolve);
  });
  process.stdout.write(`${JSON.stringify(task === 'take' ? await take() : await check())}\n`);
  await store.close();
  process.exit(0);
}

function open(): Store {
  const [, port, prefix] = /^redis:(\d+):(.+)$/.exec(where) ?? [];
  if (port === undefined || prefix === undefined) {
    // Thousands at once, and another process that has its turns too, on a machine that is busy.
    return new SqliteStore({ path: where, synchronous: 'normal', lockTimeoutMs: 60_000 });
  }
  const client = new Redis(Number(port));
  // It may go away, and comes back.
  client.on('error', () => undefined);
  return redisStore(client, prefix);
}

async function accept(): Promise<never> {
  for (let index = 0; ; index += 1) {
    const pairs = Array.from({ length: 5 }, (_, place) => acceptedPair(`${index}_${place}`));
    await Promise.all(pairs.map(({ verification, call }) => store.accept(verification, call, null)));
    process.stdout.write(`${pairs.map(({ call }) => call.id).join('\n')}\n`);
  }
}

async function check(): Promise<{ approved: number; wrong: number }> {
  const checks = Array.from({ length: 200 }, async (_, index) => {
    const verdicts: string[] = [];
    for (const id of ['ver_right', 'ver_wrong']) {
      const digest = id === 'ver_right' ? 'd'.repeat(64) : `${index}`;
      verdicts.push((await store.check(id, { by: 'code', digest }, NOW + 1))?.verdict ?? 'none');
    }
    return verdicts;
  });
  const verdicts = (await Promise.all(checks)).flat();
  const count = (verdict: string): number => verdicts.filter((one) => one === verdict).length;
  return { approved: count('approved'), wrong: count('wrong') };
}

async function take(): Promise<readonly CliCall[]> {
  const taking: Promise<CliCall>[] = [];
  for (let call = half === 'odd' ? 1 : 0; call < FLASH_CALLS; call += 2) {
    const request = cliRequest(call, randomInt(2 ** 40) / 2 ** 40);
    taking.push(store.takeCli(request).then(({ cli }) => [call, cli]));
  }
  return Promise.all(taking);
}
