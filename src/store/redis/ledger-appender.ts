import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CdrContent } from '../../cdr/cdr.ts';
import type { ChainMark } from '../../cdr/chain.ts';
import { chained } from '../../cdr/chain.ts';
import { AppError } from '../../errors.ts';
import type { RedisClient } from '../../redis/script.ts';
import { runScript } from '../../redis/script.ts';
import { guarded } from '../../redis/unavailable.ts';
import type { LedgerRow } from '../cdr-ledger.ts';
import { LEDGER_APPEND } from './ledger-scripts.ts';

/** What one script adds at most: about 250 KB, which keep Redis busy for some milliseconds. */
const MAX_ROWS = 200;
/** Where others are always faster for so long, something is wrong. */
const PATIENCE_MS = 5000;
const RETRY_AFTER_SECONDS = 2;
/** Between two questions whether it is still another one's turn. */
const TURN_POLL_MS = 5;

/** What is to be written, and when; undefined: at the time of Redis. */
interface Item {
  readonly content: CdrContent;
  readonly now: number | undefined;
}

interface Piece {
  readonly items: readonly Item[];
  readonly resolve: (rows: readonly LedgerRow[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What this process last heard of the ledger. */
interface Known {
  readonly head: ChainMark;
  /** When the head was written. */
  readonly headAt: number;
  /** Redis's time, and the moment of our own clock at which it was heard. */
  readonly time: number;
  readonly heardAt: number;
}

type ItemsByAttempt = ReadonlyMap<string, Item>;

type Round =
  | { readonly kind: 'added'; readonly rows: readonly LedgerRow[]; readonly known: Known }
  | { readonly kind: 'again'; readonly rows: readonly (LedgerRow | undefined)[]; readonly known: Known }
  | { readonly kind: 'turn'; readonly forMs: number };

/**
 * Adds rows to the ledger at the side of other processes that do the same. Hashes are made here, after the head that
 * this process knows; Redis takes the rows if that is still the head, and else says what it is, and we chain again. All
 * that is to be added while Redis is asked goes into the next question, so that the more there is to do, the fewer
 * questions a row costs. Who comes too late again and again (it is farther away from Redis than others, say) gets
 * a turn, for which the others wait.
 */
export class LedgerAppender {
  readonly #client: RedisClient;
  readonly #keys: readonly string[];
  readonly #keepMs: number | undefined;
  readonly #name = randomUUID();
  readonly #waiting: Piece[] = [];
  #writing = false;
  #known: Known | undefined;

  /**
   * @param keys of `LEDGER_APPEND`
   * @param keepMs how long the ledger's keys live from its last row on; undefined: for ever
   */
  constructor(client: RedisClient, keys: readonly string[], keepMs: number | undefined) {
    this.#client = client;
    this.#keys = keys;
    this.#keepMs = keepMs;
  }

  /** See `RedisLedger.append`. */
  async append(contents: readonly CdrContent[], now?: number): Promise<readonly LedgerRow[]> {
    const pieces: Promise<readonly LedgerRow[]>[] = [];
    for (let first = 0; first < contents.length; first += MAX_ROWS) {
      const items = contents.slice(first, first + MAX_ROWS).map((content) => ({ content, now }));
      pieces.push(
        new Promise((resolve, reject) => {
          this.#waiting.push({ items, resolve, reject });
        }),
      );
    }
    if (!this.#writing) void this.#writeAll();
    return (await Promise.all(pieces)).flat();
  }

  async #writeAll(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const pieces = this.#nextPieces();
      try {
        const items = new Map(pieces.flatMap((piece) => piece.items).map((item) => [attemptOf(item), item]));
        const rows = await guarded(() => this.#write(items));
        for (const piece of pieces) {
          piece.resolve(piece.items.map((item) => rows.get(attemptOf(item)) as LedgerRow));
        }
      } catch (error) {
        // Where Redis cannot serve, those behind learn it too, instead of asking in vain one after the other.
        const behind = error instanceof AppError ? this.#waiting.splice(0) : [];
        for (const { reject } of [...pieces, ...behind]) reject(error);
      }
    }
    this.#writing = false;
  }

  /** As many of those that wait as go into one script; one at least. */
  #nextPieces(): readonly Piece[] {
    let rows = 0;
    const tooMany = this.#waiting.findIndex(({ items }) => {
      rows += items.length;
      return rows > MAX_ROWS;
    });
    return this.#waiting.splice(0, tooMany < 0 ? this.#waiting.length : tooMany);
  }

  async #write(items: ItemsByAttempt): Promise<ReadonlyMap<string, LedgerRow>> {
    const rows = new Map<string, LedgerRow>();
    const end = performance.now() + PATIENCE_MS;
    let left = items;
    for (let tooLate = 0; performance.now() < end; ) {
      const round = await this.#ask([...left.values()], tooLate);
      if (round.kind === 'turn') {
        await sleep(Math.min(round.forMs, TURN_POLL_MS));
        continue;
      }
      if (this.#known !== undefined) tooLate += 1;
      this.#known = round.known;
      const attempts = [...left.keys()];
      for (const [index, row] of round.rows.entries()) {
        if (row !== undefined) rows.set(attempts[index] ?? '', row);
      }
      left = new Map([...left].filter(([attempt]) => !rows.has(attempt)));
      if (left.size === 0) return rows;
    }
    throw new AppError('store_unavailable', { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  async #ask(items: readonly Item[], tooLate: number): Promise<Round> {
    const known = this.#known;
    const time = known === undefined ? 0 : Math.floor(known.time + performance.now() - known.heardAt);
    const rows = known === undefined ? [] : chain(items, known, time);
    const reckoned = known !== undefined && items.some(({ now }) => now === undefined) ? time : '';
    const follow = known === undefined ? ['', ''] : [known.head.seq, known.head.hash];
    const args = [...follow, reckoned, this.#name, tooLate, this.#keepMs ?? ''];
    for (const [index, { content }] of items.entries()) {
      const { row, recordedAt } = rows[index] ?? {};
      args.push(content.callId, content.attempt, recordedAt ?? '', row?.record ?? '', row?.hash ?? '');
    }
    const answer = (await runScript(this.#client, LEDGER_APPEND, this.#keys, args)) as readonly string[];
    return roundOf(answer, rows);
  }
}

interface TimedRow {
  readonly row: LedgerRow;
  readonly recordedAt: number;
}

/** Rows that follow the head, in the order of their times. */
function chain(items: readonly Item[], { head, headAt }: Known, time: number): readonly TimedRow[] {
  let previous = head;
  let recordedAt = headAt;
  return items.map(({ content, now }) => {
    recordedAt = Math.max(recordedAt, now ?? time);
    const row = chained(content, previous, recordedAt);
    previous = row;
    return { row, recordedAt };
  });
}

function roundOf([kind, ...rest]: readonly string[], rows: readonly TimedRow[]): Round {
  const heardAt = performance.now();
  if (kind === 'turn') return { kind, forMs: Math.max(1, Number(rest[0])) };
  if (kind === 'added') {
    const last = rows.at(-1) as TimedRow;
    const known = { head: last.row, headAt: last.recordedAt, time: Number(rest[0]), heardAt };
    return { kind, rows: rows.map(({ row }) => row), known };
  }
  const [seq, hash = '', headAt, time, ...there] = rest;
  const known = { head: { seq: Number(seq), hash }, headAt: Number(headAt), time: Number(time), heardAt };
  return { kind: 'again', rows: rowsThere(there), known };
}

/** The rows that are there already, undefined for those that are not. */
function rowsThere(texts: readonly string[]): readonly (LedgerRow | undefined)[] {
  const rows: (LedgerRow | undefined)[] = [];
  for (let index = 0; index < texts.length; index += 3) {
    const [seq = '', record = '', hash = ''] = texts.slice(index, index + 3);
    rows.push(seq === '' ? undefined : { seq: Number(seq), record, hash });
  }
  return rows;
}

/** What a row is known by: there is one for each attempt of a call. */
function attemptOf({ content }: Item): string {
  return `${content.callId} ${content.attempt}`;
}
