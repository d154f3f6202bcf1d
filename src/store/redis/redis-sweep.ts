import pLimit from 'p-limit';
import type { RedisClient } from '../../redis/script.ts';
import { runScript } from '../../redis/script.ts';
import { FAMILIES } from '../family.ts';
import { DROP_ROW } from './list-scripts.ts';
import type { RedisKeys } from './redis-keys.ts';
import type { RedisNotices } from './redis-notices.ts';
import { drain } from './sorted-set.ts';
import { END_VERIFICATION } from './verification-scripts.ts';

/** Families at a time. */
const SWEEP_FAMILIES = 16;

/** Deletes of each family what is past its retention: what Redis would let expire a little later, and by its own time. */
export class RedisSweep {
  readonly #client: RedisClient;
  readonly #keys: RedisKeys;
  readonly #retentionMs: number;

  /** @param retentionMs of verifications */
  constructor(client: RedisClient, keys: RedisKeys, retentionMs: number) {
    this.#client = client;
    this.#keys = keys;
    this.#retentionMs = retentionMs;
  }

  /** Answers how many idempotent requests and verifications went. */
  async all(now: number, verificationsBefore: number): Promise<number> {
    const limit = pLimit(SWEEP_FAMILIES);
    const counts = await Promise.all(
      FAMILIES.map((family) => limit(() => this.#family(family, now, verificationsBefore))),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Deletes notices that began before a time. */
  async notices(notices: Pick<RedisNotices, 'drop'>, before: number): Promise<void> {
    const limit = pLimit(SWEEP_FAMILIES);
    await Promise.all(FAMILIES.map((family) => limit(() => notices.drop(family, before))));
  }

  async #family(family: string, now: number, verificationsBefore: number): Promise<number> {
    const keys = this.#keys;
    const client = this.#client;
    await drain(client, keys.pending(family), String(now), (id) => this.#expire(family, id, now));
    const drop = (list: string, upTo: string, row: (member: string) => string): Promise<number> =>
      drain(client, list, upTo, async (member) =>
        Number(await runScript(client, DROP_ROW, [list, row(member)], [member, upTo])),
      );
    const requests = await drop(keys.requests(family), String(now), (digest) => keys.request(family, digest));
    const verifications = await drop(keys.final(family), `(${verificationsBefore}`, (id) =>
      keys.verification(family, id),
    );
    return requests + verifications;
  }

  async #expire(family: string, id: string, now: number): Promise<number> {
    const keys = this.#keys;
    const rows = [keys.verification(family, id), keys.pending(family), keys.final(family)];
    await runScript(this.#client, END_VERIFICATION, rows, [id, 'expired', now, this.#retentionMs]);
    return 0;
  }
}
