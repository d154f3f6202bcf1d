import type { CdrLedger } from '../store/cdr-ledger.ts';
import type { CdrSink } from './sink.ts';

/** What came of it, in records. */
export interface CaughtUp {
  /** That the sink has now. */
  readonly written: number;
  /** That it lacks for ever: retention had deleted them. */
  readonly gone: number;
}

/** Records that are held at a time. */
const PAGE_ROWS = 500;

/**
 * Gives a sink what it lacks of a ledger: after a crash between the two, after a sink that failed, and all of the
 * ledger at the first time. For a ledger with this one sink; where several nodes write one ledger, each has its own
 * part of it.
 *
 * @throws AppError store_unavailable
 */
export async function catchUp(
  ledger: Pick<CdrLedger, 'ends' | 'page'>,
  sink: Pick<CdrSink, 'append' | 'missing'>,
): Promise<CaughtUp> {
  const { head } = await ledger.ends();
  let written = 0;
  let gone = 0;
  for (const { after, upTo } of await sink.missing(head.seq)) {
    for (let done = after; done < upTo; ) {
      const page = await ledger.page({ after: done, upTo }, PAGE_ROWS);
      await sink.append(page);
      written += page.length;
      const last = page.at(-1)?.seq ?? upTo;
      gone += last - done - page.length;
      done = last;
    }
  }
  return { written, gone };
}
