import { cdrsOf } from '../../src/cdr/cdr.ts';
import type { ChainMark } from '../../src/cdr/chain.ts';
import { chained, GENESIS } from '../../src/cdr/chain.ts';
import type { LedgerRow } from '../../src/store/cdr-ledger.ts';
import { endedCall } from './cdr-calls.ts';
import { NOW } from './records.ts';

/** The records of so many calls as a ledger has them, two for each call: always the same ones. */
export function callRows(calls: number): readonly (readonly LedgerRow[])[] {
  let head: ChainMark = GENESIS;
  return Array.from({ length: calls }, (_, index) =>
    cdrsOf(endedCall(`s${index}`)).map((content) => {
      const row = chained(content, head, NOW + index);
      head = row;
      return row;
    }),
  );
}
