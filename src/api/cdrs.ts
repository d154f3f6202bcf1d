import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ChainReport } from '../cdr/chain.ts';
import type { CdrFormat } from '../cdr/export.ts';
import { exportCdrs, verifyLedger, verifyRange } from '../cdr/export.ts';
import { AppError } from '../errors.ts';
import type { CdrLedger } from '../store/cdr-ledger.ts';
import { clientOf, isOperator, requireOperator } from './auth.ts';
import type { CdrChainAnswer } from './cdr-schemas.ts';
import { cdrChainAnswer, cdrExportQuery, cdrVerifyQuery, END_OF_TIME } from './cdr-schemas.ts';
import { answer, errorAnswers } from './schemas.ts';
import type { Api } from './server.ts';

type Ledger = Pick<CdrLedger, 'ends' | 'span' | 'page'>;

const tags = ['cdrs'];

/** Exports and verifications at the same time: each reads as fast as it may. */
const MAX_READINGS = 8;
const READING_RETRY_SECONDS = 10;
/** What is made ahead of a slow reader, bytes, beside the page that is being written. */
const WRITE_AHEAD_BYTES = 16_384;
const TYPES: Readonly<Record<CdrFormat, string>> = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
};

/** Call detail records: as a file, and for operators whether they are what was written. */
export function cdrRoutes(api: Api, { cdrs }: { readonly cdrs: Ledger }): void {
  const readings = readingsOf(api);

  api.route({
    method: 'GET',
    url: '/v1/cdrs',
    schema: {
      tags,
      summary: 'Export call detail records',
      description:
        'Those of the client; with the key of an operator those of all. One for each attempt, in the order in which they were written; ranges go by the time of writing, so that each record is in exactly one of ranges that follow one another. NDJSON of all clients can be verified; CSV is for spreadsheets. The connection is cut where the export cannot be completed.',
      querystring: cdrExportQuery,
      response: {
        200: {
          description: 'The records, as they are read',
          content: {
            [TYPES.ndjson]: { schema: z.string() },
            [TYPES.csv]: { schema: z.string() },
          },
        },
        ...errorAnswers('unauthorized', 'forbidden', 'store_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const { from = -END_OF_TIME, to = END_OF_TIME, format = formatFor(request) } = request.query;
      const { signal, over } = readings.begin(reply);
      const owner = isOperator(request) ? undefined : (clientOf(request) ?? undefined);
      const pieces = exportCdrs(cdrs, { from, to }, format, owner);
      const stream = Readable.from(pieces, { objectMode: false, highWaterMark: WRITE_AHEAD_BYTES });
      stream.once('close', over);
      signal.addEventListener('abort', () => stream.destroy(), { once: true });
      return (
        reply
          .type(`${TYPES[format]}; charset=utf-8`)
          .header('content-disposition', `attachment; filename="cdrs.${format}"`)
          .header('cache-control', 'no-store')
          .header('vary', 'accept')
          // The schema describes the text that the stream becomes.
          .send(stream as unknown as string)
      );
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/cdrs/verify',
    preValidation: requireOperator,
    schema: {
      tags,
      summary: 'Whether the call detail records are what was written',
      description:
        'Needs the key of an operator. Reads the whole chain, or the rows of a range and the one before them, at the pace of the rest of the service.',
      querystring: cdrVerifyQuery,
      response: {
        200: answer('What was found; `valid` says how it came out', cdrChainAnswer),
        ...errorAnswers('unauthorized', 'forbidden', 'store_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const { from, to, noted } = request.query;
      const { signal, over } = readings.begin(reply);
      const ledger = untilAborted(cdrs, signal);
      const { socket } = request.raw;
      // Nothing moves on the connection until the end of the chain is reached; `inject` has none.
      if (socket instanceof Socket) socket.setTimeout(0);
      try {
        const whole = from === undefined && to === undefined;
        const report = whole
          ? await verifyLedger(ledger, noted)
          : await verifyRange(ledger, { from: from ?? -END_OF_TIME, to: to ?? END_OF_TIME });
        return chainAnswerOf(report);
      } finally {
        over();
      }
    },
  });
}

/** What came of reading a chain, as it is answered. */
export function chainAnswerOf({ rows, anchor, head, broken }: ChainReport): CdrChainAnswer {
  const first = anchor === null || rows === 0 ? null : anchor.seq + 1;
  return {
    valid: broken === null,
    rows,
    first,
    last: first === null || head === null || head.seq < first ? null : head.seq,
    anchor: anchor === null ? null : { seq: anchor.seq, hash: anchor.hash },
    head: head === null ? null : { seq: head.seq, hash: head.hash },
    broken,
  };
}

interface Reading {
  /** Aborted where the client has gone, or the server closes. */
  readonly signal: AbortSignal;
  readonly over: () => void;
}

function readingsOf(api: Api): { readonly begin: (reply: FastifyReply) => Reading } {
  const open = new Set<AbortController>();
  // A closing server would wait for a slow reader.
  api.addHook('preClose', async () => {
    for (const reading of open) reading.abort();
  });
  return {
    begin: (reply) => {
      if (open.size >= MAX_READINGS) {
        throw new AppError('too_many_requests', {
          message: 'Too many exports are open.',
          retryAfterSeconds: READING_RETRY_SECONDS,
        });
      }
      const reading = new AbortController();
      open.add(reading);
      reply.raw.once('close', () => reading.abort());
      return { signal: reading.signal, over: () => void open.delete(reading) };
    },
  };
}

function untilAborted(ledger: Ledger, signal: AbortSignal): Ledger {
  return {
    ends: () => ledger.ends(),
    span: (from, to) => ledger.span(from, to),
    page: async (span, limit) => {
      // Nobody reads what is answered then.
      if (signal.aborted) throw new AppError('store_unavailable');
      return ledger.page(span, limit);
    },
  };
}

/** What `Accept` prefers (RFC 9110 §12.5.1): CSV where it ranks above NDJSON. */
function formatFor({ headers }: FastifyRequest): CdrFormat {
  const { accept = '' } = headers;
  return rank(accept, TYPES.csv) > rank(accept, TYPES.ndjson) ? 'csv' : 'ndjson';
}

function rank(accept: string, type: string): number {
  const ranges = accept.split(',').map((range) => range.trim().toLowerCase().split(/ *; */));
  const found = [type, type.replace(/\/.*/, '/*'), '*/*']
    .map((pattern) => ranges.find(([range]) => range === pattern))
    .find((range) => range !== undefined);
  if (found === undefined) return 0;
  const weight = found.find((parameter) => parameter.startsWith('q='));
  return weight === undefined ? 1 : Number(weight.slice(2)) || 0;
}
