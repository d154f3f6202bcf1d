import type { RedisClient } from '../../redis/script.ts';
import { runScript } from '../../redis/script.ts';
import type { DeadQuery, Notice, NoticeCounts, NoticeStore, Written } from '../../webhooks/notice.ts';
import { FAMILIES, familyOf } from '../family.ts';
import {
  CLAIM_NOTICE,
  DROP_NOTICE,
  FINISH_NOTICE,
  REVIVE_NOTICE,
  WAKE_NOTICE,
  WRITE_NOTICE,
} from './notice-scripts.ts';
import type { RedisKeys } from './redis-keys.ts';
import type { Hash } from './redis-rows.ts';
import { hashOf } from './redis-rows.ts';
import { drain } from './sorted-set.ts';

export interface RedisNoticesOptions {
  readonly client: RedisClient;
  readonly keys: RedisKeys;
  /** How long a notice lives at most. */
  readonly livesMs: number;
  /** Does the work of one method. */
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>;
}

type Place = Pick<Notice, 'id' | 'createdAt'>;

const MAX_A_PAGE = 500;
/** Due ones that are read of each family, of which there are 256: so many, or a share of what is asked for. */
const [MOST_OF_FAMILY, FAMILY_SHARE] = [32, 1 / 16];

/** Notices in Redis: each in the family of its call. */
export class RedisNotices implements NoticeStore {
  readonly #client: RedisClient;
  readonly #keys: RedisKeys;
  readonly #livesMs: number;
  readonly #guard: RedisNoticesOptions['guard'];

  constructor({ client, keys, livesMs, guard }: RedisNoticesOptions) {
    this.#client = client;
    this.#keys = keys;
    this.#livesMs = livesMs;
    this.#guard = guard;
  }

  get(id: string): Promise<Notice | undefined> {
    return this.#guard(() => this.#read(id));
  }

  due(now: number, limit: number): Promise<readonly string[]> {
    return this.#guard(async () => {
      const most = Math.min(limit, Math.max(MOST_OF_FAMILY, Math.ceil(limit * FAMILY_SHARE)));
      const found = await this.#ofFamilies(async (family) => {
        const set = this.#keys.dueNotices(family);
        return entriesOf(await this.#client.zrangebyscore(set, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most));
      });
      return found
        .flat()
        .sort((a, b) => a.score - b.score)
        .slice(0, limit)
        .map(({ member }) => member);
    });
  }

  claim(id: string, by: string, now: number, until: number): Promise<Notice | undefined> {
    return this.#guard(async () => {
      const family = familyOf(id);
      const keys = this.#keys;
      const rows = [keys.notice(family, id), keys.dueNotices(family), keys.openNotices(family)];
      const flat = await runScript(this.#client, CLAIM_NOTICE, rows, [id, by, now, until]);
      return flat === null ? undefined : noticeOf(hashOf(flat as string[]));
    });
  }

  async progress(notice: Notice, by: string, until: number): Promise<boolean> {
    return (await this.#write(notice, by, 'keep', until)) !== 'lost';
  }

  put(notice: Notice, by: string): Promise<Written> {
    return this.#write(notice, by, 'back', notice.dueAt);
  }

  finish(id: string, by: string): Promise<Written> {
    return this.#guard(async () => {
      const family = familyOf(id);
      const keys = this.#keys;
      const rows = [keys.notice(family, id), keys.dueNotices(family), keys.openNotices(family)];
      return (await runScript(this.#client, FINISH_NOTICE, rows, [id, by])) as Written;
    });
  }

  wake(id: string, now: number): Promise<boolean> {
    return this.#guard(async () => {
      const family = familyOf(id);
      const rows = [this.#keys.notice(family, id), this.#keys.dueNotices(family)];
      return (await runScript(this.#client, WAKE_NOTICE, rows, [id, now])) === 1;
    });
  }

  dead({ clientId, limit, after }: DeadQuery): Promise<readonly Notice[]> {
    return this.#guard(async () => {
      const count = Math.max(1, Math.min(limit, MAX_A_PAGE));
      const last = after === undefined ? undefined : await this.#read(after);
      if (after !== undefined && last === undefined) return [];
      const places = await this.#ofFamilies((family) => this.#deadOf(family, clientId, count, last));
      const page = places
        .flat()
        .sort((a, b) => (isBefore(a, b) ? 1 : -1))
        .slice(0, count);
      const read = await Promise.all(page.map(({ id }) => this.#read(id)));
      return read.filter((notice) => notice?.state === 'dead') as Notice[];
    });
  }

  revive(id: string, now: number): Promise<boolean> {
    return this.#guard(async () => {
      const notice = await this.#read(id);
      if (notice === undefined) return false;
      const args = [id, now, notice.createdAt, this.#livesMs];
      return (await runScript(this.#client, REVIVE_NOTICE, this.#allKeys(notice), args)) === 1;
    });
  }

  counts(): Promise<NoticeCounts> {
    return this.#guard(async () => {
      const client = this.#client;
      const families = await this.#ofFamilies(async (family) => {
        const set = this.#keys.openNotices(family);
        const [open, dead, first] = await Promise.all([
          client.zcard(set),
          client.zcard(this.#keys.deadNotices(family)),
          client.zrangebyscore(set, '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1),
        ]);
        return { open, dead, oldest: entriesOf(first)[0]?.score ?? Number.POSITIVE_INFINITY };
      });
      const oldest = Math.min(...families.map((one) => one.oldest));
      return {
        open: families.reduce((sum, { open }) => sum + open, 0),
        dead: families.reduce((sum, { dead }) => sum + dead, 0),
        oldestOpenAt: Number.isFinite(oldest) ? oldest : null,
      };
    });
  }

  /** Deletes those of a family that began before a time. */
  async drop(family: string, before: number): Promise<void> {
    const keys = this.#keys;
    for (const set of [keys.openNotices(family), keys.deadNotices(family)]) {
      await drain(this.#client, set, `(${before}`, async (id) => {
        const known = await this.#read(id);
        const rows = this.#allKeys(known ?? { id, clientId: null });
        return Number(await runScript(this.#client, DROP_NOTICE, rows, [id]));
      });
    }
  }

  #write(notice: Notice, by: string, claim: 'keep' | 'back', at: number): Promise<Written> {
    const { id, state, createdAt, tries } = notice;
    const args = [id, by, claim, at, state, createdAt, this.#livesMs, tries, ...progressFields(notice)];
    return this.#guard(
      async () => (await runScript(this.#client, WRITE_NOTICE, this.#allKeys(notice), args)) as Written,
    );
  }

  /** Those after a place, the newest first; those of the same time all at once. */
  async #deadOf(
    family: string,
    clientId: string | null | undefined,
    count: number,
    last: Place | undefined,
  ): Promise<readonly Place[]> {
    const set = this.#deadSet(family, clientId ?? undefined);
    const from = last === undefined ? '+inf' : `(${last.createdAt}`;
    const [older, equal] = await Promise.all([
      this.#client.zrevrangebyscore(set, from, '-inf', 'WITHSCORES', 'LIMIT', 0, count).then(entriesOf),
      last === undefined
        ? []
        : this.#client
            .zrangebyscore(set, last.createdAt, last.createdAt, 'WITHSCORES')
            .then((flat) => entriesOf(flat).filter(({ member }) => member < last.id)),
    ]);
    return [...older, ...equal].map(({ member, score }) => ({ id: member, createdAt: score }));
  }

  async #read(id: string): Promise<Notice | undefined> {
    return noticeOf(await this.#client.hgetall(this.#keys.notice(familyOf(id), id)));
  }

  #ofFamilies<T>(work: (family: string) => Promise<T>): Promise<readonly T[]> {
    return Promise.all(FAMILIES.map(work));
  }

  #allKeys({ id, clientId }: Pick<Notice, 'id' | 'clientId'>): readonly string[] {
    const family = familyOf(id);
    const keys = this.#keys;
    const sets = [keys.dueNotices(family), keys.openNotices(family), keys.deadNotices(family)];
    return [keys.notice(family, id), ...sets, this.#deadSet(family, clientId ?? undefined)];
  }

  #deadSet(family: string, clientId: string | undefined): string {
    return this.#keys.deadNotices(family, clientId);
  }
}

/** Fields and values of a new notice in turn. */
export function noticeFields(notice: Notice): readonly (string | number)[] {
  const { id, clientId, callId, verificationId, target, createdAt, state, tries, dueAt } = notice;
  const constant = JSON.stringify({ id, clientId, callId, verificationId, target, createdAt });
  const first = ['constant', constant, 'state', state, 'tries', tries, 'dueAt', dueAt];
  return [...first, ...progressFields(notice)];
}

function progressFields(notice: Notice): readonly (string | number)[] {
  const { toldOfCall, toldOfVerification, delivered, triedSince, lastError } = notice;
  const maybe = Object.entries({ triedSince, lastError });
  return [
    ...Object.entries({ toldOfCall, toldOfVerification, delivered }).flat(),
    ...maybe.flatMap(([name, value]) => (value === null ? [] : [name, value])),
  ];
}

/** Undefined where there is none. Trusts what `noticeFields` and the scripts wrote. */
function noticeOf(hash: Hash): Notice | undefined {
  const { constant, triedSince, lastError, state } = hash;
  if (constant === undefined) return undefined;
  return {
    ...JSON.parse(constant),
    toldOfCall: Number(hash['toldOfCall']),
    toldOfVerification: Number(hash['toldOfVerification']),
    delivered: Number(hash['delivered']),
    state,
    tries: Number(hash['tries']),
    triedSince: triedSince === undefined ? null : Number(triedSince),
    dueAt: Number(hash['dueAt']),
    lastError: lastError ?? null,
  } as Notice;
}

interface Entry {
  readonly member: string;
  readonly score: number;
}

function entriesOf(flat: readonly string[]): readonly Entry[] {
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    member: flat[2 * index] ?? '',
    score: Number(flat[2 * index + 1]),
  }));
}

function isBefore(a: Place, b: Place): boolean {
  return a.createdAt === b.createdAt ? a.id < b.id : a.createdAt < b.createdAt;
}
