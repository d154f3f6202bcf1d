import type { Cluster, Redis } from 'ioredis';

/** A client of one server, of a server that Sentinel names, or of a cluster. */
export type RedisClient = Redis | Cluster;

/**
 * A decision that Redis takes in one step. Its header says what its keys, its arguments and its answer are; all of its
 * keys share a hash tag.
 */
export interface RedisScript {
  /** Unique among all scripts: a client knows it as a command of this name. */
  readonly name: string;
  /** How many of its parameters are keys. */
  readonly keys: number;
  readonly lua: string;
}

type Runner = (...parameters: (string | number)[]) => Promise<unknown>;

/**
 * Runs a script by its hash, and sends its text where the server does not know it yet.
 *
 * @throws what the client throws; see `unavailable` in errors.ts
 */
export function runScript(
  client: RedisClient,
  script: RedisScript,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  if (keys.length !== script.keys) throw new RangeError(`${script.name} takes ${script.keys} keys`);
  const commands = client as unknown as Record<string, Runner | undefined>;
  if (commands[script.name] === undefined) {
    client.defineCommand(script.name, { numberOfKeys: script.keys, lua: script.lua });
  }
  const run = commands[script.name] as Runner;
  return run.call(client, ...keys, ...args);
}
