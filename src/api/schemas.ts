import { z } from 'zod';
import type { Blame, Call, CallState, Disposition, TimelineEntry } from '../call/call.ts';
import type { ErrorCode } from '../errors.ts';
import { ERROR_TABLE } from '../errors.ts';
import { Secret } from '../secret.ts';
import type { StartRequest } from '../verification/terms.ts';
import type { Channel, VerificationStatus } from '../verification/verification.ts';

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
const secretCode = CODE.transform((text) => new Secret(text));

export const timestamp = z.iso.datetime().describe('ISO 8601, UTC, with milliseconds');
const verificationId = z
  .string()
  .regex(/^ver_[A-Za-z0-9_-]{1,60}$/, { error: 'expected the id of a verification' });
const callId = z.string().regex(/^call_[A-Za-z0-9_-]{1,60}$/, { error: 'expected the id of a call' });

const verificationStatus = z.enum([
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
  'rang',
  'no_ring',
  'diverted',
  'no_key',
  'interrupted',
  'failed',
] as const satisfies readonly Disposition[]);
const blame = z.enum(['none', 'callee', 'trunk', 'us', 'unknown'] as const satisfies readonly Blame[]);
const hungUpBy = z.enum(['callee', 'us']);
const count = z.int().min(0);

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
  .regex(/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}$/, { error: 'expected a locale such as en-US' });
export const callee = z
  .string()
  .min(1)
  .max(256)
  .describe('E.164 number with `+`, or a `sip:` address where the configuration allows its host');
export const repeat = z.int().min(1).max(5);
export const reference = z
  .string()
  .regex(/^[^\p{Cc}]{1,256}$/u, { error: 'expected 1 to 256 characters without control characters' });

export const verificationParams = z.strictObject({ id: verificationId });
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

const channel = z.enum(['voice', 'flash'] as const satisfies readonly Channel[]);

/** Of a flash call; refused without `channel: flash`. */
const flashKeys = {
  ringHoldMs: z
    .int()
    .min(500)
    .max(8000)
    .optional()
    .describe('Flash: from the first ringing (180) to our hang-up'),
  maxRingSeconds: z.int().min(3).max(30).optional().describe('Flash: hard limit of the attempt'),
  onAnswer: z
    .enum(['hangup', 'speak'])
    .optional()
    .describe('Flash: what somebody gets who answers; `speak` needs `fallbackText`'),
  fallbackText: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .describe('Flash: said to somebody who answers. It must not hold anything that proves the number'),
} as const;

/** What a flash call shows, for the app that waits for it. The number itself is in no answer. */
const flashAnswer = named(
  'Flash',
  z.object({
    prefix: z.string().describe('What the calling number begins with'),
    hiddenDigits: count.describe('How many digits follow, which are compared'),
    guessProbability: z
      .number()
      .min(0)
      .max(1)
      .describe('That somebody who has not seen the phone guesses them within `maxChecks`'),
    ringHoldMs: count,
    maxRingMs: count,
  }),
);

export const newVerification = named(
  'NewVerification',
  z.strictObject({
    to: callee,
    channel: channel
      .optional()
      .describe(
        '`voice` (the default): a code is said. `flash`: the phone rings and nobody answers; the number that called is what is checked',
      ),
    ...flashKeys,
    locale: locale.optional().describe('Language of the prompt, such as `en-US`'),
    codeLength: z
      .int()
      .min(4)
      .max(10)
      .optional()
      .describe('Characters of the code; that of `code` where there is one'),
    code: secretCode
      .optional()
      .describe(
        'A code of your own, of digits; with `sayAs: nato` of letters of either case too. Without it one is made up',
      ),
    sayAs: sayAs.optional(),
    gender: gender.optional(),
    ttlSeconds: z.int().min(30).max(86_400).optional().describe('How long a check can approve'),
    maxChecks: z.int().min(1).max(10).optional().describe('How many submitted codes are compared'),
    repeat: repeat.optional().describe('How often the code is said'),
    reference: reference
      .optional()
      .describe('A text of yours that comes back with the verification; not unique, and never a code'),
  }),
);

export const submission = named(
  'Submission',
  z.strictObject({
    code: secretCode.optional().describe('What was heard'),
    callerId: z
      .string()
      .min(3)
      .max(40)
      .transform((text) => new Secret(text))
      .optional()
      .describe('Of a flash call: the number that called, as the phone reports it'),
  }),
);

export const verificationAnswer = named(
  'Verification',
  z.object({
    id: verificationId,
    status: verificationStatus,
    to: z.string(),
    locale: z.string(),
    codeLength: count,
    repeat: count,
    sayAs,
    channel,
    flash: flashAnswer.nullable(),
    checks: count.describe('Codes compared so far'),
    maxChecks: count,
    checksLeft: count,
    reference: z.string().nullable(),
    createdAt: timestamp,
    expiresAt: timestamp,
    endedAt: timestamp.nullable().describe('When the status became final'),
    callId,
  }),
);

export const checkAnswer = named(
  'CheckResult',
  z.object({
    id: verificationId,
    status: verificationStatus,
    approved: z.boolean().describe('Whether this code, or number, was the right one'),
    checksLeft: count,
  }),
);

const attemptAnswer = named(
  'Attempt',
  z.object({
    trunkId: z.string(),
    cli: z.string(),
    startedAt: timestamp,
    ringingAt: timestamp.nullable(),
    earlyMediaAt: timestamp.nullable(),
    answeredAt: timestamp.nullable(),
    endedAt: timestamp.nullable(),
    codec: z.enum(['PCMU', 'PCMA']).nullable(),
    sipStatus: z.int().nullable(),
    sipReason: z.string().nullable(),
    q850: z.int().nullable(),
    disposition: disposition.nullable(),
    blame: blame.nullable(),
    hungUpBy: hungUpBy.nullable(),
    promptFinished: z.boolean(),
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
      'trying',
      'progress',
      'ringing',
      'early_media',
      'answered',
      'dtmf',
      'gate_opened',
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

export type VerificationAnswer = z.output<typeof verificationAnswer>;
export type CheckAnswer = z.output<typeof checkAnswer>;
export type CallAnswer = z.output<typeof callAnswer>;
export type CallSummaryAnswer = z.output<typeof callSummary>;
export type PromptReportAnswer = z.output<typeof promptReport>;
export type AttemptAnswer = z.output<typeof attemptAnswer>;
export type TimelineEntryAnswer = z.output<typeof timelineEntryAnswer>;
