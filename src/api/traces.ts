import { z } from 'zod';
import type { CallFeed } from '../call/feed.ts';
import { AppError } from '../errors.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import { traceEntries, traceLadder, traceText } from '../trace/trace-text.ts';
import { iso } from './answers.ts';
import { clientOf } from './auth.ts';
import { ownedCall } from './owned-call.ts';
import { answer, callParams, count, errorAnswers, named, timestamp } from './schemas.ts';
import type { Api } from './server.ts';

const sipTrace = named(
  'SipTrace',
  z.object({
    callId: z.string(),
    skipped: count.describe('Messages in the middle that were left out'),
    messages: z.array(
      z.object({
        at: timestamp,
        direction: z.enum(['in', 'out']),
        attempt: count,
        transport: z.string(),
        local: z.string().nullable(),
        remote: z.string(),
        bytes: count,
        text: z.string().describe('Masked: numbers, passwords, keys and whatever was typed'),
      }),
    ),
    ladder: z.array(z.string()).describe('The same as lines of a drawing'),
  }),
);

/** What was said in SIP in a call, as long as it is remembered. */
export function traceRoutes(
  api: Api,
  { feed, trace }: { readonly feed: CallFeed; readonly trace: Pick<CallTrace, 'of'> },
): void {
  api.route({
    method: 'GET',
    url: '/v1/calls/:id/sip',
    schema: {
      tags: ['calls'],
      summary: 'The SIP messages of a call',
      description: 'Of the latest calls, from memory, masked. With `Accept: text/plain` as text.',
      params: callParams,
      response: {
        200: answer('Both directions, in their order', z.union([sipTrace, z.string()])),
        ...errorAnswers('unauthorized', 'forbidden', 'not_found'),
      },
    },
    handler: async (request, reply) => {
      const { id } = await ownedCall(feed, request.params.id, clientOf(request));
      const found = trace.of(id);
      if (found === undefined) {
        throw new AppError('not_found', {
          message: 'No SIP messages of this call are kept, or not any more.',
        });
      }
      if (request.headers.accept?.startsWith('text/plain') === true) {
        return reply.type('text/plain; charset=utf-8').send(traceText(found));
      }
      const messages = traceEntries(found).map((entry) => ({ ...entry, at: iso(entry.at) }));
      return reply.send({ callId: id, skipped: found.skipped, messages, ladder: [...traceLadder(found)] });
    },
  });
}
