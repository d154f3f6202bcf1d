import { z } from 'zod';
import { Secret } from '../secret.ts';
import { VOICEMAIL_RULES } from '../verification/delivery.ts';
import type { Channel, Proof } from '../verification/verification.ts';
import {
  callee,
  callId,
  count,
  gender,
  locale,
  named,
  reference,
  repeat,
  sayAs,
  secretCode,
  timestamp,
  verificationId,
  verificationStatus,
  wayKeys,
} from './schemas.ts';

export const verificationParams = z.strictObject({ id: verificationId });

const channel = z.enum(['voice', 'flash', 'auto', 'sms'] as const satisfies readonly Channel[]);

/** Of a flash call; refused with `channel: voice`. */
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

/** Of a voice call; refused with `channel: flash`. */
const deliveryKeys = {
  gate: named(
    'Gate',
    z.strictObject({
      digit: z
        .string()
        .regex(/^[0-9]$/, { error: 'expected a digit' })
        .optional()
        .describe('The key that has to be pressed'),
      seconds: z
        .int()
        .min(2)
        .max(30)
        .optional()
        .describe('How long it is waited for after the question, which is asked twice'),
      prompt: z
        .string()
        .min(1)
        .max(1000)
        .optional()
        .describe('Said instead of our own question. It must not hold the code'),
    }),
  )
    .optional()
    .describe('Voice: the code is said only after a key was pressed; without it the call ends as `no_key`'),
  confirm: z
    .boolean()
    .optional()
    .describe(
      'Voice: the other way round. The answer has `confirmCode` for your screen, the callee keys it in, and the call itself approves the verification',
    ),
  repeatKey: z
    .string()
    .regex(/^[0-9*#]$/, { error: 'expected a digit, `*` or `#`' })
    .optional()
    .describe('Voice: this key says the code once more'),
  voicemail: z
    .enum(VOICEMAIL_RULES)
    .optional()
    .describe(
      'Voice: `ignore` does not listen for one, `speak` only records who answered, `hangup` says nothing to a machine, `wait_for_tone` speaks after its tone. Detection errs (docs/detector.md): a gate is the safe way',
    ),
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
    ringHoldMs: count.describe('How long it rings: so long it is ringing on the phone, at most'),
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
        '`voice` (the default): a code is said. `flash`: the phone rings and nobody answers; the number that called is what is checked. `auto`: a flash call where one can be placed, and a voice call where that was not enough. `sms`: a text message, through a trunk that carries some',
      ),
    template: z
      .string()
      .min(1)
      .max(1000)
      .optional()
      .describe(
        'Your own text, said or sent in place of ours, with `{code}` where the code is to be. It is kept in clear: it must not hold a code itself',
      ),
    ...wayKeys,
    ...flashKeys,
    ...deliveryKeys,
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
    template: z.string().nullable().describe('Your own text; null where it is ours'),
    gate: z
      .enum(['none', 'key', 'confirm'])
      .describe('Whether a key opens the code, or the code itself is keyed in'),
    confirmCode: z
      .string()
      .optional()
      .describe('With `confirm`, and in the answer to the request itself only: what your screen is to show'),
    approvedBy: z
      .enum(['code', 'caller_id', 'keys'] as const satisfies readonly Proof[])
      .nullable()
      .describe('What proved the number; null unless it is approved'),
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

export type NewVerification = z.output<typeof newVerification>;
export type VerificationAnswer = z.output<typeof verificationAnswer>;
export type CheckAnswer = z.output<typeof checkAnswer>;
