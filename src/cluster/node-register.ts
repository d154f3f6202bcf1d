import { randomUUID } from 'node:crypto';
import type { RedisClient } from '../redis/script.ts';
import { runScript } from '../redis/script.ts';
import { guarded } from '../redis/unavailable.ts';
import { BEAT_NODE, BURY_NODE, LEAVE_NODE, REGISTER_NODE } from './membership-scripts.ts';

/** Longer than any outage after which somebody would still ask for what was before it. */
const EXPIRY_MS = 24 * 3_600_000;

/** Of the token that asks. `new_era`: Redis has lost all that it held, and nobody was given up by that. */
type Standing = 'beating' | 'gone' | 'forgotten' | 'new_era';

/** Who was there, at one moment between question and answer. */
export interface Survey {
  readonly standing: Standing;
  /** How often each token has beaten: a text that differs after each beat. */
  readonly beats: ReadonlyMap<string, string>;
  /** Tokens that have ended, or were given up. */
  readonly gone: readonly string[];
}

/** The tokens of all processes that share a Redis, as it keeps them. All methods: @throws AppError store_unavailable */
export class NodeRegister {
  readonly #client: RedisClient;
  readonly #keys: readonly [beats: string, gone: string, era: string];
  readonly #keepGoneMs: number;
  #era = '';

  /** @param options.keepGoneMs how long a process that stood still is told that it was given up, when it goes on */
  constructor(options: { client: RedisClient; prefix: string; keepGoneMs: number }) {
    const { client, prefix, keepGoneMs } = options;
    this.#client = client;
    this.#keys = [`${prefix}:{nodes}:beats`, `${prefix}:{nodes}:gone`, `${prefix}:{nodes}:era`];
    this.#keepGoneMs = keepGoneMs;
  }

  /** @param replaced a token that is no more from now on */
  async register(token: string, replaced?: string): Promise<Survey> {
    return this.#survey(
      await guarded(() =>
        runScript(this.#client, REGISTER_NODE, this.#keys, [token, replaced ?? '', randomUUID(), EXPIRY_MS]),
      ),
      true,
    );
  }

  async beat(token: string): Promise<Survey> {
    const args = [token, this.#era, this.#keepGoneMs, EXPIRY_MS];
    return this.#survey(await guarded(() => runScript(this.#client, BEAT_NODE, this.#keys, args)), false);
  }

  /**
   * Gives a token up for dead.
   *
   * @param beats as they were seen; undefined where the token was not there
   * @returns false where it has beaten since
   */
  async bury(token: string, beats: string | undefined): Promise<boolean> {
    const [counted, gone] = this.#keys;
    const args = [token, beats ?? '', EXPIRY_MS];
    return (await guarded(() => runScript(this.#client, BURY_NODE, [counted, gone], args))) === 1;
  }

  async leave(token: string): Promise<void> {
    const [counted, gone] = this.#keys;
    await guarded(() => runScript(this.#client, LEAVE_NODE, [counted, gone], [token, EXPIRY_MS]));
  }

  #survey(answer: unknown, joins: boolean): Survey {
    const [standing, era, flat, gone] = answer as [Standing, string, readonly string[], readonly string[]];
    if (joins) this.#era = era;
    const beats = new Map<string, string>();
    for (let i = 0; i + 1 < flat.length; i += 2) beats.set(flat[i] as string, flat[i + 1] as string);
    return { standing, beats, gone };
  }
}
