import { Redis } from 'ioredis';
import { RedisLedger } from '../../../src/store/redis/ledger.ts';
import { Outbox } from '../../../src/store/redis/outbox.ts';

/** `<port>`: delivers what is in the outboxes, and dies when the rows are in the ledger and on their way to its sink. */
const [, , port = ''] = process.argv;
const client = new Redis(Number(port));
const ledger = new RedisLedger({ client, prefix: 'votp', retentionMs: undefined });
const sink = {
  append: () => {
    process.kill(process.pid, 'SIGKILL');
    return new Promise<void>(() => undefined);
  },
};
await new Outbox({ client, prefix: 'votp', ledger, sink }).deliverAll();
