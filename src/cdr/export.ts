import type { CdrLedger, LedgerRow, LedgerSpan } from '../store/cdr-ledger.ts';
import type { Cdr } from './cdr.ts';
import type { ChainKnowledge, ChainMark, ChainReport, ChainRow } from './chain.ts';
import { formatLine, readLine, tailBreak, verifyChain } from './chain.ts';
import { CSV_HEADER, csvLine } from './csv.ts';

export const CDR_FORMATS = ['ndjson', 'csv'] as const;

export type CdrFormat = (typeof CDR_FORMATS)[number];

/** Times of writing, epoch milliseconds: from the first (inclusive) to the second (exclusive). */
export interface CdrRange {
  readonly from: number;
  readonly to: number;
}

/** Rows that are held at a time: some milliseconds of work, after which calls get their turn. */
const PAGE_ROWS = 200;

/** A row is not there any more: retention deleted it while the rows were being read, or somebody else did. */
export class CdrsGone extends Error {
  constructor(seq: number) {
    super(`call detail record ${seq} was deleted before it could be read`);
    this.name = 'CdrsGone';
  }
}

/**
 * The records that were written within a range, as pieces of a file in UTF-8 of some hundred lines each; the reader's
 * pace is ours. What is written after the beginning is not in it. A range that is over has the same rows for ever, and
 * each row is in exactly one of ranges that follow one another: a call that was recorded late (its process died, its
 * store was away) is in the range of its recording, not in one that was charged already.
 *
 * @param owner whose rows; those of one client are no chain
 * @throws CdrsGone; AppError store_unavailable
 */
export async function* exportCdrs(
  ledger: Pick<CdrLedger, 'span' | 'page'>,
  { from, to }: CdrRange,
  format: CdrFormat,
  owner?: string,
): AsyncGenerator<string, void, undefined> {
  const span = await ledger.span(from, to);
  if (format === 'csv') yield CSV_HEADER;
  const lineOf = format === 'csv' ? csvLine : (row: ChainRow): string => `${formatLine(row)}\n`;
  for await (const page of pages(ledger, span)) {
    const rows = owner === undefined ? page : page.filter((row) => isOf(row, owner));
    if (rows.length > 0) yield rows.map(lineOf).join('');
  }
}

function isOf({ record }: ChainRow, owner: string): boolean {
  return (JSON.parse(record) as Cdr).clientId === owner;
}

/**
 * Whether the whole ledger is what was written. The head in the report is to be noted where nobody who can write the
 * store can change it, and to be given as `noted` next time.
 *
 * @throws AppError store_unavailable
 */
export async function verifyLedger(
  ledger: Pick<CdrLedger, 'ends' | 'page'>,
  noted?: ChainMark,
): Promise<ChainReport> {
  for (;;) {
    const { anchor, head } = await ledger.ends();
    try {
      const known: ChainKnowledge = { anchor, head, noted };
      return await verifyChain(rowsOf(ledger, { after: anchor.seq, upTo: head.seq }, anchor), known);
    } catch (error) {
      // Retention went on meanwhile; it never catches up with the newest rows.
      if (!(error instanceof CdrsGone)) throw error;
    }
  }
}

/**
 * Whether the rows that were written within a range are what was written, and follow the row before them.
 *
 * @throws AppError store_unavailable
 */
export async function verifyRange(
  ledger: Pick<CdrLedger, 'ends' | 'span' | 'page'>,
  { from, to }: CdrRange,
): Promise<ChainReport> {
  for (;;) {
    const { anchor: start } = await ledger.ends();
    const span = await ledger.span(from, to);
    try {
      const anchor = await markOf(ledger, span.after, start);
      const report = await verifyChain(rowsOf(ledger, span, start), { anchor });
      const end = report.head?.seq ?? span.after;
      if (report.broken !== null || end >= span.upTo) return report;
      return { ...report, broken: tailBreak(end, span.upTo) };
    } catch (error) {
      if (!(error instanceof CdrsGone)) throw error;
    }
  }
}

/** A row by its number; undefined where it is gone. */
async function markOf(
  ledger: Pick<CdrLedger, 'page'>,
  seq: number,
  anchor: ChainMark,
): Promise<ChainMark | undefined> {
  if (seq === anchor.seq) return anchor;
  const [row] = await ledger.page({ after: seq - 1, upTo: seq }, 1);
  return row === undefined ? undefined : { seq, hash: row.hash };
}

/** Rows of the ledger; ends early where they are missing for any other reason than that retention deleted them. */
async function* rowsOf(
  ledger: Pick<CdrLedger, 'ends' | 'page'>,
  span: LedgerSpan,
  anchor: ChainMark,
): AsyncGenerator<ChainRow, void, undefined> {
  for (let done = span.after; done < span.upTo; ) {
    const page = await nextPage(ledger, { after: done, upTo: span.upTo });
    const last = page.at(-1);
    if (!follows(page, done) && (await ledger.ends()).anchor.seq > anchor.seq) throw new CdrsGone(done + 1);
    yield* page;
    if (last === undefined) return;
    done = last.seq;
  }
}

async function* pages(
  ledger: Pick<CdrLedger, 'page'>,
  { after, upTo }: LedgerSpan,
): AsyncGenerator<readonly ChainRow[], void, undefined> {
  for (let done = after; done < upTo; ) {
    const page = await nextPage(ledger, { after: done, upTo });
    if (!follows(page, done)) throw new CdrsGone(done + 1);
    yield page;
    done += page.length;
  }
}

async function nextPage(ledger: Pick<CdrLedger, 'page'>, span: LedgerSpan): Promise<readonly LedgerRow[]> {
  // A store in this process answers at once: without a pause nothing else would be done before the last row.
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  return ledger.page(span, PAGE_ROWS);
}

/** Whether a page holds the rows after this one, without gaps. */
function follows(page: readonly LedgerRow[], seq: number): boolean {
  return page[0]?.seq === seq + 1 && page.at(-1)?.seq === seq + page.length;
}

/** A line of a file that is longer is none of ours. */
const MAX_LINE_CHARS = 1_000_000;

/** The rows of an NDJSON file, from its bytes; memory is bounded, whatever the file holds. */
export async function* readExport(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ChainRow, void, undefined> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield readLine(line);
    if (rest.length > MAX_LINE_CHARS) break;
  }
  rest += decoder.decode();
  if (rest !== '') yield readLine(rest.length > MAX_LINE_CHARS ? '' : rest);
}
