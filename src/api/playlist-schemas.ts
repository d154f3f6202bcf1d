import { z } from 'zod';
import type { NewCallRequest } from '../call/call-service.ts';
import { callee, gender, locale, named, reference, repeat, sayAs, wayKeys } from './schemas.ts';

type Playlist = NewCallRequest['playlist'];
type PlaylistItem = Playlist['items'][number];

/** The configuration may allow fewer. */
const MAX_ITEMS = 100;
const MAX_PAUSE_MS = 10_000;
const MAX_TEXT_LENGTH = 1000;
const MAX_URL_LENGTH = 2048;

const voiceWish = {
  locale: locale.optional().describe('Language, such as `en-US`; without it the default one'),
  voice: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$/, { error: 'expected the name of a voice' })
    .optional()
    .describe('A voice of the provider by its own name'),
  gender: gender.optional(),
  speed: z.number().min(0.5).max(2).optional().describe("1 is the voice's own pace"),
};
const pauseMs = z.int().min(0).max(MAX_PAUSE_MS);

/** A text to be spoken. */
export const spokenText = z.string().min(1).max(MAX_TEXT_LENGTH);
/** Where a WAV is; whether it may be asked for is for the service to judge. */
export const soundUrl = z.string().min(1).max(MAX_URL_LENGTH);

const KINDS = ['tts', 'file', 'url', 'digits', 'pauseMs'] as const;

/** Each kind is known by one key that no other has, so that an item of none or of two kinds fits nothing. */
const playlistItem = named(
  'PlaylistItem',
  z.union(
    [
      z.strictObject({
        tts: spokenText.describe('Spoken by a voice; a code in it is said character by character'),
        sayAs: sayAs.optional(),
        ...voiceWish,
      }),
      z.strictObject({
        file: z
          .string()
          .regex(/^[^\p{Cc}]{1,200}$/u, { error: 'expected 1 to 200 characters without control characters' })
          .describe('A clip of `sounds/`, such as `en-US/slt/greeting`'),
      }),
      z.strictObject({ url: soundUrl.describe('A WAV by http or https') }),
      z.strictObject({
        digits: z
          .string()
          .regex(/^[0-9A-Za-z]{1,32}$/, { error: 'expected 1 to 32 digits, or letters and digits' })
          .describe('A code: digits; with `sayAs: nato` letters too'),
        sayAs: sayAs.optional(),
        digitPauseMs: pauseMs.optional().describe('Silence between two of them'),
        ...voiceWish,
      }),
      z.strictObject({ pauseMs: pauseMs.describe('Silence') }),
    ],
    { error: `expected one of ${KINDS.join(', ')}` },
  ),
);

const playlistShape = {
  playlist: z
    .array(playlistItem)
    .min(1)
    .max(MAX_ITEMS)
    .describe('What is said, in this order. It may hold a code, and is kept like one'),
  repeat: repeat.default(1).describe('How often all of it is said'),
  repeatPauseMs: pauseMs.default(1000).describe('Silence between two times'),
};

export const newCall = named(
  'NewCall',
  z.strictObject({
    to: callee,
    ...wayKeys,
    ...playlistShape,
    ringTimeoutSeconds: z.int().min(1).max(180).optional().describe('How long it may ring'),
    reference: reference
      .optional()
      .describe('A text of yours that comes back with the call; not unique, and never a code'),
  }),
);

export const newPreview = named('NewPreview', z.strictObject(playlistShape));

/** The playlist of a request as the service takes it. */
export function playlistOf(request: {
  readonly playlist: readonly PlaylistItem[];
  readonly repeat: number;
  readonly repeatPauseMs: number;
}): Playlist {
  return { items: request.playlist, repeat: request.repeat, repeatPauseMs: request.repeatPauseMs };
}
