import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import { ERROR_TABLE } from '../errors.ts';
import { MESSAGEBIRD_ERRORS, statusOf } from './messagebird-errors.ts';
import { ownText } from './own-text.ts';
import { answer, count, locale, named } from './schemas.ts';

/** What the code is put in place of in a text. */
const TOKEN_PLACE = '%token';

/** Longest `timeout` that applications may ask for, seconds; ours may be shorter. */
const MAX_TIMEOUT_SECONDS = 259_200;

/** Forms, and the examples of the documentation, have `''` where nothing is meant. */
function given<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => (value === '' || value === null ? undefined : value), schema);
}

/** In forms every number is a text, and so it is in many applications. */
function whole(min: number, max: number) {
  return given(
    z.preprocess(
      (value) => (typeof value === 'string' && /^\s*[0-9]{1,9}\s*$/.test(value) ? Number(value) : value),
      z.int().min(min).max(max).optional(),
    ),
  ).optional();
}

function text(max: number) {
  return z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}]*$/u, { error: 'expected no control characters' });
}

/** A number that JSON has as a number, as a text. */
const recipient = given(
  z.preprocess(
    (value) => (typeof value === 'number' ? String(value) : value),
    z.string().regex(/^ *(?:\+|00)?[1-9][0-9 ()-]{3,38}$/, {
      error: 'expected a number with its country code',
    }),
  ),
).describe('Number with its country code, with or without `+` or `00`');

const type = z
  .enum(['sms', 'tts'], { error: 'expected sms or tts; flash SMS and email are not sent here' })
  .describe('`sms` (also where nothing is said): a text message; `tts`: a call that says the code');

const dataCoding = given(z.enum(['plain', 'unicode', 'auto']).optional())
  .optional()
  .describe('Accepted and not needed: what a text is made of decides');

/** Keys that are not known are ignored, as there. */
export const verifyRequest = named(
  'MessageBirdVerify',
  z.looseObject({
    recipient,
    originator: given(text(64).optional())
      .optional()
      .describe('Calling number or sender, where a trunk may show it; otherwise the number of the trunk'),
    reference: given(text(256).optional()).optional(),
    type: given(type.optional()).optional(),
    template: given(ownText(TOKEN_PLACE).optional())
      .optional()
      .describe(`What is said or sent, with \`${TOKEN_PLACE}\` in place of the code`),
    datacoding: dataCoding,
    dataCoding,
    timeout: whole(30, MAX_TIMEOUT_SECONDS).describe(
      'How long a token can be verified, seconds; never longer than `verification.maxTtlSeconds`',
    ),
    tokenLength: whole(6, 10),
    voice: given(z.enum(['female', 'male']).optional()).optional(),
    language: given(locale.optional()).optional().describe('Such as `en-gb`'),
    maxAttempts: whole(1, 10).describe('How many tokens are compared'),
    reportUrl: given(
      z
        .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
        .max(2048)
        .optional(),
    )
      .optional()
      .describe('Asked by GET at every change of the status'),
    subject: z.unknown().optional().describe('Of an email; ignored'),
  }),
);

export const verifyParams = z.object({ id: z.string().describe('As in the answer to `POST /verify`') });

/** Nothing else: an application that means to verify must not be answered as one that reads. */
export const verifyQuery = z.strictObject({
  token: z.string().max(64).optional().describe('With it, the token is verified'),
});

const dateTime = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/)
  .describe('ISO 8601, UTC, whole seconds');

export const verifyAnswer = named(
  'MessageBirdVerifyObject',
  z.object({
    id: z
      .string()
      .regex(/^[0-9a-f]{32}$/)
      .describe('The digits of our own id: `ver_…` of `/v1/verifications` is the same verification'),
    href: z.string(),
    recipient: z.union([z.int(), z.string()]).describe('Number without `+`, as a JSON number'),
    originator: z
      .string()
      .describe(
        "The sender that was asked for and may be shown; otherwise `Code`, and the trunk's own is shown",
      ),
    reference: z.string().nullable(),
    type: z.enum(['sms', 'tts']),
    messages: z.object({ id: z.string(), href: z.string() }).describe('The call, or the text message'),
    status: z.enum(['sent', 'expired', 'failed', 'verified', 'deleted']),
    createdDatetime: dateTime,
    validUntilDatetime: dateTime,
  }),
);

export const deleted = z.null().describe('Deleted');

const failure = named(
  'MessageBirdErrors',
  z.object({
    errors: z.array(
      z.object({
        code: count.describe('docs/messagebird.md lists them'),
        description: z.string(),
        parameter: z.string().nullable(),
      }),
    ),
  }),
);

/** The error answers of a route, as `errorAnswers` gives them for our own. */
export function failureAnswers(...codes: readonly ErrorCode[]) {
  const told = new Map<number, string[]>();
  for (const code of [...ALWAYS_POSSIBLE, ...codes]) {
    const { code: number } = MESSAGEBIRD_ERRORS[code];
    const line = `${number} \`${code}\`: ${ERROR_TABLE[code].message}`;
    told.set(statusOf(code), [...(told.get(statusOf(code)) ?? []), line]);
  }
  return Object.fromEntries(
    [...told].map(([status, lines]) => [status, answer(lines.join('\n\n'), failure)]),
  );
}

const ALWAYS_POSSIBLE: readonly ErrorCode[] = [
  'invalid_request',
  'unauthorized',
  'forbidden',
  'too_many_requests',
  'internal',
  'store_unavailable',
];

export type VerifyRequest = z.output<typeof verifyRequest>;
export type VerifyAnswer = z.output<typeof verifyAnswer>;
