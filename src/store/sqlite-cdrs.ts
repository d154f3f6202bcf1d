import type { Call } from '../call/call.ts';
import { cdrsOf } from '../cdr/cdr.ts';
import type { ChainMark } from '../cdr/chain.ts';
import { chained } from '../cdr/chain.ts';
import type { CdrLedger, LedgerEnds, LedgerRow, LedgerSpan } from './cdr-ledger.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import type { Row } from './sqlite-rows.ts';

/** What reads and writes a database file. */
type Statements = Pick<SqliteDatabase, 'read' | 'write' | 'get' | 'all' | 'run'>;

const SELECT_ENDS = 'SELECT * FROM cdr_ends WHERE id = 1';
const INSERT_CDR = 'INSERT INTO cdrs (seq, record, hash) VALUES (?, ?, ?)';
const MOVE_HEAD = 'UPDATE cdr_ends SET head_seq = ?, head_hash = ?, head_recorded_at = ? WHERE id = 1';
const MOVE_ANCHOR = 'UPDATE cdr_ends SET anchor_seq = ?, anchor_hash = ? WHERE id = 1';
/** The last of the oldest rows that are to go, a few at a time. */
const LAST_OLD =
  'SELECT seq, hash FROM cdrs WHERE recorded_at < ? AND seq <= (SELECT anchor_seq FROM cdr_ends) + ? ORDER BY seq DESC LIMIT 1';

const MAX_ROWS_A_PAGE = 5000;
/** Rows that are deleted at a time: other writes get their turn in between. */
const DROP_ROWS = 500;

/** The call detail records in a SQLite file. */
export class SqliteCdrs implements CdrLedger {
  readonly #database: Statements;

  constructor(database: Statements) {
    this.#database = database;
  }

  /**
   * Writes the records of a call that has just ended; inside `write`, in the transaction that ends the call, so that
   * they are there once where the call has ended, and not at all where it has not.
   */
  append(call: Call, now: number): void {
    const contents = cdrsOf(call);
    if (contents.length === 0) return;
    const row = this.#row();
    let head: ChainMark = headOf(row);
    const recordedAt = Math.max(now, Number(row['head_recorded_at']));
    for (const content of contents) {
      const next = chained(content, head, recordedAt);
      this.#database.run(INSERT_CDR, next.seq, next.record, next.hash);
      head = next;
    }
    this.#database.run(MOVE_HEAD, head.seq, head.hash, recordedAt);
  }

  ends(): Promise<LedgerEnds> {
    return this.#database.read(() => {
      const row = this.#row();
      return { anchor: anchorOf(row), head: headOf(row) };
    });
  }

  span(from: number, to: number): Promise<LedgerSpan> {
    return this.#database.read(() => {
      const head = headOf(this.#row()).seq;
      // Rows are written in the order of their times: the first one past a time says where all of them end.
      const before = (time: number): number => {
        const found = this.#database.get('SELECT MIN(seq) AS seq FROM cdrs WHERE recorded_at >= ?', time);
        return found?.['seq'] == null ? head : Number(found['seq']) - 1;
      };
      const after = before(from);
      return { after, upTo: Math.max(after, before(to)) };
    });
  }

  page({ after, upTo }: LedgerSpan, limit: number): Promise<readonly LedgerRow[]> {
    const rows = Math.max(1, Math.min(limit, MAX_ROWS_A_PAGE));
    const sql = 'SELECT seq, record, hash FROM cdrs WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?';
    return this.#database.read(() => this.#database.all(sql, after, upTo, rows).map(ledgerRowOf));
  }

  ofCall(callId: string): Promise<readonly LedgerRow[]> {
    const sql = 'SELECT seq, record, hash FROM cdrs WHERE call_id = ? ORDER BY seq';
    return this.#database.read(() => this.#database.all(sql, callId).map(ledgerRowOf));
  }

  async drop(before: number): Promise<number> {
    let total = 0;
    for (;;) {
      const dropped = await this.#database.write(() => this.#dropSome(before));
      total += dropped;
      if (dropped < DROP_ROWS) return total;
    }
  }

  #dropSome(before: number): number {
    const last = this.#database.get(LAST_OLD, before, DROP_ROWS);
    if (last === undefined) return 0;
    // The anchor first: what it does not cover cannot be deleted.
    this.#database.run(MOVE_ANCHOR, Number(last['seq']), String(last['hash']));
    return this.#database.run('DELETE FROM cdrs WHERE seq <= ?', Number(last['seq']));
  }

  #row(): Row {
    const row = this.#database.get(SELECT_ENDS);
    if (row === undefined) throw new Error('the ends of the call detail records are gone');
    return row;
  }
}

function anchorOf(row: Row): ChainMark {
  return { seq: Number(row['anchor_seq']), hash: String(row['anchor_hash']) };
}

function headOf(row: Row): ChainMark {
  return { seq: Number(row['head_seq']), hash: String(row['head_hash']) };
}

function ledgerRowOf(row: Row): LedgerRow {
  return { seq: Number(row['seq']), record: String(row['record']), hash: String(row['hash']) };
}
