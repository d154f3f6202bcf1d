import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisServer } from '../../test/support/redis-server.ts';
import type { Load } from './load.ts';
import type { ServiceNode } from './nodes.ts';

const DOWN_MS = 3000;
const FROZEN_MS = 15_000;

/** When something was done, epoch milliseconds, and what. */
export interface FaultNote {
  readonly at: number;
  readonly what: string;
}

/**
 * What goes wrong, at fixed shares of the accepted requests: a node is killed and started again 3 s later, another one
 * stands still for 15 s, Redis is ended and started again. Resolves when all of it is over.
 */
export async function inflictFaults(
  load: Pick<Load, 'reached'>,
  nodes: readonly ServiceNode[],
  redis: RedisServer | undefined,
  note: (fault: FaultNote) => void,
): Promise<void> {
  const [first, second = first] = nodes;
  if (first === undefined || second === undefined) throw new Error('there is no node');
  const tell = (what: string): void => note({ at: Date.now(), what });
  const killed = load.reached(0.25).then(async () => {
    tell(`${first.name} (${first.pid}) killed with SIGKILL`);
    await first.kill();
    await sleep(DOWN_MS);
    await first.start();
    tell(`${first.name} (${first.pid}) is ready again`);
  });
  const frozen = load.reached(0.5).then(async () => {
    tell(`${second.name} (${second.pid}) stopped with SIGSTOP`);
    second.signal('SIGSTOP');
    await sleep(FROZEN_MS);
    second.signal('SIGCONT');
    tell(`${second.name} goes on`);
  });
  const restarted = load.reached(0.7).then(async () => {
    if (redis === undefined) return;
    tell(`redis-server (${redis.pid}) ended with SIGTERM`);
    await redis.stop('SIGTERM');
    await redis.again();
    tell(`redis-server (${redis.pid}) is back`);
  });
  await Promise.all([killed, frozen, restarted]);
}
