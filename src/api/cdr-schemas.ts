import { z } from 'zod';
import { CDR_FORMATS } from '../cdr/export.ts';
import { count, named } from './schemas.ts';

/** The last moment that can be written, epoch milliseconds: no record is as late. */
export const END_OF_TIME = 8.64e15;

const moment = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'expected a date, or a time with its offset, such as 2026-11-01 or 2026-11-01T00:00:00Z',
  })
  .describe('ISO 8601; a date is its first moment in UTC')
  .transform((text) => Date.parse(text));

const rangeShape = {
  from: moment.optional().describe('First moment of writing; default: the beginning'),
  to: moment.optional().describe('Moment of writing before which the range ends; default: the end'),
};

function inOrder({ from, to }: { readonly from?: number | undefined; readonly to?: number | undefined }) {
  return from === undefined || to === undefined || from < to;
}

const ORDER = { path: ['to'], error: 'expected a time after `from`' };

export const cdrExportQuery = z
  .strictObject({
    ...rangeShape,
    format: z
      .enum(CDR_FORMATS)
      .optional()
      .describe('Default: what `Accept` prefers, and `ndjson` where it does not say'),
  })
  .refine(inOrder, ORDER);

const MARK = /^(\d{1,15}):([0-9a-f]{64})$/;

const noted = z
  .string()
  .regex(MARK, { error: 'expected the number of a row, a colon and its hash, as `head` tells them' })
  .describe(
    'A row that was noted earlier, `seq:hash`: rows up to it must be there, and it must have this hash',
  )
  .transform((text) => {
    const [, seq, hash = ''] = MARK.exec(text) ?? [];
    return { seq: Number(seq), hash };
  });

/** A row by number and hash, `12:9f…`, as the API reads it; undefined where the text is none. */
export function readMark(text: string): { readonly seq: number; readonly hash: string } | undefined {
  return noted.safeParse(text).data;
}

export const cdrVerifyQuery = z
  .strictObject({ ...rangeShape, noted: noted.optional() })
  .refine(inOrder, ORDER)
  .refine(({ from, to, noted: mark }) => mark === undefined || (from === undefined && to === undefined), {
    path: ['noted'],
    error: 'expected without `from` and `to`: it is a row of the whole chain',
  });

const chainMark = z.object({ seq: count, hash: z.string().describe('SHA-256, hexadecimal') });

export const cdrChainAnswer = named(
  'CdrChain',
  z.object({
    valid: z.boolean(),
    rows: count.describe('That were read, up to the break where there is one'),
    first: count.nullable().describe('Number of the first of them; null without rows'),
    last: count.nullable().describe('Number of the last one that is right'),
    anchor: chainMark
      .nullable()
      .describe('What the first row follows: the last one before it, or that retention has deleted'),
    head: chainMark
      .nullable()
      .describe('The last row that is right. Note it where nobody who can write the store can change it.'),
    broken: z
      .object({
        seq: count,
        why: z.enum(['malformed', 'number', 'previous', 'hash', 'noted', 'tail']),
        expected: z.string(),
        found: z.string(),
      })
      .nullable()
      .describe('The first place where the chain is not what it should be'),
  }),
);

export type CdrChainAnswer = z.output<typeof cdrChainAnswer>;
