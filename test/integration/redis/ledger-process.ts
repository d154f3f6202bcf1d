import { Redis } from 'ioredis';
import { cdrsOf } from '../../../src/cdr/cdr.ts';
import { AppError } from '../../../src/errors.ts';
import { RedisLedger } from '../../../src/store/redis/ledger.ts';
import { endedCall } from '../../support/cdr-calls.ts';
import { eventually } from '../../support/eventually.ts';

/**
 * `<port> <name> <calls>`: once it reads a line, adds the records of so many calls to the ledger, some at a time, and
 * says which of them it has; where Redis is away it tries again until it is back. At its end, how many rows a second.
 */
const [, , port = '', name = '', calls = ''] = process.argv;
const AT_ONCE = 20;
const client = new Redis(Number(port), { commandTimeout: 800, retryStrategy: () => 50 });
client.on('error', () => undefined);
const ledger = new RedisLedger({ client, prefix: 'votp', retentionMs: undefined });

async function append(index: number): Promise<string> {
  const contents = cdrsOf(endedCall(`${name}${index}`));
  const rows = await eventually(
    async () => {
      try {
        return await ledger.append(contents);
      } catch (error) {
        // Anything else is not to be tried again.
        if (error instanceof AppError && error.code === 'store_unavailable') throw error;
        process.stderr.write(`${String(error)}\n`);
        process.exit(1);
      }
    },
    { timeoutMs: 30_000 },
  );
  return `call_${name}${index} ${rows.map(({ seq }) => seq).join(' ')}\n`;
}

await eventually(() => client.ping(), { timeoutMs: 15_000 });
process.stdout.write('ready\n');
await new Promise((resolve) => {
  process.stdin.once('data', resolve);
});
const began = performance.now();
let next = 0;
async function work(): Promise<void> {
  while (next < Number(calls)) {
    next += 1;
    process.stdout.write(await append(next));
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
process.stdout.write(`rate ${Math.round((2000 * next) / (performance.now() - began))}\n`);
client.disconnect();
process.stdin.destroy();
