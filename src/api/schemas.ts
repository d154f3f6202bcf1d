import { z } from 'zod';
import type { Blame, Call, CallState, Disposition, TimelineEntry } from '../call/call.ts';
import type { ErrorCode } from '../errors.ts';
import { ERROR_TABLE } from '../errors.ts';
import { Secret } from '../secret.ts';
import type { StartRequest } from '../verification/terms.ts';
import type { VerificationStatus } from '../verification/verification.ts';

/** Gives a schema the name under which OpenAPI lists it. */
export function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  return schema.meta({ id });
}

type Wish<Name extends 'sayAs' | 'gender'> = NonNullable<StartRequest[Name]>;

/** Which of them a code may have depends on how it is said: that is for the service to judge. */
const CODE = z
  .string()
  .regex(/^[0-9A-Za-z]{4,10}$/, { error: 'expected 4 to 10 digits, or letters and digits' });
/** From here on the code is a secret: whatever prints the request prints `[redacted]`. */
export const secretCode = CODE.transform((text) => new Secret(text));

export const timestamp = z.iso.datetime().describe('ISO 8601, UTC, with milliseconds');
export const verificationId = z
  .string()
  .regex(/^ver_[A-Za-z0-9_-]{1,60}$/, { error: 'expected the id of a verification' });
export const callId = z.string().regex(/^call_[A-Za-z0-9_-]{1,60}$/, { error: 'expected the id of a call' });

export const verificationStatus = z.enum([
  'pending',
  'approved',
  'expired',
  'failed',
  'canceled',
  'max_checks_reached',
] as const satisfies readonly VerificationStatus[]);
export const callState = z.enum([
  'queued',
  'dialing',
  'ringing',
  'answered',
  'ended',
] as const satisfies readonly CallState[]);
export const disposition = z.enum([
  'answered',
  'sent',
  'busy',
  'no_answer',
  'declined',
  'rejected',
  'blocked',
  'unreachable',
  'invalid_number',
  'canceled',
  'media_rejected',
  'identity_rejected',
  'redirected',
  'trunk_auth',
  'trunk_failure',
  'trunk_timeout',
  'prompt_failed',
  'capacity',
  'rang',
  'no_ring',
  'diverted',
  'no_key',
  'machine',
  'interrupted',
  'failed',
] as const satisfies readonly Disposition[]);
const blame = z.enum(['none', 'callee', 'trunk', 'us', 'unknown'] as const satisfies readonly Blame[]);
const hungUpBy = z.enum(['callee', 'us']);
export const count = z.int().min(0);

export const sayAs = z
  .enum(['digits', 'pairs', 'nato'] as const satisfies readonly Wish<'sayAs'>[])
  .describe(
    '`digits`: one by one; `pairs`: with a longer pause after each two; `nato`: letters too, in the words of the spelling alphabet',
  );
export const gender = z
  .enum(['female', 'male'] as const satisfies readonly Wish<'gender'>[])
  .describe('Of the voice, where there is a choice');
export const locale = z
  .string()
  .regex(/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}$/, { error: 'expected a locale such as en-US' });
/** Of whoever asks for a verification or a call: how it leaves, and for whom. */
export const wayKeys = {
  from: z
    .string()
    .regex(/^\+?[A-Za-z0-9_.-]{1,64}$/, { error: 'expected a number such as +4930123456, or me' })
    .optional()
    .describe(
      "Calling number or sender, one that the configuration allows; `me`, or nothing: the trunk's own",
    ),
  carrierId: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, { error: 'expected the id of a trunk' })
    .optional()
    .describe('Id of the only trunk that may be used'),
  endUserAddress: z
    .union([z.ipv4(), z.ipv6()], { error: 'expected an IP address' })
    .optional()
    .describe('Where the person who asks for it comes from: a limit counts by it, and keeps it for an hour'),
} as const;

export const callee = z
  .string()
  .min(1)
  .max(256)
  .describe('E.164 number with `+`, or a `sip:` address where the configuration allows its host');
export const repeat = z.int().min(1).max(5);
export const reference = z
  .string()
  .regex(/^[^\p{Cc}]{1,256}$/u, { error: 'expected 1 to 256 characters without control characters' });

export const callParams = z.strictObject({ id: callId });

export const idempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/, {
      error: 'expected 1 to 255 printable characters',
    })
    .optional()
    .describe('The same key with the same body gets the first answer again, and no second call.'),
});

/** Proof of delivery, as far as our side of the network can tell. */
const delivered = named(
  'Delivered',
  z.object({
    characters: count
      .nullable()
      .describe('Of the code, how many were sent before the hang-up; null where no code was to be said'),
    codes: count.nullable().describe('How often the whole code was sent'),
    keys: count.describe('Keys that the callee pressed'),
    falseAnswer: z
      .boolean()
      .describe('Answered for a second or more without any RTP from there: perhaps nobody picked up'),
  }),
);

const attemptAnswer = named(
  'Attempt',
  z.object({
    trunkId: z.string(),
    channel: z.enum(['voice', 'flash', 'sms']),
    cli: z.string().describe('As the callee was shown it; of a flash call without its hidden digits'),
    startedAt: timestamp,
    ringingAt: timestamp.nullable(),
    earlyMediaAt: timestamp.nullable(),
    answeredAt: timestamp.nullable(),
    endedAt: timestamp.nullable(),
    codec: z.enum(['PCMU', 'PCMA']).nullable(),
    sipStatus: z.int().nullable(),
    sipReason: z.string().nullable(),
    q850: z.int().nullable(),
    redress: z
      .string()
      .nullable()
      .describe('Of a blocked call: whom to ask for redress, as the carrier says it (603+, RFC 8688)'),
    disposition: disposition.nullable(),
    blame: blame.nullable(),
    hungUpBy: hungUpBy.nullable(),
    promptFinished: z.boolean(),
    billable: z.boolean().describe('Whether it was answered, so that the carrier may charge for it'),
    delivered: delivered.nullable().describe('Null before the end, and where nothing was said'),
    answeredBy: z
      .enum(['human', 'machine', 'unknown'])
      .nullable()
      .describe('As far as the audio tells; null where nobody listened for a voicemail'),
    media: z
      .object({
        packetsSent: count,
        packetsReceived: count,
        jitterMs: z.number().min(0),
        promptSentMs: z.number().min(0),
      })
      .nullable(),
  }),
);

const timelineEntryAnswer = named(
  'TimelineEntry',
  z.object({
    index: count.describe('Position in the timeline; the `id:` of the event stream'),
    at: timestamp,
    attempt: count.describe('Number of the attempt, from 1; 0 for the call as a whole'),
    type: z.enum([
      'queued',
      'prepared',
      'prompt_failed',
      'waiting',
      'trying',
      'progress',
      'ringing',
      'early_media',
      'answered',
      'dtmf',
      'gate_opened',
      'detected',
      'tone_heard',
      'prompt_finished',
      'ended',
    ] as const satisfies readonly TimelineEntry['type'][]),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),
);

type Prompt = NonNullable<Call['prompt']>;

const promptReport = named(
  'PromptReport',
  z.object({
    locale: z
      .string()
      .nullable()
      .describe('Of the code, or of the first thing that is spoken; null where only files are played'),
    voices: z
      .array(z.string())
      .describe('Such as `recorded en-US/slt` or `tts espeak de`, in the order in which they are heard'),
    fallback: z
      .enum([
        'none',
        'other_provider',
        'recorded',
        'default_locale',
        'code_only',
      ] as const satisfies readonly Prompt['fallback'][])
      .describe('What was said instead of what was asked for, because speech could not be had in time'),
    durationMs: z.number().min(0),
    synthesised: count.describe('Pieces that were synthesised now, and not found in the cache'),
    fetched: count.describe('Addresses that were asked'),
    preparedMs: z.number().min(0).describe('How long it took to make all of it ready'),
  }),
);

const callShape = {
  id: callId,
  verificationId: verificationId
    .nullable()
    .describe('What it proves; null for a call that only says something'),
  to: z.string(),
  reference: z.string().nullable().describe('Of a call without a verification'),
  carrierId: z.string().nullable().describe('The only trunk that was asked for'),
  prompt: promptReport.nullable().describe('With what it spoke; null until its prompt was ready'),
  state: callState,
  disposition: disposition.nullable().describe('What became of it; null until it has ended'),
  blame: blame.nullable(),
  sipStatus: z.int().nullable().describe('Final SIP status of the last attempt'),
  sipReason: z.string().nullable(),
  q850: z.int().nullable(),
  hungUpBy: hungUpBy.nullable(),
  promptFinished: z.boolean().describe('Whether the whole prompt was played'),
  /** Of the last attempt. */
  durations: z.object({
    pddMs: count
      .nullable()
      .describe('Post-dial delay: from the INVITE to the first ringing, early media or answer'),
    ringMs: count.nullable().describe('From the first ringing to the answer or the end'),
    talkMs: count.nullable().describe('From the answer to the end'),
  }),
  createdAt: timestamp,
  endedAt: timestamp.nullable(),
};

const callSummary = named(
  'CallSummary',
  z.object({ ...callShape, attempts: count.describe('How many were made') }),
);

export const callAnswer = named(
  'Call',
  z.object({ ...callShape, attempts: z.array(attemptAnswer), timeline: z.array(timelineEntryAnswer) }),
);

export const callQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  after: callId.optional().describe('Id of the last call of the page before'),
  state: callState.optional(),
  verificationId: verificationId.optional(),
});

export const callPage = named(
  'CallPage',
  z.object({
    calls: z.array(callSummary).describe('Newest first'),
    next: callId.nullable().describe('`after` of the next page; null on the last'),
  }),
);

export const eventStreamHeaders = z.looseObject({
  'last-event-id': z
    .string()
    .regex(/^[0-9]{1,6}$/, { error: 'expected the id of an event' })
    .optional()
    .describe('The stream goes on after this event'),
});

export const health = named('Health', z.object({ status: z.enum(['ok']) }));

const errorCodes = Object.keys(ERROR_TABLE) as [ErrorCode, ...ErrorCode[]];

const errorAnswer = named(
  'Error',
  z.object({
    error: z.object({ code: z.enum(errorCodes), message: z.string(), requestId: z.string() }),
  }),
);

interface JsonAnswer<Schema> {
  readonly description: string;
  readonly content: { readonly 'application/json': { readonly schema: Schema } };
}

/** An answer of a route with what OpenAPI says of it. */
export function answer<Schema extends z.ZodType>(description: string, schema: Schema): JsonAnswer<Schema> {
  return { description, content: { 'application/json': { schema } } };
}

/** The error answers of a route, by status: those it lists and those that any route can give. */
export function errorAnswers(...codes: readonly ErrorCode[]): Record<number, JsonAnswer<typeof errorAnswer>> {
  return answersByStatus(errorAnswer, codes, (code) => `\`${code}\``);
}

const ALWAYS_POSSIBLE: readonly ErrorCode[] = ['invalid_request', 'too_many_requests', 'internal'];

/** Error answers with a body of another form; `label` tells which error a line of the description is of. */
export function answersByStatus<Schema extends z.ZodType>(
  body: Schema,
  codes: readonly ErrorCode[],
  label: (code: ErrorCode) => string,
): Record<number, JsonAnswer<Schema>> {
  const told = new Map<number, string[]>();
  for (const code of [...ALWAYS_POSSIBLE, ...codes]) {
    const { status, message } = ERROR_TABLE[code];
    told.set(status, [...(told.get(status) ?? []), `${label(code)}: ${message}`]);
  }
  return Object.fromEntries([...told].map(([status, lines]) => [status, answer(lines.join('\n\n'), body)]));
}

export type CallAnswer = z.output<typeof callAnswer>;
export type CallSummaryAnswer = z.output<typeof callSummary>;
export type PromptReportAnswer = z.output<typeof promptReport>;
export type AttemptAnswer = z.output<typeof attemptAnswer>;
export type TimelineEntryAnswer = z.output<typeof timelineEntryAnswer>;
