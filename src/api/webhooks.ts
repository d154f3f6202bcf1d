import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import type { CallbackTestResult } from '../webhooks/callback-tester.ts';
import type { Notice, NoticeStore } from '../webhooks/notice.ts';
import { iso, isoOrNull } from './answers.ts';
import { clientOf, isOperator } from './auth.ts';
import { answer, callId, count, errorAnswers, named, timestamp, verificationId } from './schemas.ts';
import type { Api } from './server.ts';
import type { WebhookState } from './webhook-metrics.ts';

export interface WebhookPorts {
  readonly notices: Pick<NoticeStore, 'get' | 'dead'>;
  /** False: there is no such dead one. */
  redeliver(noticeId: string): Promise<boolean>;
  /** @throws AppError not_found, too_many_requests */
  test(clientId: string | null): Promise<CallbackTestResult>;
  /** For metrics. */
  state(): Promise<WebhookState>;
}

const tags = ['webhooks'];

const noticeId = z
  .string()
  .regex(/^ntc_[A-Za-z0-9_-]{1,60}$/, { error: 'expected the id of a dead webhook' });

const deadQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  after: noticeId.optional().describe('Id of the last one of the page before'),
});

const deadAnswer = named(
  'DeadWebhook',
  z.object({
    id: noticeId,
    clientId: z.string().nullable(),
    callId,
    verificationId: verificationId.nullable(),
    format: z.enum(['standard', 'restcomm', 'messagebird']),
    delivered: count.describe('Events that were delivered before'),
    tries: count.describe('Attempts at the next one'),
    triedSince: timestamp.nullable(),
    lastError: z.string().nullable(),
    createdAt: timestamp,
  }),
);
const deadPage = named(
  'DeadWebhookPage',
  z.object({ webhooks: z.array(deadAnswer), next: z.string().nullable() }),
);
const redelivery = named('WebhookRedelivery', z.object({ id: noticeId }));
const testAnswer = named(
  'WebhookTest',
  z.object({
    taken: z.boolean().describe('Whether an event would count as delivered'),
    status: z.int().nullable().describe('Status of the answer; null where none came'),
    ms: count,
    error: z.string().nullable().describe('Why no answer came'),
  }),
);

/** What was not delivered, and a test of a callback. */
export function webhookRoutes(api: Api, ports: WebhookPorts): void {
  const { notices } = ports;
  api.route({
    method: 'GET',
    url: '/v1/webhooks/dead',
    schema: {
      tags,
      summary: 'List what was given up, newest first',
      description:
        'Events of a call and its verification that the callback did not take in time. Those of the client; with the key of an operator those of all.',
      querystring: deadQuery,
      response: {
        200: answer('A page of them', deadPage),
        ...errorAnswers('unauthorized', 'forbidden', 'store_unavailable'),
      },
    },
    handler: async (request) => {
      const { limit, after } = request.query;
      if (after !== undefined) await requireThere(request, after, notices);
      const page = await notices.dead({
        limit,
        ...(isOperator(request) ? {} : { clientId: clientOf(request) }),
        ...(after === undefined ? {} : { after }),
      });
      return {
        webhooks: page.map(deadAnswerOf),
        next: page.length < limit ? null : (page.at(-1)?.id ?? null),
      };
    },
  });

  api.route({
    method: 'POST',
    url: '/v1/webhooks/:id/redeliver',
    schema: {
      tags,
      summary: 'Send what was given up once more',
      description:
        'All events that were not delivered, in their order, with what has happened since; tried as long as new ones.',
      params: z.strictObject({ id: noticeId }),
      response: {
        202: answer('It is being sent', redelivery),
        ...errorAnswers('unauthorized', 'forbidden', 'not_found', 'store_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const notice = await notices.get(id);
      if (notice === undefined || !isOwn(request, notice) || !(await ports.redeliver(id))) {
        throw new AppError('not_found', { message: 'Nothing was given up under this id.' });
      }
      return reply.code(202).send({ id });
    },
  });

  api.route({
    method: 'POST',
    url: '/v1/webhooks/test',
    schema: {
      tags,
      summary: 'Send a test event to the callback of the client',
      description:
        'Signed like all others, of type `webhook.test`. It is sent once, and the answer says what came back.',
      response: {
        200: answer('What came back', testAnswer),
        ...errorAnswers('unauthorized', 'forbidden', 'not_found'),
      },
    },
    handler: (request) => ports.test(clientOf(request)),
  });
}

function isOwn(request: FastifyRequest, { clientId }: Notice): boolean {
  return isOperator(request) || clientId === clientOf(request);
}

/** What was sent again and told has no place in the list, and nothing is known to follow it. @throws AppError invalid_request */
async function requireThere(
  request: FastifyRequest,
  id: string,
  notices: Pick<NoticeStore, 'get'>,
): Promise<void> {
  const notice = await notices.get(id);
  if (notice === undefined || !isOwn(request, notice)) {
    throw new AppError('invalid_request', {
      message: 'after: that webhook is there no more; begin with the first page.',
    });
  }
}

/** Every key is named here; the address, which may hold a password, is the client's own business. */
function deadAnswerOf(notice: Notice): z.input<typeof deadAnswer> {
  const {
    id,
    clientId,
    callId: ofCall,
    verificationId: proves,
    target,
    delivered,
    tries,
    lastError,
  } = notice;
  return {
    id,
    clientId,
    callId: ofCall,
    verificationId: proves,
    format: target.format,
    delivered,
    tries,
    triedSince: isoOrNull(notice.triedSince),
    lastError,
    createdAt: iso(notice.createdAt),
  };
}
