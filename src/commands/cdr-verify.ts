import { createReadStream } from 'node:fs';
import type { CdrChainAnswer } from '../api/cdr-schemas.ts';
import { readMark } from '../api/cdr-schemas.ts';
import { chainAnswerOf } from '../api/cdrs.ts';
import type { ChainMark } from '../cdr/chain.ts';
import { verifyChain } from '../cdr/chain.ts';
import type { CdrRange } from '../cdr/export.ts';
import { readExport, verifyLedger, verifyRange } from '../cdr/export.ts';
import { OPEN } from '../cdr/sink-names.ts';
import { SinkReader } from '../cdr/sink-reader.ts';
import type { LedgerSpan } from '../store/cdr-ledger.ts';
import type { CdrSource } from './cdr-source.ts';
import {
  cdrSource,
  isDamage,
  RANGE_OPTIONS,
  readRange,
  SOURCE_NOTE,
  SOURCE_OPTIONS,
  withCdrFile,
} from './cdr-source.ts';
import { command, JSON_OPTION, UsageError } from './command.ts';
import { Screen, writeJson } from './screen.ts';
import { ask, ServiceError } from './service-access.ts';

type Broken = NonNullable<CdrChainAnswer['broken']>;

/** What was found; a database can be damaged too. */
type Found = Omit<CdrChainAnswer, 'broken'> & {
  readonly broken: Broken | (Omit<Broken, 'why'> & { readonly why: 'damaged' }) | null;
  /** Numbers between the first record and the last that none of several files holds; the first hundred gaps. */
  readonly missing?: readonly { readonly first: number; readonly last: number }[];
};

const MAX_GAPS = 100;

/** `cdr verify`: whether records are what was written. @throws ServiceError */
export const cdrVerify = command({
  options: {
    noted: {
      type: 'string',
      value: 'SEQ:HASH',
      gist: 'a head that was noted earlier: the chain must reach it',
    },
    ...RANGE_OPTIONS,
    ...SOURCE_OPTIONS,
    ...JSON_OPTION,
  },
  about: `FILE is an NDJSON export, - standard input. A CSV cannot be verified. Several files, such as those of the sinks of
all nodes, are read as one, in the order of the records' numbers; a record that is in more than one of them counts once.
Note the head that it tells where nobody who can write the records can change it: without --noted, records that
are missing at the end of an export are not seen, nor a chain that was written anew.
Exit code 0: they are what was written. 1: they are not, and the first that is wrong is named. 2: they cannot be read.
${SOURCE_NOTE}`,
  run: async ({ values, positionals: files, out }) => {
    const { from, to, store, config, url, json } = values;
    const noted = values.noted === undefined ? undefined : notedOf(values.noted);
    const isPart = from !== undefined || to !== undefined;
    if (isPart && noted !== undefined) throw new UsageError('--noted goes without --from and --to');
    if (files.length > 0 && [from, to, store, config, url].some((value) => value !== undefined)) {
      throw new UsageError('FILE is verified as it is, without --from, --to, --store, --config and --url');
    }
    const query = {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...markOf(noted),
    };
    const range = isPart ? readRange({ from, to }) : undefined;
    const found =
      files.length === 0
        ? await foundAt(cdrSource(values), { range, noted, query })
        : await foundIn(files, noted);
    if (json) writeJson(out, found);
    else showFound(new Screen(out), found);
    return found.valid ? 0 : 1;
  },
});

async function foundIn(files: readonly string[], noted: ChainMark | undefined): Promise<Found> {
  const [file = '-', ...others] = files;
  if (others.length === 0 && !file.endsWith(OPEN)) {
    return chainAnswerOf(await verifyChain(readExport(bytesOf(file)), { noted }));
  }
  if (files.includes('-')) throw new UsageError('standard input is verified alone');
  const reader = new SinkReader();
  try {
    for (const path of files) await reader.add(path, bytesOf(path));
    const missing = reader.missing().slice(0, MAX_GAPS);
    const answer = chainAnswerOf(await verifyChain(reader.rows(), { noted }));
    return { ...answer, missing: missing.map(({ after, upTo }) => ({ first: after + 1, last: upTo })) };
  } finally {
    await reader.close();
  }
}

interface Question {
  readonly range: CdrRange | undefined;
  readonly noted: ChainMark | undefined;
  /** The same for the API. */
  readonly query: Readonly<Record<string, string>>;
}

async function foundAt(source: CdrSource, { range, noted, query }: Question): Promise<Found> {
  if (source.kind === 'service') {
    return ask<CdrChainAnswer>(
      source.access,
      'GET',
      `/v1/cdrs/verify?${new URLSearchParams(query).toString()}`,
    );
  }
  let after = 0;
  try {
    return await withCdrFile(source.path, async (cdrs) => {
      const watched: typeof cdrs = {
        ends: () => cdrs.ends(),
        span: (from, to) => cdrs.span(from, to),
        page: (span: LedgerSpan, limit) => {
          ({ after } = span);
          return cdrs.page(span, limit);
        },
      };
      const report = range === undefined ? verifyLedger(watched, noted) : verifyRange(watched, range);
      return chainAnswerOf(await report);
    });
  } catch (error) {
    if (!isDamage(error)) throw error;
    return damagedAfter(after, error.message);
  }
}

/** @param after the last row that could be read */
function damagedAfter(after: number, message: string): Found {
  const broken = {
    seq: after + 1,
    why: 'damaged',
    expected: 'rows that can be read',
    found: message,
  } as const;
  return { valid: false, rows: after, first: null, last: null, anchor: null, head: null, broken };
}

function notedOf(text: string): ChainMark {
  const mark = readMark(text);
  if (mark === undefined) throw new UsageError('--noted is a number, a colon and a hash, as `head` is told');
  return mark;
}

function markOf(noted: ChainMark | undefined): { noted?: string } {
  return noted === undefined ? {} : { noted: `${noted.seq}:${noted.hash}` };
}

const SQLITE = Buffer.from('SQLite format 3\0');

/** @throws ServiceError where the file cannot be read; UsageError where it is a database */
async function* bytesOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  let isFirst = true;
  try {
    for await (const chunk of (path === '-'
      ? process.stdin
      : createReadStream(path)) as AsyncIterable<Buffer>) {
      if (isFirst && chunk.subarray(0, SQLITE.length).equals(SQLITE)) {
        throw new UsageError(`${path} is a database: --store ${path}`);
      }
      isFirst = false;
      yield chunk;
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ServiceError(`${path} cannot be read: ${reason}`, error);
  }
}

const REASONS: Readonly<Record<NonNullable<Found['broken']>['why'], string>> = {
  malformed: 'is no record',
  number: 'is not the next one',
  previous: 'does not follow the one before',
  hash: 'was changed',
  noted: 'is not the one that was noted',
  tail: 'is missing, with what follows',
  damaged: 'or one after it cannot be read',
};

function showFound(screen: Screen, { rows, first, last, head, broken, missing = [] }: Found): void {
  const which = first === null || last === null ? '' : `, ${first} to ${last}`;
  if (broken === null) screen.verdict(true, `${rows} records${which}: what was written`);
  else {
    const { seq, why, expected, found } = broken;
    screen.verdict(false, `record ${seq} ${REASONS[why]} (${why}): expected ${expected}, found ${found}`);
  }
  const gaps = missing.map((gap) => (gap.first === gap.last ? `${gap.first}` : `${gap.first}–${gap.last}`));
  if (gaps.length > 0) screen.line(`    in none of the files: ${gaps.join(', ')}`);
  if (head !== null) screen.line(`    ${broken === null ? 'head' : 'right up to'} ${head.seq}:${head.hash}`);
}
