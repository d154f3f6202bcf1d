import { z } from 'zod';
import type { CallFeed } from '../call/feed.ts';
import { AppError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { callAnswerOf, callSummaryOf } from './answers.ts';
import { clientOf } from './auth.ts';
import { callEventStream } from './call-events.ts';
import { ownedCall } from './owned-call.ts';
import {
  answer,
  callAnswer,
  callPage,
  callParams,
  callQuery,
  errorAnswers,
  eventStreamHeaders,
} from './schemas.ts';
import type { Api } from './server.ts';

export interface CallRouteDependencies {
  readonly store: Pick<Store, 'calls'>;
  readonly feed: CallFeed;
  readonly dialer: { hangUp(callId: string): void };
}

const tags = ['calls'];

/** Event streams at the same time; each holds a connection. */
const MAX_STREAMS = 1000;
const STREAM_RETRY_SECONDS = 5;

/** Reading, following and hanging up calls. */
export function callRoutes(api: Api, { store, feed, dialer }: CallRouteDependencies): void {
  api.route({
    method: 'GET',
    url: '/v1/calls',
    schema: {
      tags,
      summary: 'List calls, newest first',
      querystring: callQuery,
      response: {
        200: answer('A page of calls', callPage),
        ...errorAnswers('unauthorized', 'forbidden', 'store_unavailable'),
      },
    },
    handler: async (request) => {
      const clientId = clientOf(request);
      const { limit, after, state, verificationId } = request.query;
      const page = await store.calls({
        limit,
        ...(clientId === null ? {} : { clientId }),
        ...(after === undefined ? {} : { after }),
        ...(state === undefined ? {} : { state }),
        ...(verificationId === undefined ? {} : { verificationId }),
      });
      return {
        // Without keys nothing of the clients that there were before is shown.
        calls: page.filter((call) => call.clientId === clientId).map(callSummaryOf),
        next: page.length < limit ? null : (page.at(-1)?.id ?? null),
      };
    },
  });

  api.route({
    method: 'GET',
    url: '/v1/calls/:id',
    schema: {
      tags,
      summary: 'Read a call with its attempts and timeline',
      params: callParams,
      response: {
        200: answer('The call', callAnswer),
        ...errorAnswers('unauthorized', 'forbidden', 'not_found', 'store_unavailable'),
      },
    },
    handler: async (request) => callAnswerOf(await ownedCall(feed, request.params.id, clientOf(request))),
  });

  api.route({
    method: 'DELETE',
    url: '/v1/calls/:id',
    schema: {
      tags,
      summary: 'Hang up a call',
      description:
        '202: the far end is being told; follow the events to see the end. 200: the call had ended already. The verification of a call that nobody had answered fails.',
      params: callParams,
      response: {
        200: answer('The call had ended', callAnswer),
        202: answer('The call, which is being hung up', callAnswer),
        ...errorAnswers('unauthorized', 'forbidden', 'not_found', 'store_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const call = await ownedCall(feed, request.params.id, clientOf(request));
      dialer.hangUp(call.id);
      return reply.code(call.state === 'ended' ? 200 : 202).send(callAnswerOf(call));
    },
  });

  eventRoute(api, feed);
}

function eventRoute(api: Api, feed: CallFeed): void {
  const open = new Set<AbortController>();
  let closing = false;
  // Streams have no end of their own that a closing server could wait for.
  api.addHook('preClose', async () => {
    closing = true;
    for (const stream of open) {
      stream.abort();
    }
  });

  api.route({
    method: 'GET',
    url: '/v1/calls/:id/events',
    schema: {
      tags,
      summary: 'Follow a call as server-sent events',
      description:
        'The timeline so far, then each entry as it happens; `event:` is its type, `id:` its index, `data:` a TimelineEntry. Ends after `ended` of attempt 0. A client that comes back with `Last-Event-ID` gets what it missed; 204 tells it that there is no more.',
      params: callParams,
      headers: eventStreamHeaders,
      response: {
        200: { description: 'The events', content: { 'text/event-stream': { schema: z.string() } } },
        204: z.undefined().describe('The call has ended, and all of it was sent before'),
        ...errorAnswers('unauthorized', 'forbidden', 'not_found', 'store_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const call = await ownedCall(feed, request.params.id, clientOf(request));
      const last = request.headers['last-event-id'];
      const from = last === undefined ? 0 : Math.min(Number(last) + 1, call.timeline.length);
      if (call.state === 'ended' && from >= call.timeline.length) {
        return reply.code(204).send();
      }
      if (open.size >= MAX_STREAMS) {
        throw new AppError('too_many_requests', {
          message: 'Too many event streams are open.',
          retryAfterSeconds: STREAM_RETRY_SECONDS,
        });
      }
      const abort = new AbortController();
      open.add(abort);
      reply.raw.once('close', () => {
        abort.abort();
        open.delete(abort);
      });
      const stream: unknown = await callEventStream(feed, call.id, { from, signal: abort.signal });
      // Asked on a connection that was open already.
      if (closing) abort.abort();
      return (
        reply
          .header('content-type', 'text/event-stream; charset=utf-8')
          .header('cache-control', 'no-store')
          .header('x-accel-buffering', 'no')
          // A closing server would wait for the next request on the connection of a stream that it has just ended.
          .header('connection', 'close')
          // The schema describes the text that the stream becomes.
          .send(stream as string)
      );
    },
  });
}
