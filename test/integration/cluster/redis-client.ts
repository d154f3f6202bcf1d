import { Redis } from 'ioredis';
import { eventually } from '../../support/eventually.ts';

const CONNECT_MS = 20_000;

/** A client as the service has them: what cannot be asked soon fails soon. */
export function redisClient(port: number): Redis {
  const client = new Redis(port, '127.0.0.1', {
    commandTimeout: 800,
    maxRetriesPerRequest: 1,
    retryStrategy: () => 50,
  });
  client.on('error', () => undefined);
  return client;
}

/** On a machine that is busy that takes a while, and what is asked before then is not answered in time. */
export async function connected(client: Redis): Promise<void> {
  await eventually(
    () => {
      if (client.status !== 'ready') throw new Error(`the client is ${client.status}`);
    },
    { timeoutMs: CONNECT_MS },
  );
}
