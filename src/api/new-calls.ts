import type { CallService } from '../call/call-service.ts';
import type { ErrorCode } from '../errors.ts';
import { callAnswerOf } from './answers.ts';
import { clientOf } from './auth.ts';
import { newCall, playlistOf } from './playlist-schemas.ts';
import { answer, callAnswer, errorAnswers, idempotencyHeaders } from './schemas.ts';
import type { Api } from './server.ts';

/** What a request for a call can meet. */
export const NEW_CALL_ERRORS = [
  'invalid_number',
  'target_not_allowed',
  'destination_not_allowed',
  'limit_reached',
  'spend_limit',
  'invalid_playlist',
  'unsupported_locale',
  'unknown_carrier',
  'cli_not_allowed',
  'unauthorized',
  'forbidden',
  'body_too_large',
  'unsupported_media_type',
  'idempotency_key_reused',
  'capacity',
  'engine_unavailable',
  'speech_unavailable',
  'store_unavailable',
] as const satisfies readonly ErrorCode[];

/** Starting calls that say something, without a verification. */
export function newCallRoutes(api: Api, { calls }: { readonly calls: CallService }): void {
  api.route({
    method: 'POST',
    url: '/v1/calls',
    schema: {
      tags: ['calls'],
      summary: 'Call a number and say a playlist',
      description:
        'Answers before anything is fetched, spoken or dialled. A call whose prompt cannot be played is not dialled: its disposition is `prompt_failed`. The playlist is in no answer of this API.',
      headers: idempotencyHeaders,
      body: newCall,
      response: {
        201: answer('Accepted: the call is about to be prepared and placed', callAnswer),
        ...errorAnswers(...NEW_CALL_ERRORS),
      },
    },
    handler: async (request, reply) => {
      const { playlist: _items, repeat: _repeat, repeatPauseMs: _pauseMs, ...wishes } = request.body;
      const { call, replayed } = await calls.start(
        { ...wishes, playlist: playlistOf(request.body) },
        clientOf(request),
        request.headers['idempotency-key'],
      );
      if (replayed) {
        void reply.header('idempotency-replayed', 'true');
      }
      return reply.code(201).header('location', `/v1/calls/${call.id}`).send(callAnswerOf(call));
    },
  });
}
