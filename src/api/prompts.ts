import { z } from 'zod';
import type { Call } from '../call/call.ts';
import type { NewCallRequest } from '../call/call-service.ts';
import { AppError } from '../errors.ts';
import { promptReportOf } from './answers.ts';
import { newPreview, playlistOf } from './playlist-schemas.ts';
import { errorAnswers } from './schemas.ts';
import type { Api } from './server.ts';

/** What makes the sound of a playlist without calling anybody. */
export interface PreviewPort {
  /**
   * @returns a WAV file with 16 bits a sample, mono, 8000 Hz
   * @throws AppError invalid_playlist, unsupported_locale, prompt_failed, speech_unavailable
   */
  preview(
    playlist: NewCallRequest['playlist'],
    signal: AbortSignal,
  ): Promise<{ readonly wav: Uint8Array; readonly report: NonNullable<Call['prompt']> }>;
}

/** Hearing what a call would say. There is no way here to the prompt of a verification: it says a code. */
export function promptRoutes(api: Api, { prompts }: { readonly prompts: PreviewPort }): void {
  api.route({
    method: 'POST',
    url: '/v1/prompts/preview',
    schema: {
      tags: ['prompts'],
      summary: 'Hear what a call with this playlist would say',
      description:
        'Answers the sound that would be played. The header `voice-otp-prompt` has a PromptReport as JSON.',
      body: newPreview,
      response: {
        200: {
          description: 'A WAV file: 16 bits a sample, mono, 8000 Hz',
          content: { 'audio/wav': { schema: z.string().meta({ format: 'binary' }) } },
        },
        ...errorAnswers(
          'invalid_playlist',
          'unsupported_locale',
          'unauthorized',
          'forbidden',
          'body_too_large',
          'unsupported_media_type',
          'prompt_failed',
          'speech_unavailable',
        ),
      },
    },
    handler: async (request, reply) => {
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      try {
        const { wav, report } = await prompts.preview(playlistOf(request.body), gone.signal);
        const sound: unknown = Buffer.from(wav.buffer, wav.byteOffset, wav.byteLength);
        return (
          reply
            .header('content-type', 'audio/wav')
            .header('cache-control', 'no-store')
            .header('voice-otp-prompt', asciiJson(promptReportOf(report)))
            // The schema describes what OpenAPI calls a binary string.
            .send(sound as string)
        );
      } catch (error) {
        // Nobody reads this any more, and what was broken off is no fault of ours.
        throw gone.signal.aborted
          ? new AppError('invalid_request', { message: 'The client went away.', cause: error })
          : error;
      }
    },
  });
}

/** A header has ASCII only; JSON can write everything else in it. */
function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
