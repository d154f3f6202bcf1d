import { SqliteStore } from '../../src/store/sqlite.ts';
import { acceptedPair, NOW } from './records.ts';

/** A process of its own over a SQLite file: `accept <path>` writes until it is killed, `check <path>` guesses. */
const [, , task, path = ''] = process.argv;
const store = new SqliteStore({ path, synchronous: 'normal' });

if (task === 'accept') {
  for (let index = 0; ; index += 1) {
    const pairs = Array.from({ length: 5 }, (_, place) => acceptedPair(`${index}_${place}`));
    await Promise.all(pairs.map(({ verification, call }) => store.accept(verification, call, null)));
    process.stdout.write(`${pairs.map(({ call }) => call.id).join('\n')}\n`);
  }
} else {
  process.stdout.write('ready\n');
  await new Promise((resolve) => {
    process.stdin.once('data', resolve);
  });
  const checks = Array.from({ length: 200 }, async (_, index) => {
    const verdicts: string[] = [];
    for (const id of ['ver_right', 'ver_wrong']) {
      const digest = id === 'ver_right' ? 'd'.repeat(64) : `${index}`;
      verdicts.push((await store.check(id, digest, NOW + 1))?.verdict ?? 'none');
    }
    return verdicts;
  });
  const verdicts = (await Promise.all(checks)).flat();
  const count = (verdict: string): number => verdicts.filter((one) => one === verdict).length;
  process.stdout.write(`${JSON.stringify({ approved: count('approved'), wrong: count('wrong') })}\n`);
  await store.close();
  process.exit(0);
}
