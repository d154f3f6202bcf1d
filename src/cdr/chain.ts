import { createHash } from 'node:crypto';
import type { Cdr, CdrContent } from './cdr.ts';
import { CDR_VERSION } from './cdr.ts';

/** A row by its number and hash: enough to tell later whether all up to it is still what it was. */
export interface ChainMark {
  readonly seq: number;
  /** SHA-256, 64 hexadecimal digits in small letters. */
  readonly hash: string;
}

/** What the first row of all follows. */
export const GENESIS: ChainMark = { seq: 0, hash: '0'.repeat(64) };

/**
 * A row as it is kept: the text that was hashed, never written anew from what it says. `hash` is SHA-256 over the
 * UTF-8 bytes of `record`, and `record` holds the hash of the row before. For files see `formatLine`.
 */
export interface ChainRow {
  readonly record: string;
  readonly hash: string;
}

/**
 * The row that follows another one. Its text is one JSON object without white space between its parts, whose keys
 * stand in the order of `Cdr`: `v`, `seq`, `previous`, `recordedAt`, then the content.
 */
export function chained(content: CdrContent, previous: ChainMark, recordedAt: number): ChainRow & ChainMark {
  const seq = previous.seq + 1;
  const cdr: Cdr = { v: CDR_VERSION, seq, previous: previous.hash, recordedAt, ...content };
  const record = JSON.stringify(cdr);
  return { seq, record, hash: hashOf(record) };
}

function hashOf(record: string): string {
  return createHash('sha256').update(record, 'utf8').digest('hex');
}

/** The first place where a chain is not what it should be. */
export interface ChainBreak {
  /** Number of the row; where the row does not say one, or rows are missing, the number that was to come. */
  readonly seq: number;
  /**
   * `malformed`: no record; `number`: rows are missing, doubled or in another order; `previous`: it does not follow the
   * row before; `hash`: its text was changed; `noted`: a row that was noted elsewhere had another hash; `tail`: rows
   * at the end are missing.
   */
  readonly why: 'malformed' | 'number' | 'previous' | 'hash' | 'noted' | 'tail';
  readonly expected: string;
  readonly found: string;
}

export interface ChainReport {
  /** Rows that were read, up to the break. */
  readonly rows: number;
  /** What the first row follows: `GENESIS`, or the last row that retention has deleted. Null without rows. */
  readonly anchor: ChainMark | null;
  /** The last row that is right: to be noted elsewhere, since nothing else shows that rows at the end were deleted. */
  readonly head: ChainMark | null;
  readonly broken: ChainBreak | null;
}

/** What is known of a chain beside its rows. */
export interface ChainKnowledge {
  /** What the first row has to follow. Without it, whatever it says that it follows: a part of a chain. */
  readonly anchor?: ChainMark | undefined;
  /** The row that has to be the last. */
  readonly head?: ChainMark | undefined;
  /**
   * A row that was noted earlier. The chain must reach it and have this hash there; one from before the first row says
   * nothing any more.
   */
  readonly noted?: ChainMark | undefined;
}

/** The keys that every version begins with. */
const HEAD = /^\{"v":\d+,"seq":(\d{1,15}),"previous":"([0-9a-f]{64})",/;

/**
 * Reads a chain to its end or to its first break, row by row. A chain proves that no row was changed, taken out or put
 * in between; whoever can write all of it can still forge it anew from some row on, or cut its end off. Against that
 * only a mark helps that was noted where they cannot write.
 */
export async function verifyChain(
  rows: AsyncIterable<ChainRow> | Iterable<ChainRow>,
  known: ChainKnowledge = {},
): Promise<ChainReport> {
  let anchor = known.anchor;
  let last = known.anchor;
  let count = 0;
  const { noted } = known;
  const report = (broken: ChainBreak | null): ChainReport => ({
    rows: count,
    anchor: anchor ?? null,
    head: last ?? null,
    broken,
  });
  for await (const row of rows) {
    count += 1;
    const head = HEAD.exec(row.record);
    if (head === null) return report(malformed((last?.seq ?? 0) + 1));
    const seq = Number(head[1]);
    const previous = head[2] ?? '';
    last ??= { seq: seq - 1, hash: previous };
    anchor ??= last;
    if (noted?.seq === anchor.seq && noted.hash !== anchor.hash) return report(otherThanNoted(anchor, noted));
    const broken = breakOf(row, seq, previous, last, noted);
    if (broken !== null) return report(broken);
    last = { seq, hash: row.hash };
  }
  return report(missingEnd(last ?? GENESIS, known));
}

function breakOf(
  { record, hash }: ChainRow,
  seq: number,
  previous: string,
  last: ChainMark,
  noted: ChainMark | undefined,
): ChainBreak | null {
  const due = last.seq + 1;
  if (seq !== due) return { seq: due, why: 'number', expected: String(due), found: String(seq) };
  if (previous !== last.hash) return { seq, why: 'previous', expected: last.hash, found: previous };
  const real = hashOf(record);
  if (real !== hash) return { seq, why: 'hash', expected: real, found: hash };
  return seq === noted?.seq && hash !== noted.hash ? otherThanNoted({ seq, hash }, noted) : null;
}

function otherThanNoted({ seq, hash }: ChainMark, noted: ChainMark): ChainBreak {
  return { seq, why: 'noted', expected: noted.hash, found: hash };
}

function missingEnd(last: ChainMark, { head, noted }: ChainKnowledge): ChainBreak | null {
  for (const due of [head, noted]) {
    if (due !== undefined && due.seq > last.seq) {
      return tailBreak(last.seq, due.seq);
    }
  }
  if (head !== undefined && (head.seq !== last.seq || head.hash !== last.hash)) {
    return {
      seq: last.seq,
      why: 'noted',
      expected: `${head.seq} ${head.hash}`,
      found: `${last.seq} ${last.hash}`,
    };
  }
  return null;
}

/** Rows at the end are missing. @param last the number of the last that is there */
export function tailBreak(last: number, due: number): ChainBreak {
  return { seq: last + 1, why: 'tail', expected: `rows up to ${due}`, found: `rows up to ${last}` };
}

function malformed(seq: number): ChainBreak {
  return { seq, why: 'malformed', expected: 'a call detail record', found: 'something else' };
}

/**
 * A row as a line of a file, without its line end: the record, and its hash as one more key at the end. Whoever takes
 * `,"hash":"…"` out again has the bytes that the hash is of:
 * `sed 's/,"hash":"[0-9a-f]*"}$/}/' | tr -d '\n' | sha256sum` for one line.
 */
export function formatLine({ record, hash }: ChainRow): string {
  return `${record.slice(0, -1)},"hash":"${hash}"}`;
}

const LINE = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s;

/** The row of a line of `formatLine`; of any other text, one that `verifyChain` calls malformed. */
export function readLine(line: string): ChainRow {
  const parts = LINE.exec(line);
  return parts === null ? { record: '', hash: '' } : { record: `${parts[1]}}`, hash: parts[2] ?? '' };
}
