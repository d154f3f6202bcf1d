import { Cluster, type Command, type Redis } from 'ioredis';
import type { RedisClient } from './script.ts';

/**
 * Ends each command of this client that has no answer after `ms`. ioredis can do that too, but looks at the clock
 * before it looks at the socket: where this process was busy for so long, it would give up answers that lie there, and
 * commands that were done. Here what has arrived is read first.
 */
export function limitCommands(client: RedisClient, ms: number): void {
  if (client instanceof Cluster) {
    for (const node of client.nodes()) limit(node, ms);
    client.on('+node', (node: Redis) => limit(node, ms));
  } else {
    limit(client, ms);
  }
}

function limit(client: Redis, ms: number): void {
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, stream) => {
    expire(command, ms);
    return send(command, stream);
  };
}

function expire(command: Command, ms: number): void {
  const timer = setTimeout(() => {
    // Between timers and these the sockets are read.
    setImmediate(() => command.reject(new Error('Command timed out')));
  }, ms);
  const settled = (): void => clearTimeout(timer);
  command.promise.then(settled, settled);
}
