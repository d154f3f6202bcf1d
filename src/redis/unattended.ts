import type { Redis } from 'ioredis';

/**
 * Lets commands fail that nobody waits for. ioredis sends some by itself, such as what subscribes again after a
 * reconnection; where the connection is closed before their answer, that would end the process. Whoever waits for a
 * command still learns that it failed.
 */
export function letFail<Client extends Redis>(client: Client): Client {
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, stream) => {
    command.promise.catch(() => undefined);
    return send(command, stream);
  };
  return client;
}
