import type { Call } from '../call/call.ts';
import { durations } from '../call/call.ts';
import type { CallService, NewCallRequest } from '../call/call-service.ts';
import type { CallFeed } from '../call/feed.ts';
import type { Engine } from '../engine/engine.ts';
import { AppError } from '../errors.ts';
import type { Trunk } from '../trunk/definition.ts';
import { mayShow } from '../trunk/definition.ts';
import type { Routing } from '../trunk/routing.ts';
import { iso, isoOrNull } from './answers.ts';
import { withPlus } from './asked-numbers.ts';
import { clientOf } from './auth.ts';
import { succeeded } from './datatechlabs-envelope.ts';
import type { PlayRequest, StatusAnswer } from './datatechlabs-schemas.ts';
import {
  carrierAnswer,
  carrierParams,
  failureAnswers,
  playAnswer,
  playRequest,
  statusAnswer,
  statusParams,
} from './datatechlabs-schemas.ts';
import { NEW_CALL_ERRORS } from './new-calls.ts';
import { ownedCall } from './owned-call.ts';
import { answer, idempotencyHeaders } from './schemas.ts';
import type { Api } from './server.ts';

export interface DataTechLabsDependencies {
  readonly calls: CallService;
  readonly feed: CallFeed;
  readonly dialer: { draining(): boolean };
  readonly engine: Pick<Engine, 'missing'>;
  readonly ways: { readonly routing: Pick<Routing, 'trunks'> };
}

const tags = ['datatechlabs'];

/** Calls by the API of DataTechLabs; docs/datatechlabs.md says what is the same there and what is ours. */
export function dataTechLabsRoutes(api: Api, dependencies: DataTechLabsDependencies): void {
  playRoute(api, dependencies);
  statusRoute(api, dependencies);
  carrierRoute(api, dependencies);
}

function playRoute(api: Api, { calls, ways }: DataTechLabsDependencies): void {
  api.route({
    method: 'POST',
    url: '/voice/call/play',
    schema: {
      tags,
      summary: 'Call a number and play texts and files',
      description: 'Answers before anything is fetched, spoken or dialled.',
      headers: idempotencyHeaders,
      body: playRequest,
      response: {
        200: answer('Accepted: the call is about to be prepared and placed', playAnswer),
        ...failureAnswers(...NEW_CALL_ERRORS),
      },
    },
    handler: async (request, reply) => {
      const { call, replayed } = await calls.start(
        callRequestOf(request.body, ways.routing.trunks),
        clientOf(request),
        request.headers['idempotency-key'],
      );
      if (replayed) {
        void reply.header('idempotency-replayed', 'true');
      }
      return { ...succeeded('accepted' as const), request_id: requestIdOf(call.id) };
    },
  });
}

function statusRoute(api: Api, { feed }: DataTechLabsDependencies): void {
  api.route({
    method: 'GET',
    url: '/voice/call/status/:request_id',
    schema: {
      tags,
      summary: 'Read what becomes of a call',
      params: statusParams,
      response: {
        200: answer('The call as it is now', statusAnswer),
        ...failureAnswers('unauthorized', 'forbidden', 'not_found', 'store_unavailable'),
      },
    },
    handler: async (request) =>
      succeeded(statusOf(await ownedCall(feed, callIdOf(request.params.request_id), clientOf(request)))),
  });
}

function carrierRoute(api: Api, { ways, engine, dialer }: DataTechLabsDependencies): void {
  api.route({
    method: 'GET',
    url: '/status/carrier/:id',
    schema: {
      tags,
      summary: 'Ask whether a carrier can be used',
      params: carrierParams,
      response: {
        200: answer('The carrier is known', carrierAnswer),
        ...failureAnswers('unauthorized', 'forbidden', 'not_found'),
      },
    },
    handler: async (request) => {
      const { id } = request.params;
      if (!ways.routing.trunks.some((trunk) => trunk.id === id)) {
        throw new AppError('not_found', { message: 'There is no carrier with this id.' });
      }
      const available = engine.missing().length === 0 && !dialer.draining();
      return succeeded({ id, known: true as const, available });
    },
  });
}

function callRequestOf(
  { to, from, playlist, carrier_id: carrier }: PlayRequest,
  trunks: readonly Trunk[],
): NewCallRequest {
  const carrierId = carrier === undefined || carrier === '' ? undefined : String(carrier);
  const usable = trunks.filter(({ id }) => carrierId === undefined || id === carrierId);
  return {
    to: withPlus(to),
    from: from === undefined ? undefined : callingNumber(from, usable),
    carrierId,
    // Clients list what they want to be said twice twice.
    playlist: { items: playlist.map(itemOf), repeat: 1, repeatPauseMs: 0 },
  };
}

function itemOf({ play, type, options = {} }: PlayRequest['playlist'][number]): PlaylistItem {
  if (type === undefined) {
    return { url: play };
  }
  const { language, gender, 'say-as': sayAs } = options;
  return { tts: play, locale: language, gender, sayAs };
}

type PlaylistItem = NewCallRequest['playlist']['items'][number];

/** As it was written where a trunk shows it so, such as an extension; otherwise with its plus. */
function callingNumber(from: string, trunks: readonly Trunk[]): string {
  return trunks.some((trunk) => mayShow(trunk, from)) ? from : withPlus(from);
}

const CALL_ID = /^call_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/;

/** The digits of a call's id as a UUID, so that no table is needed to find the call again. */
function requestIdOf(callId: string): string {
  const parts = CALL_ID.exec(callId)?.slice(1);
  if (parts === undefined) {
    throw new Error('the id of a call has not the length of a UUID');
  }
  return parts.join('-');
}

function callIdOf(requestId: string): string {
  return `call_${requestId.replaceAll('-', '').toLowerCase()}`;
}

function statusOf(call: Call): StatusAnswer['data'] {
  const last = call.attempts.at(-1);
  const talkMs = last === undefined ? null : durations(last).talkMs;
  const fault = call.timeline.find(({ type }) => type === 'prompt_failed')?.detail['fault'];
  return {
    request_id: requestIdOf(call.id),
    state: call.state,
    disposition: call.disposition,
    to: call.to,
    from: last?.cli ?? call.wishes.cli,
    carrier_id: last?.trunkId ?? call.wishes.trunkId,
    created: iso(call.createdAt),
    answered: isoOrNull(last?.answeredAt ?? null),
    ended: isoOrNull(call.endedAt),
    duration: talkMs === null ? null : talkMs / 1000,
    sip_status: last?.sipStatus ?? null,
    prompt_finished: last?.promptFinished ?? false,
    prompt_fault: typeof fault === 'string' ? fault : null,
  };
}
