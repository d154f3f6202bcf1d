import pLimit from 'p-limit';
import type { CdrContent } from '../../cdr/cdr.ts';
import type { RedisClient, RedisScript } from '../../redis/script.ts';
import { runScript } from '../../redis/script.ts';
import { guarded } from '../../redis/unavailable.ts';
import type { LedgerRow } from '../cdr-ledger.ts';
import { FAMILIES } from '../family.ts';
import type { RedisLedger } from './ledger.ts';
import { RedisKeys } from './redis-keys.ts';

/** What is delivered at a time. */
const MAX_RECORDS = 200;
/** Families that a sweep delivers at once. */
const SWEEP_FAMILIES = 8;

const OUTBOX_REMOVE: RedisScript = {
  name: 'votpOutboxRemove',
  keys: 1,
  lua: `-- Removes records that were delivered from an outbox. By their texts, not by their places: another one may have
-- removed the same records meanwhile, and others have come to stand where they stood.
-- KEYS: 1 the outbox of a family (list of JSON texts)
-- ARGV: the texts
-- Result: how many were still there
local removed = 0
for _, record in ipairs(ARGV) do removed = removed + redis.call('LREM', KEYS[1], 1, record) end
return removed`,
};

export interface OutboxOptions {
  readonly client: RedisClient;
  /** What the names of all keys begin with. */
  readonly prefix: string;
  readonly ledger: Pick<RedisLedger, 'append'>;
  /** Where rows are written beside the ledger; it resolves when they are there to stay. The same row may come twice. */
  readonly sink?: { append(rows: readonly LedgerRow[]): Promise<void> } | undefined;
}

/** What a delivery is asked for. */
interface Wish {
  readonly now: number | undefined;
  /** Calls whose records are delivered; undefined: all that there are. */
  readonly callIds: ReadonlySet<string> | undefined;
}

/** A delivery that begins when the one before it has ended. */
interface Next {
  wish: Wish;
  readonly done: Promise<number>;
}

/**
 * Carries call detail records from where they were written with the end of their call, in one step and so in the slot
 * of that call's family, to the ledger, which is in another. Each record is removed only when it is in the ledger and
 * in the sink: whoever dies in between leaves it to the next who delivers, and the ledger knows by call and attempt
 * what it has already.
 */
export class Outbox {
  readonly #client: RedisClient;
  readonly #keys: RedisKeys;
  readonly #ledger: Pick<RedisLedger, 'append'>;
  readonly #sink: OutboxOptions['sink'];
  readonly #running = new Map<string, Promise<number>>();
  readonly #next = new Map<string, Next>();

  constructor({ client, prefix, ledger, sink }: OutboxOptions) {
    this.#client = client;
    this.#keys = new RedisKeys(prefix);
    this.#ledger = ledger;
    this.#sink = sink;
  }

  /**
   * Delivers all records of a family that were there when it was called. Any number of processes may do so at once,
   * each to its own sink. What is no record stays where it is.
   *
   * @param family `00` … `ff`
   * @param now when they are written into the ledger; see `RedisLedger.append`
   * @param callId whose records are meant: those of other calls are left to their own processes, whose sinks are to
   *   have them, unless there are so many that something has gone wrong
   * @throws AppError store_unavailable; what the sink throws. Nothing that was not delivered is removed.
   */
  async deliver(family: string, now?: number, callId?: string): Promise<void> {
    await this.#deliver(family, { now, callIds: callId === undefined ? undefined : new Set([callId]) });
  }

  /**
   * Delivers what was left over in all families, by processes that died or could not reach the ledger or their sink.
   * Answers how many records were delivered.
   *
   * @throws as `deliver`, the first of its errors, when all other families have been delivered; Error where there is
   * something that is no record
   */
  async deliverAll(): Promise<number> {
    const lengths = await guarded(() =>
      Promise.all(FAMILIES.map((family) => this.#client.llen(this.#keys.outbox(family)))),
    );
    const limit = pLimit(SWEEP_FAMILIES);
    const families = FAMILIES.filter((_, index) => (lengths[index] ?? 0) > 0);
    const sweeps = families.map((family) => limit(() => this.#sweep(family)));
    const results = await Promise.allSettled(sweeps);
    let delivered = 0;
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason;
      delivered += result.value;
    }
    return delivered;
  }

  async #sweep(family: string): Promise<number> {
    const delivered = await this.#deliver(family, { now: undefined, callIds: undefined });
    const { unreadable } = await this.#read(family);
    if (unreadable > 0)
      throw new Error(`${this.#keys.outbox(family)} holds ${unreadable} texts that are no records`);
    return delivered;
  }

  /** One delivery of a family at a time; those who come meanwhile share the next one. */
  #deliver(family: string, wish: Wish): Promise<number> {
    const next = this.#next.get(family);
    if (next !== undefined) {
      next.wish = both(next.wish, wish);
      return next.done;
    }
    const running = this.#running.get(family);
    if (running === undefined) return this.#start(family, wish);
    // What runs may have read the list before our records were in it.
    const after = (): Promise<number> => {
      this.#next.delete(family);
      return this.#start(family, waiting.wish);
    };
    const waiting: Next = { wish, done: running.then(after, after) };
    this.#next.set(family, waiting);
    return waiting.done;
  }

  async #start(family: string, wish: Wish): Promise<number> {
    const run = this.#run(family, wish);
    this.#running.set(family, run);
    try {
      return await run;
    } finally {
      if (this.#running.get(family) === run) this.#running.delete(family);
    }
  }

  async #run(family: string, { now, callIds }: Wish): Promise<number> {
    for (let delivered = 0, wanted = callIds; ; ) {
      const { records: found, more } = await this.#read(family);
      // Ours may stand behind all these.
      if (more) wanted = undefined;
      const records = found.filter(({ content }) => wanted?.has(content.callId) !== false);
      if (records.length > 0) {
        const rows = await this.#ledger.append(
          records.map(({ content }) => content),
          now,
        );
        await this.#sink?.append(rows);
        const texts = records.map(({ text }) => text);
        await guarded(() => runScript(this.#client, OUTBOX_REMOVE, [this.#keys.outbox(family)], texts));
      }
      delivered += records.length;
      if (!more) return delivered;
      if (records.length === 0)
        throw new Error(`${this.#keys.outbox(family)} begins with texts that are no records`);
    }
  }

  async #read(family: string): Promise<{ records: readonly OutRecord[]; unreadable: number; more: boolean }> {
    const texts = await guarded(() => this.#client.lrange(this.#keys.outbox(family), 0, MAX_RECORDS - 1));
    const records = texts.flatMap(readRecord);
    return { records, unreadable: texts.length - records.length, more: texts.length === MAX_RECORDS };
  }
}

interface OutRecord {
  readonly text: string;
  readonly content: CdrContent;
}

function readRecord(text: string): readonly OutRecord[] {
  try {
    const content = JSON.parse(text) as Partial<CdrContent> | null;
    if (typeof content?.callId !== 'string' || !Number.isSafeInteger(content.attempt)) return [];
    return [{ text, content: content as CdrContent }];
  } catch {
    return [];
  }
}

function both(a: Wish, b: Wish): Wish {
  const isAll = a.callIds === undefined || b.callIds === undefined;
  return { now: later(a.now, b.now), callIds: isAll ? undefined : new Set([...a.callIds, ...b.callIds]) };
}

/** Of two times the later; Redis's own, undefined, comes after all. */
function later(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : Math.max(a, b);
}
