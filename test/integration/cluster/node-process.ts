import { RedisPeers } from '../../../src/cluster/redis-peers.ts';
import { createLogger } from '../../../src/log.ts';
import { connected, redisClient } from './redis-client.ts';

/**
 * A node that is a process of its own (arguments: port of Redis, name, lease and beat in ms). It writes a line for all that it hears, and
 * acts all the time, as one does that may dial: a line each time that it trusts itself to.
 */
const [port, name = '', leaseMs, beatMs] = process.argv.slice(2);

const say = (line: Record<string, unknown>): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

const client = redisClient(Number(port));
await connected(client);

const peers = new RedisPeers({
  client,
  subscriber: redisClient(Number(port)),
  prefix: 'test',
  name,
  leaseMs: Number(leaseMs),
  beatMs: Number(beatMs),
  load: async () => undefined,
  log: createLogger({ level: 'silent' }),
});

await peers.start({
  dead: async (token) => say({ type: 'dead', token }),
  lost: (token) => say({ type: 'lost', token, trusted: peers.isTrusted() }),
  message: () => undefined,
});
say({ type: 'started', token: peers.token });

function act(): void {
  if (peers.isTrusted()) say({ type: 'act', token: peers.token });
}
// As many ways to be woken as there are.
setInterval(act, 3);
setInterval(() => setImmediate(act), 7);
