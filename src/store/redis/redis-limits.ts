import type { Count, GrowingPause, LimitStore, Taken } from '../../limits/limit-store.ts';
import type { RedisClient } from '../../redis/script.ts';
import { runScript } from '../../redis/script.ts';
import { giveLimitsBack, takeLimits } from './limit-scripts.ts';
import type { RedisKeys } from './redis-keys.ts';

/** A key lives for so long at least: its caller's clock and Redis's need not be the same. */
const LEAST_MS = 60_000;

/** Asks Redis, as long as the store is open. */
export type Ask = <T>(work: () => Promise<T>) => Promise<T>;

/** Counts in Redis. All of it has one tag, since a decision counts many things; every key expires by itself. */
export class RedisLimits implements LimitStore {
  readonly #client: RedisClient;
  readonly #keys: RedisKeys;
  readonly #ask: Ask;

  constructor(client: RedisClient, keys: RedisKeys, ask: Ask) {
    this.#client = client;
    this.#keys = keys;
    this.#ask = ask;
  }

  take(counts: readonly Count[], pauses: readonly GrowingPause[], now: number): Promise<Taken> {
    return this.#ask(async (): Promise<Taken> => {
      if (counts.length + pauses.length === 0) return { kind: 'taken' };
      const names = [...counts, ...pauses].map(({ key }) => key);
      const args = [
        ...counts.flatMap(({ windowMs, max, amount }) => [windowMs, max, amount]),
        ...pauses.flatMap(({ forgetMs, pausesMs }) => [forgetMs, pausesMs.length, ...pausesMs]),
      ];
      const [which, retryAfterMs] = (await runScript(
        this.#client,
        takeLimits(names.length),
        this.#named(counts, pauses),
        [now, counts.length, LEAST_MS, ...args],
      )) as [number?, number?];
      const key = which === undefined ? undefined : names[which - 1];
      return key === undefined || retryAfterMs === undefined
        ? { kind: 'taken' }
        : { kind: 'refused', key, retryAfterMs };
    });
  }

  giveBack(
    counts: readonly Omit<Count, 'max'>[],
    pauses: readonly Omit<GrowingPause, 'forgetMs'>[],
    at: number,
    now: number,
  ): Promise<void> {
    return this.#ask(async () => {
      const keys = this.#named(counts, pauses);
      if (keys.length === 0) return;
      const args = [
        ...counts.flatMap(({ windowMs, amount }) => [windowMs, amount]),
        ...pauses.flatMap(({ pausesMs }) => [pausesMs.length, ...pausesMs]),
      ];
      await runScript(this.#client, giveLimitsBack(keys.length), keys, [at, now, counts.length, ...args]);
    });
  }

  forget(pauseKeys: readonly string[]): Promise<void> {
    return this.#ask(async () => {
      if (pauseKeys.length > 0) await this.#client.del(pauseKeys.map((key) => this.#keys.limitPause(key)));
    });
  }

  #named(counts: readonly { readonly key: string }[], pauses: readonly { readonly key: string }[]): string[] {
    return [
      ...counts.map(({ key }) => this.#keys.limitCount(key)),
      ...pauses.map(({ key }) => this.#keys.limitPause(key)),
    ];
  }
}
