import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { CdrFormat, CdrRange } from '../cdr/export.ts';
import { CDR_FORMATS, CdrsGone, exportCdrs } from '../cdr/export.ts';
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
import { command, UsageError } from './command.ts';
import { Screen } from './screen.ts';
import { download, ServiceError } from './service-access.ts';
import { interruptible } from './stopping.ts';

/** What is asked for. */
interface Wish {
  readonly range: CdrRange;
  /** The same as it was typed. */
  readonly typed: Readonly<Record<string, string>>;
  readonly format: CdrFormat;
}

type Pieces = AsyncIterable<string | Uint8Array>;

const TYPES = { ndjson: 'application/x-ndjson', csv: 'text/csv' } as const;

/** `cdr export`: call detail records as a file. @throws ServiceError */
export const cdrExport = command({
  options: {
    ...RANGE_OPTIONS,
    format: { type: 'string', value: 'FORMAT', gist: 'ndjson, which can be verified (default), or csv' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      gist: 'a file, all of it or none; default: standard output',
    },
    ...SOURCE_OPTIONS,
  },
  about: `Ranges go by the time at which a record was written: each is in exactly one of ranges that follow one another.
Exit code 0: all of it was written. 1: the records cannot be read to the end. 2: they cannot be read at all.
${SOURCE_NOTE}`,
  run: async ({ values, out }) => {
    const { from, to, format = 'ndjson' } = values;
    if (!isFormat(format)) throw new UsageError(`--format is ${CDR_FORMATS.join(' or ')}`);
    const typed = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    const wish: Wish = { range: readRange({ from, to }), typed, format };
    const source = cdrSource(values);
    const interruption = interruptible();
    try {
      await written(source, wish, values.output ?? '-', out, interruption.signal);
      return 0;
    } catch (error) {
      const code = interruption.exitCode();
      if (code !== undefined) return code;
      if (isEndOfReader(error)) return 0;
      if (!(error instanceof CdrsGone) && !isDamage(error) && !(error instanceof BrokenOff)) throw error;
      process.stderr.write(`${error.message}: the export is not complete\n`);
      return 1;
    } finally {
      interruption.over();
    }
  },
});

/** The service went away in the middle. */
class BrokenOff extends Error {}

function isFormat(text: string): text is CdrFormat {
  return (CDR_FORMATS as readonly string[]).includes(text);
}

async function written(
  source: CdrSource,
  wish: Wish,
  output: string,
  out: NodeJS.WriteStream,
  signal: AbortSignal,
): Promise<void> {
  // Asked for first: what cannot be had at all costs no file.
  if (source.kind === 'service') {
    const query = new URLSearchParams({ ...wish.typed, format: wish.format });
    const body = await download(source.access, `/v1/cdrs?${query.toString()}`, {
      accept: TYPES[wish.format],
      signal,
    });
    return keep(unbroken(body, signal), output, out, signal);
  }
  const { range, format } = wish;
  await withCdrFile(source.path, (cdrs) => keep(exportCdrs(cdrs, range, format), output, out, signal));
}

async function keep(
  pieces: Pieces,
  output: string,
  out: NodeJS.WriteStream,
  signal: AbortSignal,
): Promise<void> {
  if (output === '-') return pipeline(pieces, toStandardOutput(out), { signal });
  // What is there and no file, such as a pipe, is written to as it is.
  const there = await stat(output).catch(() => undefined);
  const isPlain = there === undefined || there.isFile();
  const part = isPlain ? `${output}.part` : output;
  const progress = new Screen(process.stderr);
  try {
    await pipeline(counted(pieces, progress), createWriteStream(part, { mode: 0o600 }), { signal });
    if (isPlain) await rename(part, output);
  } catch (error) {
    if (isPlain) await rm(part, { force: true });
    const isDisk = error instanceof Error && 'syscall' in error;
    throw isDisk ? new ServiceError(`${output} cannot be written: ${error.message}`, error) : error;
  }
}

/** Shows on a terminal how much there is. */
async function* counted(pieces: Pieces, screen: Screen): Pieces {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    screen.live(`${(bytes / 1e6).toFixed(1)} MB`);
    yield piece;
  }
  screen.live('');
}

/** Standard output is not ours to end. */
function toStandardOutput(out: NodeJS.WriteStream): Writable {
  return new Writable({
    highWaterMark: 16_384,
    write: (chunk: Buffer, _encoding, done) => void out.write(chunk, done),
  });
}

async function* unbroken(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Pieces {
  try {
    yield* body;
  } catch (error) {
    throw signal.aborted ? error : new BrokenOff('the service broke off', { cause: error });
  }
}

function isEndOfReader(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}
