import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import type { RestcommStatus } from '../webhooks/restcomm-status.ts';
import { answersByStatus, named, timestamp } from './schemas.ts';

const MAX_URL_LENGTH = 2048;
const HTTP_URL = /^https?:\/\/[^/?#\s@\\]+(?:[/?#][^\s\\]*)?$/i;
const MAX_RING_SECONDS = 180;
const USUAL_RING_SECONDS = 60;
const USUAL_PAGE_SIZE = 50;

const status = z.enum([
  'queued',
  'ringing',
  'in-progress',
  'completed',
  'failed',
  'busy',
  'no-answer',
  'canceled',
] as const satisfies readonly RestcommStatus[]);

const EVENTS = ['initiated', 'ringing', 'answered', 'completed'] as const;
type StatusEvent = (typeof EVENTS)[number];

const url = z
  .string()
  .trim()
  .max(MAX_URL_LENGTH)
  .regex(HTTP_URL, { error: 'expected an http or https URL without a user name' })
  .refine((text) => URL.canParse(text), { error: 'expected an http or https URL' });
const method = z
  .string()
  .trim()
  .toUpperCase()
  .pipe(z.enum(['GET', 'POST'], { error: 'expected GET or POST' }));
const number = z.string().trim().min(1).max(256);

export const callForm = named(
  'RestcommCallForm',
  z.looseObject({
    From: z
      .string()
      .trim()
      .regex(/^\+?[A-Za-z0-9_. ()-]{1,64}$/, { error: 'expected a number such as 447418340465' })
      .describe('Calling number, one that the configuration allows, with or without `+`'),
    To: number.describe(
      'Number with its country code, with or without `+`, or a `sip:` address where the configuration allows its host',
    ),
    Url: url.describe('Where the RCML is; it is fetched before the call is accepted'),
    Method: method.default('POST'),
    FallbackUrl: url.optional().describe('Asked where nothing can be made of `Url`'),
    FallbackMethod: method.default('POST'),
    Timeout: z
      .string()
      .trim()
      .regex(/^0*(?:[1-9][0-9]?|1[0-7][0-9]|180)$/, { error: `expected 1 to ${MAX_RING_SECONDS} seconds` })
      .transform(Number)
      .default(USUAL_RING_SECONDS)
      .describe('Seconds that it may ring'),
    StatusCallback: url.optional().describe('Who is told of the call'),
    StatusCallbackMethod: method.default('POST'),
    StatusCallbackEvent: z
      .string()
      .transform((text) => text.split(/[\s,]+/).filter((word) => word !== ''))
      .pipe(z.array(z.enum(EVENTS, { error: `expected words out of ${EVENTS.join(' ')}` })))
      .transform((events): readonly StatusEvent[] =>
        events.length === 0 ? ['completed'] : [...new Set(events)],
      )
      .default(['completed'])
      .describe('`initiated`, `ringing`, `answered`, `completed`, with blanks or commas between them'),
  }),
);

export const changeForm = named(
  'RestcommCallChange',
  z.looseObject({
    Status: z
      .string()
      .trim()
      .toLowerCase()
      .pipe(z.enum(['canceled', 'completed'], { error: 'expected canceled or completed' }))
      .describe('`canceled`: unless it was answered already; `completed`: whether or not it was'),
    Url: z
      .undefined({ error: 'a call that was accepted keeps what it says' })
      .optional()
      .describe('Not taken here'),
  }),
);

const accountSid = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, { error: 'expected the id of a client' });
export const accountParams = z.strictObject({ accountSid });
export const callSidParams = z.strictObject({ accountSid, callSid: z.string().max(64) });

export const callListQuery = z.strictObject({
  Status: status.optional(),
  To: number.optional(),
  From: number.optional(),
  PageSize: z.coerce.number().int().min(1).max(500).default(USUAL_PAGE_SIZE),
  Page: z.coerce.number().int().min(0).max(1_000_000).default(0).describe('Only repeated in the answer'),
  AfterSid: z
    .string()
    .regex(/^CA[0-9a-f]{32}$/i, { error: 'expected the SID of a call' })
    .optional()
    .describe('SID of the last call of the page before'),
});

const rfc2822 = z.string().describe('RFC 2822, UTC');

export const restcommCall = named(
  'RestcommCall',
  z.object({
    sid: z.string().describe('`CA` and the digits of the id of the call'),
    date_created: rfc2822,
    date_updated: rfc2822,
    account_sid: z.string(),
    to: z.string(),
    from: z.string().nullable(),
    status,
    start_time: timestamp.nullable(),
    end_time: timestamp.nullable(),
    duration: z.int().min(0).nullable().describe('Seconds from the answer to the end; null until then'),
    price_unit: z.string().nullable(),
    direction: z.literal('outbound-api'),
    answered_by: z.enum(['human', 'machine']).nullable(),
    api_version: z.literal('2012-04-24'),
    forwarded_from: z.null(),
    caller_name: z.null(),
    uri: z.string(),
    ring_duration: z.int().min(0).nullable(),
    subresource_uris: z.object({ notifications: z.string(), recordings: z.string() }),
  }),
);

export const restcommCallPage = named(
  'RestcommCallPage',
  z.object({
    page: z.int(),
    page_size: z.int(),
    start: z.int(),
    end: z.int(),
    uri: z.string(),
    first_page_uri: z.string(),
    next_page_uri: z.string().nullable(),
    calls: z.array(restcommCall).describe('Newest first'),
  }),
);

const failure = named(
  'RestcommException',
  z.object({
    status: z.int().describe('HTTP status'),
    code: z.string().describe('As in docs/errors.md'),
    message: z.string().describe('For people'),
  }),
);

/** The error answers of a route, as `errorAnswers` gives them for our own. */
export function exceptionAnswers(...codes: readonly ErrorCode[]) {
  return answersByStatus(failure, codes, (code) => `\`${code}\``);
}

export type CallForm = z.output<typeof callForm>;
export type CallListQuery = z.output<typeof callListQuery>;
export type RestcommCall = z.output<typeof restcommCall>;
export type RestcommCallPage = z.output<typeof restcommCallPage>;
