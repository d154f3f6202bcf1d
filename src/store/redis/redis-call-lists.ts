import type { Call } from '../../call/call.ts';
import type { RedisClient } from '../../redis/script.ts';
import { runScript } from '../../redis/script.ts';
import { FAMILIES, familyOf } from '../family.ts';
import type { CallQuery } from '../store.ts';
import { ENTER_CALL, FRESH_MS, UNENTER_CALL } from './accept-scripts.ts';
import { DROP_CALL, PAGE_OF_CALLS } from './list-scripts.ts';
import type { RedisKeys } from './redis-keys.ts';
import { callOf } from './redis-rows.ts';
import { drain } from './sorted-set.ts';

const MAX_CALLS_A_PAGE = 500;

/** Where a call stands among others. */
type Place = Pick<Call, 'createdAt' | 'id'>;

interface Entry extends Place {
  /** Its acceptance is not under way any more: if it is not there, it will not come. */
  readonly settled: boolean;
}

/**
 * Which calls there are. Those of one verification, and those that have not ended, are listed in the family of each,
 * in the same step that changes the call. The lists of all calls and of those of one client are elsewhere: there a call
 * is entered before it is accepted, and what was never accepted is left out when they are read.
 */
export class RedisCallLists {
  readonly #client: RedisClient;
  readonly #keys: RedisKeys;
  readonly #keepMs: number;

  /** @param keepMs how long a call is kept */
  constructor(client: RedisClient, keys: RedisKeys, keepMs: number) {
    this.#client = client;
    this.#keys = keys;
    this.#keepMs = keepMs;
  }

  async call(id: string): Promise<Call | undefined> {
    const [record = null, node = null] = await this.#client.hmget(
      this.#keys.call(familyOf(id), id),
      'record',
      'node',
    );
    return callOf(record, node);
  }

  /** Enters a call that is to be accepted next; answers when, by Redis's time. */
  async enter({ id, clientId, createdAt }: Call): Promise<string> {
    const args = [id, createdAt, this.#keepMs, clientId === null ? 0 : 1, FRESH_MS] as const;
    return (await runScript(this.#client, ENTER_CALL, this.#listsOf(clientId), args)) as string;
  }

  /** Takes a call out that is not there, and will not be. */
  async unenter(id: string, clientId: string | null): Promise<void> {
    await runScript(this.#client, UNENTER_CALL, this.#listsOf(clientId), [id]);
  }

  /** See `Store.calls`. */
  async find(query: CallQuery): Promise<readonly Call[]> {
    const limit = Math.max(1, Math.min(query.limit, MAX_CALLS_A_PAGE));
    const after = query.after === undefined ? undefined : await this.call(query.after);
    if (query.after !== undefined && after === undefined) return [];
    const few = await this.#few(query);
    if (few === undefined) return this.#walk(query, limit, after);
    return few
      .filter((call) => isWanted(call, query) && (after === undefined || byAge(call, after) < 0))
      .sort((a, b) => byAge(b, a))
      .slice(0, limit);
  }

  /** See `Store.unfinishedCalls`. */
  async unfinished(): Promise<readonly Call[]> {
    const lists = await Promise.all(
      FAMILIES.map(async (family) => {
        const list = this.#keys.unfinished(family);
        const ids = await this.#client.zrangebyscore(list, '-inf', '+inf');
        const calls = await this.#read(ids);
        // An entry came and goes with its call: where that is missing, Redis has let it expire.
        await Promise.all(
          ids.flatMap((id, i) => (calls[i] === undefined ? this.#client.zrem(list, id) : [])),
        );
        return calls.flatMap((call) => (call === undefined || call.state === 'ended' ? [] : call));
      }),
    );
    return lists.flat().sort(byAge);
  }

  /** Deletes calls that began before a time; answers how many. */
  drop(before: number): Promise<number> {
    const client = this.#client;
    const keys = this.#keys;
    return drain(client, keys.calls, `(${before}`, async (id) => {
      const family = familyOf(id);
      const rows = [keys.call(family, id), keys.unfinished(family)];
      const call = callOf((await runScript(client, DROP_CALL, rows, [id])) as string | null, null);
      // The list is what it would be found by again: it goes last.
      await this.unenter(id, call?.clientId ?? null);
      return call === undefined ? 0 : 1;
    });
  }

  /** All that may be wanted, where these are few; undefined: a list has to be walked along. */
  async #few({ verificationId, state }: CallQuery): Promise<readonly Call[] | undefined> {
    if (verificationId !== undefined) {
      const family = familyOf(verificationId);
      const ids = await this.#client.zrangebyscore(
        this.#keys.callsOfVerification(family, verificationId),
        '-inf',
        '+inf',
      );
      return (await this.#read(ids)).filter((call) => call !== undefined);
    }
    return state === undefined || state === 'ended' ? undefined : this.unfinished();
  }

  async #walk(query: CallQuery, limit: number, after: Place | undefined): Promise<readonly Call[]> {
    const { clientId } = query;
    const list = clientId === undefined ? this.#keys.calls : this.#keys.callsOfClient(clientId);
    const found: Call[] = [];
    let last = after;
    for (let count = limit; ; count = MAX_CALLS_A_PAGE) {
      const entries = await this.#page(list, last, count);
      const calls = await this.#read(entries.map(({ id }) => id));
      found.push(...(calls.filter((call) => call !== undefined && isWanted(call, query)) as Call[]));
      const stale = entries.filter(({ settled }, index) => settled && calls[index] === undefined);
      await Promise.all(stale.map(({ id }) => this.unenter(id, clientId ?? null)));
      last = entries.at(-1);
      if (found.length >= limit || entries.length < count) return found.slice(0, limit);
    }
  }

  /** @param after undefined: from the newest on */
  async #page(list: string, after: Place | undefined, count: number): Promise<readonly Entry[]> {
    const place = after === undefined ? ['', ''] : [after.createdAt, after.id];
    const keys = [list, this.#keys.fresh];
    const flat = (await runScript(this.#client, PAGE_OF_CALLS, keys, [
      ...place,
      count,
      FRESH_MS,
    ])) as readonly string[];
    return Array.from({ length: flat.length / 3 }, (_, index) => {
      const [id = '', createdAt, settled] = flat.slice(3 * index, 3 * index + 3);
      return { id, createdAt: Number(createdAt), settled: settled === '1' };
    });
  }

  #read(ids: readonly string[]): Promise<readonly (Call | undefined)[]> {
    return Promise.all(ids.map((id) => this.call(id)));
  }

  /** A client that is not known has no list: the first stands for it. */
  #listsOf(clientId: string | null): readonly string[] {
    const { calls, fresh } = this.#keys;
    return [calls, clientId === null ? calls : this.#keys.callsOfClient(clientId), fresh];
  }
}

function isWanted(call: Call, { clientId, verificationId, state }: CallQuery): boolean {
  return (
    (clientId === undefined || call.clientId === clientId) &&
    (verificationId === undefined || call.verificationId === verificationId) &&
    (state === undefined || call.state === state)
  );
}

/** The oldest first. */
function byAge(a: Place, b: Place): number {
  if (a.createdAt !== b.createdAt) return a.createdAt - b.createdAt;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}
