import { AppError } from '../errors.ts';
import type { VerificationService } from '../verification/service.ts';
import type { StartRequest } from '../verification/terms.ts';
import { checksLeft, verificationAnswerOf } from './answers.ts';
import { clientOf } from './auth.ts';
import { answer, errorAnswers, idempotencyHeaders } from './schemas.ts';
import type { Api } from './server.ts';
import type { NewVerification } from './verification-schemas.ts';
import {
  checkAnswer,
  newVerification,
  submission,
  verificationAnswer,
  verificationParams,
} from './verification-schemas.ts';

const tags = ['verifications'];

/** Starting, reading, checking and canceling verifications. */
export function verificationRoutes(
  api: Api,
  { verifications }: { readonly verifications: VerificationService },
): void {
  api.route({
    method: 'POST',
    url: '/v1/verifications',
    schema: {
      tags,
      summary: 'Call a number and say a code',
      description:
        'Answers before anything is dialled. The code is in no answer of this API, but for the `confirmCode` that your screen is to show.',
      headers: idempotencyHeaders,
      body: newVerification,
      response: {
        201: answer('Accepted: the call is about to be placed', verificationAnswer),
        ...errorAnswers(
          'invalid_number',
          'target_not_allowed',
          'destination_not_allowed',
          'limit_reached',
          'spend_limit',
          'unknown_carrier',
          'cli_not_allowed',
          'template_not_allowed',
          'unsupported_locale',
          'flash_unavailable',
          'flash_exhausted',
          'flash_paused',
          'sms_unavailable',
          'unauthorized',
          'forbidden',
          'body_too_large',
          'unsupported_media_type',
          'idempotency_key_reused',
          'capacity',
          'engine_unavailable',
          'speech_unavailable',
          'store_unavailable',
        ),
      },
    },
    handler: async (request, reply) => {
      const key = request.headers['idempotency-key'];
      const { verification, replayed, confirmCode } = await verifications.start(
        startRequestOf(request.body),
        clientOf(request),
        key,
      );
      if (replayed) {
        void reply.header('idempotency-replayed', 'true');
      }
      return reply
        .code(201)
        .header('location', `/v1/verifications/${verification.id}`)
        .send({
          ...verificationAnswerOf(verification),
          ...(confirmCode === undefined ? {} : { confirmCode: confirmCode.reveal() }),
        });
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/verifications/:id',
    schema: {
      tags,
      summary: 'Read a verification',
      params: verificationParams,
      response: {
        200: answer('The verification', verificationAnswer),
        ...errorAnswers('unauthorized', 'forbidden', 'not_found', 'store_unavailable'),
      },
    },
    handler: async (request) =>
      verificationAnswerOf(await verifications.get(request.params.id, clientOf(request))),
  });

  api.route({
    method: 'POST',
    url: '/v1/verifications/:id/check',
    schema: {
      tags,
      summary: 'Compare the code that the person typed, or the number that rang the phone',
      description:
        'A wrong code is answered with 200 and `approved: false`; the last wrong one makes the status `max_checks_reached`. A verification that is final is not compared any more: 409.',
      params: verificationParams,
      body: submission,
      response: {
        200: answer('Compared', checkAnswer),
        ...errorAnswers(
          'unauthorized',
          'forbidden',
          'not_found',
          'not_pending',
          'body_too_large',
          'unsupported_media_type',
          'store_unavailable',
        ),
      },
    },
    handler: async (request) => {
      const { code, callerId } = request.body;
      const { verdict, verification } = await verifications.check(
        request.params.id,
        { code: code?.reveal(), callerId: callerId?.reveal() },
        clientOf(request),
      );
      return {
        id: verification.id,
        status: verification.status,
        approved: verdict === 'approved',
        checksLeft: checksLeft(verification),
      };
    },
  });

  api.route({
    method: 'DELETE',
    url: '/v1/verifications/:id',
    schema: {
      tags,
      summary: 'Cancel a verification and hang up its call',
      description: 'One that is final already stays what it is; its call is hung up all the same.',
      params: verificationParams,
      response: {
        200: answer('The verification as it is now', verificationAnswer),
        ...errorAnswers('unauthorized', 'forbidden', 'not_found', 'store_unavailable'),
      },
    },
    handler: async (request) =>
      verificationAnswerOf(await verifications.cancel(request.params.id, clientOf(request))),
  });
}

/** @throws AppError invalid_request */
function startRequestOf(body: NewVerification): StartRequest {
  const { ringHoldMs, maxRingSeconds, onAnswer, fallbackText, ...rest } = body;
  const asked = [ringHoldMs, maxRingSeconds, onAnswer, fallbackText].some((value) => value !== undefined);
  const channel = body.channel ?? 'voice';
  if (asked && channel !== 'flash' && channel !== 'auto') {
    throw new AppError('invalid_request', {
      message: 'ringHoldMs, maxRingSeconds, onAnswer and fallbackText go with channel flash or auto.',
    });
  }
  if ((onAnswer === 'speak') !== (fallbackText !== undefined)) {
    throw new AppError('invalid_request', { message: 'onAnswer speak and fallbackText go together.' });
  }
  return asked ? { ...rest, flash: { ringHoldMs, maxRingSeconds, fallbackText } } : rest;
}
