import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import { DATATECHLABS_CODES } from './datatechlabs-envelope.ts';
import { soundUrl, spokenText } from './playlist-schemas.ts';
import {
  answersByStatus,
  callState,
  disposition,
  gender,
  locale,
  named,
  sayAs,
  timestamp,
} from './schemas.ts';

const UUID = /^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/;
const requestId = z.string().regex(UUID, { error: 'expected a UUID' });

const EXPECTED_TRUNK = 'expected the id of a trunk';

const options = z
  .looseObject({
    language: locale.optional().describe('Such as `en-US`; without it the default one'),
    gender: gender.optional(),
    'say-as': sayAs.optional(),
  })
  .describe('Of a text; other options are ignored');

const playItem = named(
  'DataTechLabsItem',
  z
    .strictObject({
      play: soundUrl.describe('A text, or the URL of a WAV'),
      type: z
        .literal('tts', { error: 'expected tts, or no type for the URL of a WAV' })
        .optional()
        .describe('Without it `play` is the URL of a WAV'),
      options: options.optional(),
    })
    .superRefine(({ play, type }, context) => {
      const problem = type === undefined ? undefined : spokenText.safeParse(play).error?.issues[0];
      if (problem !== undefined) {
        context.addIssue({ code: 'custom', path: ['play'], message: problem.message, input: undefined });
      }
    }),
);

export const playRequest = named(
  'DataTechLabsPlay',
  z.strictObject({
    to: z
      .string()
      .min(1)
      .max(256)
      .describe('Number with its country code, or a `sip:` address where the configuration allows its host'),
    from: z
      .string()
      .regex(/^\+?[A-Za-z0-9_.-]{1,64}$/, { error: 'expected a number, or me' })
      .optional()
      .describe("Calling number, one that the configuration allows; `me`, or nothing: the trunk's own"),
    playlist: z.array(playItem).min(1).max(100),
    carrier_id: z
      .union(
        [
          z.string().regex(/^(?:[A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$/, { error: EXPECTED_TRUNK }),
          z.int().min(0),
        ],
        { error: EXPECTED_TRUNK },
      )
      .optional()
      .describe('Id of the only trunk that may be used; nothing, or an empty text: any'),
  }),
);

export const statusParams = z.strictObject({ request_id: requestId });
export const carrierParams = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, { error: EXPECTED_TRUNK }),
});

const success = { code: z.literal(0), status: z.literal(200) };

export const playAnswer = named(
  'DataTechLabsAccepted',
  z.object({ ...success, data: z.literal('accepted'), request_id: requestId }),
);

export const statusAnswer = named(
  'DataTechLabsStatus',
  z.object({
    ...success,
    data: z.object({
      request_id: requestId,
      state: callState,
      disposition: disposition.nullable().describe('What became of it; null until it has ended'),
      to: z.string(),
      from: z
        .string()
        .nullable()
        .describe("Calling number that was shown, or asked for; null: the trunk's own"),
      carrier_id: z.string().nullable().describe('Trunk of the last attempt, or the one that was asked for'),
      created: timestamp,
      answered: timestamp.nullable(),
      ended: timestamp.nullable(),
      duration: z.number().min(0).nullable().describe('Seconds from the answer to the end'),
      sip_status: z.int().nullable().describe('Final SIP status of the last attempt'),
      prompt_finished: z.boolean().describe('Whether the whole playlist was played'),
      prompt_fault: z.string().nullable().describe('Why the playlist could not be played'),
    }),
  }),
);

export const carrierAnswer = named(
  'DataTechLabsCarrier',
  z.object({
    ...success,
    data: z.object({
      id: z.string(),
      known: z.literal(true),
      available: z.boolean().describe('Whether calls can be carried; the carrier itself is not asked'),
    }),
  }),
);

const failure = named(
  'DataTechLabsError',
  z.object({
    code: z.int().min(1).describe('Number of the error; docs/datatechlabs.md lists them'),
    status: z.int().describe('HTTP status'),
    data: z.string().describe('For people'),
  }),
);

/** The error answers of a route, as `errorAnswers` gives them for our own. */
export function failureAnswers(...codes: readonly ErrorCode[]) {
  return answersByStatus(failure, codes, (code) => `${DATATECHLABS_CODES[code]} \`${code}\``);
}

export type PlayRequest = z.output<typeof playRequest>;
export type StatusAnswer = z.output<typeof statusAnswer>;
