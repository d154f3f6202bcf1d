import type { ChainMark, ChainRow } from '../cdr/chain.ts';

/** Where a ledger begins and ends. It has `head.seq - anchor.seq` rows. */
export interface LedgerEnds {
  /** The last row that retention has deleted; `GENESIS` before that. */
  readonly anchor: ChainMark;
  /** The last row that was written; the anchor where there is none. */
  readonly head: ChainMark;
}

/** Rows by their numbers: those greater than `after`, up to `upTo`. */
export interface LedgerSpan {
  readonly after: number;
  readonly upTo: number;
}

export type LedgerRow = ChainRow & Pick<ChainMark, 'seq'>;

/**
 * The call detail records that a store keeps: rows in the order in which they were written, chained by hash. Rows are
 * written by `Store.finishCall` and by nothing else; none is ever changed, and only the oldest are deleted.
 */
export interface CdrLedger {
  ends(): Promise<LedgerEnds>;
  /**
   * Which rows were written from one time (inclusive) to another (exclusive), epoch milliseconds, as far as they are
   * written already. Times of writing never go back, so that these are neighbours.
   */
  span(from: number, to: number): Promise<LedgerSpan>;
  /** The first rows of a span, in their order, 1–5000 at most. */
  page(span: LedgerSpan, limit: number): Promise<readonly LedgerRow[]>;
  /** The rows of one call, in the order of its attempts. */
  ofCall(callId: string): Promise<readonly LedgerRow[]>;
  /** Deletes rows that were written before a time, and notes the last of them as the anchor; answers how many went. */
  drop(before: number): Promise<number>;
}
