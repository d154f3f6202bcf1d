import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CallFeed } from '../call/feed.ts';
import { AppError } from '../errors.ts';
import type { Routing } from '../trunk/routing.ts';
import type { VerificationService, VerificationView } from '../verification/service.ts';
import type { StartRequest } from '../verification/terms.ts';
import { MESSAGEBIRD_STATUSES } from '../webhooks/messagebird-format.ts';
import type { NoticeTarget } from '../webhooks/notice.ts';
import { startShowing, withPlus } from './asked-numbers.ts';
import { clientOf } from './auth.ts';
import { errorsOf, MESSAGEBIRD_CODES, TOKEN_ERRORS } from './messagebird-errors.ts';
import type { VerifyAnswer, VerifyRequest } from './messagebird-schemas.ts';
import {
  deleted,
  failureAnswers,
  verifyAnswer,
  verifyParams,
  verifyQuery,
  verifyRequest,
} from './messagebird-schemas.ts';
import { answer } from './schemas.ts';
import type { Api } from './server.ts';

export interface MessageBirdDependencies {
  readonly verifications: VerificationService;
  readonly feed: Pick<CallFeed, 'current'>;
  readonly ways: { readonly routing: Pick<Routing, 'trunks'> };
}

const tags = ['messagebird'];

/** Verifications by the Verify API of MessageBird; docs/messagebird.md says what is the same there and what is ours. */
export function messageBirdRoutes(api: Api, dependencies: MessageBirdDependencies): void {
  createRoute(api, dependencies);
  readRoute(api, dependencies);
  deleteRoute(api, dependencies);
}

function createRoute(api: Api, dependencies: MessageBirdDependencies): void {
  const { verifications, ways } = dependencies;
  api.route({
    method: 'POST',
    url: '/verify',
    schema: {
      tags,
      summary: 'Send a token, or call and say it',
      description: 'JSON or a form. Answers before anything is dialled or sent.',
      body: verifyRequest,
      response: {
        201: answer('Accepted: the call is about to be placed, or the text message sent', verifyAnswer),
        ...failureAnswers(
          'invalid_number',
          'destination_not_allowed',
          'template_not_allowed',
          'unsupported_locale',
          'sms_unavailable',
          'body_too_large',
          'unsupported_media_type',
          'limit_reached',
          'spend_limit',
          'capacity',
          'engine_unavailable',
          'speech_unavailable',
        ),
      },
    },
    handler: async (request, reply) => {
      const wish = startRequestOf(request.body, verifications.maxTtlSeconds);
      const { verification } = await startShowing(
        verifications,
        ways.routing.trunks,
        wish,
        clientOf(request),
      );
      return reply.code(201).send(await verifyAnswerOf(verification, request, dependencies));
    },
  });
}

function readRoute(api: Api, dependencies: MessageBirdDependencies): void {
  const { verifications } = dependencies;
  api.route({
    method: 'GET',
    url: '/verify/:id',
    schema: {
      tags,
      summary: 'Read a verification, or with `token` verify it',
      description:
        'A token that proves nothing is answered with 422 and number 10, whatever is wrong with it; the text says what.',
      params: verifyParams,
      querystring: verifyQuery,
      response: {
        200: answer('As it is now; with a token: it is verified', verifyAnswer),
        ...failureAnswers('not_found'),
      },
    },
    handler: async (request, reply) => {
      const [client, id] = [clientOf(request), verificationIdOf(request.params.id)];
      const { token } = request.query;
      if (token !== undefined) {
        const complaint = await tokenComplaint(verifications, id, token, client);
        if (complaint !== undefined) return refuseToken(reply, complaint);
      }
      return verifyAnswerOf(await verifications.get(id, client), request, dependencies);
    },
  });
}

function deleteRoute(api: Api, { verifications }: MessageBirdDependencies): void {
  api.route({
    method: 'DELETE',
    url: '/verify/:id',
    schema: {
      tags,
      summary: 'Delete a verification and hang up its call',
      description: 'One that is final already stays what it is; its call is hung up all the same.',
      params: verifyParams,
      response: { 204: deleted, ...failureAnswers('not_found') },
    },
    handler: async (request, reply) => {
      await verifications.cancel(verificationIdOf(request.params.id), clientOf(request));
      return reply.code(204).send(null);
    },
  });
}

/** @param maxTtlSeconds of the configuration: what asks for more gets as much */
function startRequestOf(body: VerifyRequest, maxTtlSeconds: number): StartRequest {
  const { recipient, originator, reference, type, template, timeout, tokenLength, voice, language } = body;
  return {
    to: withPlus(recipient),
    channel: type === 'tts' ? 'voice' : 'sms',
    from: originator,
    reference,
    template,
    ttlSeconds: timeout === undefined ? undefined : Math.min(timeout, maxTtlSeconds),
    codeLength: tokenLength,
    maxChecks: body.maxAttempts,
    gender: voice,
    locale: language === undefined ? undefined : localeOf(language),
    notice: body.reportUrl === undefined ? undefined : reportTo(body.reportUrl),
  };
}

/** `en-gb` as `en-GB`; `en-gb-wls` keeps its third part. */
function localeOf(language: string): string {
  const [name = '', ...parts] = language.split('-');
  return [name.toLowerCase(), ...parts.map((part) => (part.length === 2 ? part.toUpperCase() : part))].join(
    '-',
  );
}

function reportTo(url: string): NoticeTarget {
  return { format: 'messagebird', url, method: 'GET', events: null, fields: {} };
}

/** Compares the token; undefined: it was the right one. */
async function tokenComplaint(
  verifications: VerificationService,
  id: string,
  token: string,
  client: string | null,
): Promise<string | undefined> {
  try {
    const { verdict } = await verifications.check(id, { code: token }, client);
    return verdict === 'approved' ? undefined : TOKEN_ERRORS.wrong;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    // It has not the form of a code: so nothing was compared.
    if (error.code === 'invalid_request') return TOKEN_ERRORS.wrong;
    if (error.code !== 'not_pending') throw error;
    const { status } = await verifications.get(id, client);
    return status === 'expired' ? TOKEN_ERRORS.expired : TOKEN_ERRORS.processed;
  }
}

function refuseToken(reply: FastifyReply, complaint: string): FastifyReply {
  return reply.code(422).send(errorsOf(MESSAGEBIRD_CODES.invalid, complaint, 'token'));
}

const DIGITS = /^[0-9a-f]{32}$/;

/** @throws AppError not_found where no verification can have this id */
function verificationIdOf(id: string): string {
  const digits = id.toLowerCase();
  if (!DIGITS.test(digits)) throw new AppError('not_found');
  return `ver_${digits}`;
}

/** The digits of an id of ours, so that no table is needed to find it again. */
function digitsOf(id: string): string {
  return id.replace(/^[a-z]+_/, '');
}

/** What is said for the sender where none was asked for that may be shown: the default there. */
const DEFAULT_ORIGINATOR = 'Code';

async function verifyAnswerOf(
  verification: VerificationView,
  request: FastifyRequest,
  { feed }: Pick<MessageBirdDependencies, 'feed'>,
): Promise<VerifyAnswer> {
  const { id, callId, to, channel, status, reference, createdAt, expiresAt } = verification;
  const shown = (await feed.current(callId))?.wishes.cli ?? null;
  // As the client knows us: the SDKs know one name only, whoever answers to it.
  const base = `${request.protocol}://${request.host}`;
  return {
    id: digitsOf(id),
    href: `${base}/verify/${digitsOf(id)}`,
    recipient: /^\+\d+$/.test(to) ? Number(to.slice(1)) : to,
    originator: shown ?? DEFAULT_ORIGINATOR,
    reference,
    type: channel === 'sms' ? 'sms' : 'tts',
    messages: { id: digitsOf(callId), href: `${base}/v1/calls/${callId}` },
    status: MESSAGEBIRD_STATUSES[status],
    createdDatetime: dateTimeOf(createdAt),
    validUntilDatetime: dateTimeOf(expiresAt),
  };
}

function dateTimeOf(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}+00:00`;
}
