import type { CdrContent } from '../../cdr/cdr.ts';
import type { RedisClient, RedisScript } from '../../redis/script.ts';
import { runScript } from '../../redis/script.ts';
import { guarded } from '../../redis/unavailable.ts';
import type { CdrLedger, LedgerEnds, LedgerRow, LedgerSpan } from '../cdr-ledger.ts';
import { LedgerAppender } from './ledger-appender.ts';
import { LEDGER_CALL, LEDGER_DROP, LEDGER_ENDS, LEDGER_SPAN } from './ledger-scripts.ts';

const MAX_ROWS_A_PAGE = 5000;
/** Rows that are deleted at a time: others get their turn in between. */
const DROP_ROWS = 500;
/** Retention is seen to by `drop`, hourly; expiry only where no process is left to do it. */
const LONGER_MS = 86_400_000;

export interface RedisLedgerOptions {
  readonly client: RedisClient;
  /** What the names of all keys begin with. */
  readonly prefix: string;
  /** How long rows are kept, milliseconds; undefined: for ever. */
  readonly retentionMs: number | undefined;
}

/** A row as XRANGE gives it: its id, then the names and values of its fields. */
type Entry = readonly [id: string, fields: readonly string[]];

/**
 * The call detail records in Redis. All that belongs to them has the hash tag `{cdr}`: the ledger is one chain, and so
 * on one node of a Redis Cluster.
 *
 * With a retention, every row that is added makes all keys live for that time and a day more, so that also where
 * no process is left that would call `drop` nothing stays for ever; rows that went that way are as if they had been
 * dropped. Number and hash of the last row live another year, so that numbers are not given twice. Without a retention
 * records are kept for ever, as in any other store, and these keys have no expiry: the one exception to the rule that
 * all keys have one. They are bills; nothing but a setting says when they may go.
 *
 * Redis has to keep what it was given: `maxmemory-policy noeviction`, and an append-only file. What `appendfsync`
 * does not write in time is lost with a power cut, the end of the chain with it, as with `synchronous: normal` in SQLite;
 * the chain then goes on from what is there.
 *
 * All methods: @throws AppError store_unavailable
 */
export class RedisLedger implements CdrLedger {
  readonly #client: RedisClient;
  readonly #keys: readonly string[];
  readonly #rows: string;
  readonly #appender: LedgerAppender;

  constructor({ client, prefix, retentionMs }: RedisLedgerOptions) {
    const key = (what: string): string => `${prefix}:{cdr}:${what}`;
    this.#client = client;
    this.#rows = key('rows');
    this.#keys = [key('ends'), this.#rows, key('calls')];
    const keepMs = retentionMs === undefined ? undefined : retentionMs + LONGER_MS;
    this.#appender = new LedgerAppender(client, [...this.#keys, key('turn')], keepMs);
  }

  /**
   * Adds a row for each of some attempts, and answers these rows; for an attempt that has one already, that one, and
   * nothing is added. However many do so at once, each attempt has one row, and rows are numbered without gaps. Those
   * of one call of this method (up to 200) are written all or none. Rejects also where nobody knows whether they were
   * written: asked again, it makes sure.
   *
   * @param now when they are written, epoch milliseconds; Redis's time where it is not given. A row is never written
   * before the one that it follows.
   */
  append(contents: readonly CdrContent[], now?: number): Promise<readonly LedgerRow[]> {
    return this.#appender.append(contents, now);
  }

  async ends(): Promise<LedgerEnds> {
    const ends = await this.#run(LEDGER_ENDS, []);
    const [anchor, anchorHash = '', head, headHash = ''] = ends as readonly string[];
    return {
      anchor: { seq: Number(anchor), hash: anchorHash },
      head: { seq: Number(head), hash: headHash },
    };
  }

  async span(from: number, to: number): Promise<LedgerSpan> {
    const [after, upTo] = (await this.#run(LEDGER_SPAN, [from, to])) as readonly string[];
    return { after: Number(after), upTo: Number(upTo) };
  }

  async page({ after, upTo }: LedgerSpan, limit: number): Promise<readonly LedgerRow[]> {
    const rows = Math.max(1, Math.min(limit, MAX_ROWS_A_PAGE));
    const first = Math.max(0, after) + 1;
    const last = Math.min(upTo, Number.MAX_SAFE_INTEGER);
    if (last < first) return [];
    const entries = await guarded(() =>
      this.#client.xrange(this.#rows, `${first}-0`, `${last}-0`, 'COUNT', rows),
    );
    return entries.map(ledgerRowOf);
  }

  async ofCall(callId: string): Promise<readonly LedgerRow[]> {
    return ((await this.#run(LEDGER_CALL, [callId])) as readonly Entry[]).map(ledgerRowOf);
  }

  async drop(before: number): Promise<number> {
    let total = 0;
    for (;;) {
      const dropped = Number(await this.#run(LEDGER_DROP, [before, DROP_ROWS]));
      total += dropped;
      if (dropped < DROP_ROWS) return total;
    }
  }

  #run(script: RedisScript, args: readonly (string | number)[]): Promise<unknown> {
    return guarded(() => runScript(this.#client, script, this.#keys, args));
  }
}

/** Its fields are at, call, record and hash, in this order. */
function ledgerRowOf([id, fields]: Entry): LedgerRow {
  return { seq: Number.parseInt(id, 10), record: fields[5] ?? '', hash: fields[7] ?? '' };
}
