import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import { Secret } from '../secret.ts';
import { ownText } from './own-text.ts';
import { answersByStatus, callee, count, locale, named, timestamp, verificationId } from './schemas.ts';

/** Together with the account and the number, what a code is kept under. */
const service = z
  .string()
  .regex(/^[^\p{Cc}]{1,100}$/u, { error: 'expected 1 to 100 characters without control characters' })
  .describe('Name of the service that the code is for');

/** Some write `en_US`. */
const language = z
  .preprocess((value) => (typeof value === 'string' ? value.replaceAll('_', '-') : value), locale)
  .optional()
  .describe('Such as `en` or `en-US`; without it the default one');

const repeat = z
  .preprocess(
    (value) => (typeof value === 'string' && /^[0-9]{1,2}$/.test(value) ? Number(value) : value),
    z.int().min(1).max(5),
  )
  .optional()
  .describe('How often a call says the code: 1 to 5');

const body = ownText()
  .optional()
  .describe('What is said or sent, with `{code}` in place of the code; without it, our own words');

/** Keys that are not known are ignored: later versions have more of them. */
export const sendRequest = named(
  'Restcomm2faSend',
  z.looseObject({
    service,
    from: z
      .string()
      .max(64)
      .optional()
      .describe('Calling number or sender, where a trunk may show it; otherwise the number of the trunk'),
    to: callee.describe('Number with its country code, with or without `+`'),
    body,
    channel: z
      .enum(['call', 'sms'], { error: 'expected call or sms; email is not sent here' })
      .optional()
      .describe('Without it `api.restcomm2faChannel` of the configuration'),
    language,
    repeat,
  }),
);

export const verifyRequest = named(
  'Restcomm2faVerify',
  z.looseObject({
    service,
    number: callee.describe('The `to` of the request that sent the code'),
    code: z
      .preprocess((value) => (typeof value === 'number' ? String(value) : value), z.string().min(1).max(64))
      .transform((text) => new Secret(text)),
  }),
);

export const sendAnswer = named(
  'Restcomm2faSent',
  z.object({
    status: z.literal('sent'),
    id: verificationId.describe('The same verification in `/v1/verifications`'),
    service: z.string(),
    to: z.string(),
    channel: z.enum(['call', 'sms']),
    expires: timestamp,
  }),
);

export const verifyAnswer = named(
  'Restcomm2faVerified',
  z.object({ status: z.literal('approved'), service: z.string(), number: z.string() }),
);

const failure = named(
  'Restcomm2faError',
  z.object({
    status: z.int().describe('HTTP status'),
    code: z.string().describe('`wrong_code`, or one of docs/errors.md'),
    message: z.string().describe('For people'),
    checksLeft: count.optional().describe('With `wrong_code`: how many codes may still be compared'),
  }),
);

/** The error answers of a route, as `errorAnswers` gives them for our own. */
export function failureAnswers(...codes: readonly ErrorCode[]) {
  return answersByStatus(failure, codes, (code) => `\`${code}\``);
}

/** Of the only error that is not one of ours. */
export const wrongCode = {
  description: '`wrong_code`: This is not the code.',
  content: { 'application/json': { schema: failure } },
} as const;

export type SendRequest = z.output<typeof sendRequest>;
