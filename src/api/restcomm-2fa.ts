import type { Routing } from '../trunk/routing.ts';
import type { CalleeRules } from '../verification/callee.ts';
import { readCallee } from '../verification/callee.ts';
import type { VerificationService } from '../verification/service.ts';
import { iso } from './answers.ts';
import { startShowing, withPlus } from './asked-numbers.ts';
import { clientOf } from './auth.ts';
import type { Restcomm2faError } from './restcomm-2fa-errors.ts';
import type { SendRequest } from './restcomm-2fa-schemas.ts';
import {
  failureAnswers,
  sendAnswer,
  sendRequest,
  verifyAnswer,
  verifyRequest,
  wrongCode,
} from './restcomm-2fa-schemas.ts';
import { answer } from './schemas.ts';
import type { Api } from './server.ts';

export interface Restcomm2faDependencies {
  readonly config: { readonly restcomm2faChannel: 'voice' | 'sms' };
  readonly verifications: VerificationService;
  readonly ways: { readonly routing: Pick<Routing, 'trunks'>; readonly callees: CalleeRules };
}

const tags = ['restcomm-2fa'];

/** Codes by the two-factor API of Restcomm; docs/restcomm-2fa.md says what is the same there and what is ours. */
export function restcomm2faRoutes(api: Api, dependencies: Restcomm2faDependencies): void {
  sendRoute(api, dependencies);
  verifyRoute(api, dependencies);
}

function sendRoute(api: Api, { config, verifications, ways }: Restcomm2faDependencies): void {
  api.route({
    method: 'POST',
    url: '/2fa/send',
    schema: {
      tags,
      summary: 'Send a code, or call and say it',
      description: 'Answers before anything is dialled or sent.',
      body: sendRequest,
      response: {
        200: answer('Accepted: the call is about to be placed, or the text message sent', sendAnswer),
        ...failureAnswers(
          'invalid_number',
          'target_not_allowed',
          'destination_not_allowed',
          'template_not_allowed',
          'unsupported_locale',
          'sms_unavailable',
          'unauthorized',
          'body_too_large',
          'unsupported_media_type',
          'limit_reached',
          'spend_limit',
          'capacity',
          'engine_unavailable',
          'speech_unavailable',
          'store_unavailable',
        ),
      },
    },
    handler: async (request) => {
      const { service, from, body, language } = request.body;
      const to = readCallee(withPlus(request.body.to), ways.callees);
      const channel = channelOf(request.body, config.restcomm2faChannel);
      const wish = {
        to,
        channel,
        from,
        template: body,
        locale: language,
        repeat: channel === 'voice' ? request.body.repeat : undefined,
        alias: aliasOf(service, to),
      };
      const { verification } = await startShowing(
        verifications,
        ways.routing.trunks,
        wish,
        clientOf(request),
      );
      return {
        status: 'sent' as const,
        id: verification.id,
        service,
        to,
        channel: channel === 'voice' ? ('call' as const) : channel,
        expires: iso(verification.expiresAt),
      };
    },
  });
}

function verifyRoute(api: Api, { verifications, ways }: Restcomm2faDependencies): void {
  api.route({
    method: 'POST',
    url: '/2fa/verify',
    schema: {
      tags,
      summary: 'Compare the code that the person typed',
      description:
        'With the latest code that was sent for this service to this number. 200 is a right code, and nothing else is.',
      body: verifyRequest,
      response: {
        200: answer('It is the code', verifyAnswer),
        ...failureAnswers(
          'invalid_number',
          'target_not_allowed',
          'unauthorized',
          'not_found',
          'not_pending',
          'body_too_large',
          'unsupported_media_type',
          'store_unavailable',
        ),
        422: wrongCode,
      },
    },
    handler: async (request, reply) => {
      const { service, code } = request.body;
      const number = readCallee(withPlus(request.body.number), ways.callees);
      const client = clientOf(request);
      const id = await verifications.latest(aliasOf(service, number), client);
      const { verdict, verification } = await verifications.check(id, { code: code.reveal() }, client);
      if (verdict === 'approved') return { status: 'approved' as const, service, number };
      const { checks, maxChecks } = verification;
      const refusal: Restcomm2faError = {
        status: 422,
        code: 'wrong_code',
        message: 'This is not the code.',
        checksLeft: maxChecks - checks,
      };
      return reply.code(422).send(refusal);
    },
  });
}

function channelOf({ channel }: SendRequest, otherwise: 'voice' | 'sms'): 'voice' | 'sms' {
  if (channel === undefined) return otherwise;
  return channel === 'call' ? 'voice' : 'sms';
}

/** Under which a code is found again: no client sees those of another. */
function aliasOf(service: string, to: string): string {
  return JSON.stringify(['2fa', service, to]);
}
