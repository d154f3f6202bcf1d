import type { RedisClient } from '../../redis/script.ts';
import { runScript } from '../../redis/script.ts';
import type { CliRequest, CliTaken } from '../store.ts';
import { FORGET_SHOWN, TAKE_CLI } from './cli-scripts.ts';
import { DROP_ROW } from './list-scripts.ts';
import type { RedisKeys } from './redis-keys.ts';
import { keyDigest } from './redis-keys.ts';
import { drain } from './sorted-set.ts';

/** What was shown is kept for so long at least: the next request may have a longer window. */
const SHOWN_MS = 60_000;

/** Calling numbers of flash calls in Redis. All of it has one tag: a number is chosen by who was shown it, and how often. */
export class RedisClis {
  readonly #client: RedisClient;
  readonly #keys: RedisKeys;
  readonly #usesMs: number;

  /** @param usesMs how long a list of numbers that nobody uses is counted on */
  constructor(client: RedisClient, keys: RedisKeys, usesMs: number) {
    this.#client = client;
    this.#keys = keys;
    this.#usesMs = usesMs;
  }

  /** See `Store.takeCli`. */
  async take(request: CliRequest): Promise<CliTaken> {
    const { clis, callee, now, reuseWindowMs, fewest, random } = request;
    const keys = this.#keys;
    const pool = keyDigest(JSON.stringify(clis));
    const shownMs = Math.max(SHOWN_MS, Math.ceil(reuseWindowMs));
    const [cli, choices, candidates] = (await runScript(
      this.#client,
      TAKE_CLI,
      [keys.pool(pool), keys.shown(callee), keys.pools, keys.callees],
      [callee, pool, now, now - reuseWindowMs, fewest, random, shownMs, this.#usesMs, ...clis],
    )) as [string, number, number];
    return { cli: cli === '' ? undefined : cli, choices, candidates };
  }

  /**
   * Forgets what was shown at a time or before, and the uses of lists that were last used before another: all numbers of
   * a list at a time, since one that began anew beside the others would be used before them.
   */
  async sweep(shownUpTo: number, usesBefore: number): Promise<void> {
    const client = this.#client;
    const keys = this.#keys;
    await drain(client, keys.callees, String(shownUpTo), async (callee) => {
      await runScript(client, FORGET_SHOWN, [keys.callees, keys.shown(callee)], [callee, shownUpTo]);
      return 1;
    });
    const before = `(${usesBefore}`;
    await drain(client, keys.pools, before, async (pool) =>
      Number(await runScript(client, DROP_ROW, [keys.pools, keys.pool(pool)], [pool, before])),
    );
  }
}
