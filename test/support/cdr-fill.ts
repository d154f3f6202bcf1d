import Database from 'libsql';
import { cdrsOf } from '../../src/cdr/cdr.ts';
import type { ChainMark } from '../../src/cdr/chain.ts';
import { chained, GENESIS } from '../../src/cdr/chain.ts';
import { endedCall } from './cdr-calls.ts';
import { NOW } from './records.ts';

/** Writes the records of so many calls into an empty ledger, two for each, one written every millisecond from NOW on. */
export function fillCdrs(path: string, calls: number): void {
  const contents = cdrsOf(endedCall('filled'));
  const database = new Database(path);
  const insert = database.prepare('INSERT INTO cdrs (seq, record, hash) VALUES (?, ?, ?)');
  let head: ChainMark = GENESIS;
  database.exec('BEGIN IMMEDIATE');
  for (let call = 0; call < calls; call += 1) {
    for (const content of contents) {
      const row = chained({ ...content, callId: `call_filled${call}` }, head, NOW + head.seq);
      insert.run([row.seq, row.record, row.hash]);
      head = row;
    }
  }
  database
    .prepare('UPDATE cdr_ends SET head_seq = ?, head_hash = ?, head_recorded_at = ?')
    .run([head.seq, head.hash, NOW + head.seq - 1]);
  database.exec('COMMIT');
  database.close();
}

/** Changes a ledger behind the back of the program. */
export function tamperWithCdrs(path: string, sql: string): void {
  const database = new Database(path);
  for (const trigger of ['cdrs_in_order', 'cdrs_never_changed', 'cdrs_deleted_from_the_start']) {
    database.exec(`DROP TRIGGER IF EXISTS ${trigger}`);
  }
  database.exec(sql);
  database.close();
}
