import formbody from '@fastify/formbody';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Call } from '../call/call.ts';
import type { CallService } from '../call/call-service.ts';
import type { CallFeed } from '../call/feed.ts';
import { AppError } from '../errors.ts';
import type { RcmlSource } from '../rcml/rcml-source.ts';
import type { Store } from '../store/store.ts';
import type { Trunk } from '../trunk/definition.ts';
import { mayShow } from '../trunk/definition.ts';
import type { Routing } from '../trunk/routing.ts';
import type { CalleeRules } from '../verification/callee.ts';
import { readCallee } from '../verification/callee.ts';
import type { NoticeTarget } from '../webhooks/notice.ts';
import { withPlus } from './asked-numbers.ts';
import { clientOf } from './auth.ts';
import { NEW_CALL_ERRORS } from './new-calls.ts';
import { ownedCall } from './owned-call.ts';
import { ACCOUNTS, wantsJson, XML_TYPE } from './restcomm-calls-errors.ts';
import { filterOf, listedCalls } from './restcomm-calls-list.ts';
import type { CallForm } from './restcomm-calls-schemas.ts';
import {
  accountParams,
  callForm,
  callListQuery,
  callSidParams,
  changeForm,
  exceptionAnswers,
  restcommCall,
  restcommCallPage,
} from './restcomm-calls-schemas.ts';
import {
  API_VERSION,
  callIdOf,
  callSidOf,
  restcommCallOf,
  restcommCallXml,
  restcommPageXml,
} from './restcomm-calls-view.ts';
import { answer } from './schemas.ts';
import type { Api } from './server.ts';

export interface RestcommCallsDependencies {
  readonly calls: CallService;
  readonly feed: CallFeed;
  readonly store: Pick<Store, 'calls'>;
  readonly dialer: { hangUp(callId: string): void };
  readonly ways: { readonly routing: Pick<Routing, 'trunks'>; readonly callees: CalleeRules };
  readonly rcml: Pick<RcmlSource, 'playlist'>;
}

const tags = ['restcomm calls'];
const consumes = ['application/x-www-form-urlencoded'];
const JSON_TYPE = 'application/json; charset=utf-8';
const LIST = `${ACCOUNTS}/:accountSid/Calls`;
/** Those without which nothing can be done, in the order in which they are asked for. */
const REQUIRED = ['From', 'To', 'Url'] as const;

/**
 * Calls by the API of Restcomm; docs/restcomm-calls.md says what is the same there and what is ours. `scope` is its own:
 * bodies in it are forms, and nothing else.
 */
export async function restcommCallsRoutes(
  scope: Api,
  dependencies: RestcommCallsDependencies,
): Promise<void> {
  scope.removeAllContentTypeParsers();
  await scope.register(formbody);
  scope.addHook('preParsing', async (request) => {
    const clientId = clientOf(request);
    const { accountSid } = request.params as { readonly accountSid?: string };
    if (clientId !== null && accountSid !== clientId) throw new AppError('forbidden');
  });
  scope.addHook('preValidation', async (request) => {
    if (request.method === 'POST') request.body = eachOnce(request.body);
  });
  for (const url of [LIST, `${LIST}.json`]) {
    startRoute(scope, url, dependencies);
    listRoute(scope, url, dependencies);
  }
  for (const url of [`${LIST}/:callSid`, `${LIST}.json/:callSid`]) {
    readRoute(scope, url, dependencies);
    changeRoute(scope, url, dependencies);
  }
}

function startRoute(scope: Api, url: string, { calls, ways, rcml }: RestcommCallsDependencies): void {
  scope.route({
    method: 'POST',
    url,
    schema: {
      tags,
      summary: 'Call a number and say what an RCML document says',
      description: 'The document is fetched first; nothing is spoken or dialled before the answer.',
      consumes,
      params: accountParams,
      body: callForm,
      response: {
        200: answer('Accepted: the call is about to be prepared and placed', restcommCall),
        ...exceptionAnswers(...NEW_CALL_ERRORS, 'forbidden'),
      },
    },
    preValidation: refuseMissing,
    handler: async (request, reply) => {
      const { accountSid } = request.params;
      const form = request.body;
      const { trunks } = ways.routing;
      const to = readCallee(withPlus(form.To), ways.callees);
      const from = callingNumber(form.From, trunks);
      const clientId = clientOf(request);
      const documentOf = (callId: string): ReturnType<typeof rcml.playlist> =>
        rcml.playlist({
          clientId,
          url: form.Url,
          method: form.Method,
          fallback:
            form.FallbackUrl === undefined
              ? undefined
              : { url: form.FallbackUrl, method: form.FallbackMethod },
          fields: {
            CallSid: callSidOf(callId),
            AccountSid: accountSid,
            From: from,
            To: to,
            CallStatus: 'queued',
            ApiVersion: API_VERSION,
            Direction: 'outbound-api',
          },
        });
      // Nobody is asked for a document of a call that is refused.
      const wish = { to, from, ringTimeoutSeconds: form.Timeout, notice: noticeOf(form, accountSid) };
      const call = await calls.startAsking(wish, clientId, documentOf);
      return presentCall(request, reply, call, accountSid);
    },
  });
}

/** These alone are told as plain text, there as here. */
async function refuseMissing(
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const form = request.body as Readonly<Record<string, string>>;
  const missing = REQUIRED.find((field) => (form[field] ?? '').trim() === '');
  if (missing === undefined) return undefined;
  return reply.code(400).type('text/plain; charset=utf-8').send(`${missing} can not be null.`);
}

function listRoute(scope: Api, url: string, { store }: RestcommCallsDependencies): void {
  scope.route({
    method: 'GET',
    url,
    schema: {
      tags,
      summary: 'List calls, newest first',
      params: accountParams,
      querystring: callListQuery,
      response: {
        200: answer('A page of calls', restcommCallPage),
        ...exceptionAnswers('unauthorized', 'forbidden', 'store_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const { accountSid } = request.params;
      const { query } = request;
      const page = await listedCalls(store, {
        accountSid,
        clientId: clientOf(request),
        query,
        path: url.replace(':accountSid', accountSid),
        matches: filterOf(query, withPlus),
      });
      return present(request, reply, JSON.stringify(page), () => restcommPageXml(page));
    },
  });
}

function readRoute(scope: Api, url: string, { feed }: RestcommCallsDependencies): void {
  scope.route({
    method: 'GET',
    url,
    schema: {
      tags,
      summary: 'Read what becomes of a call',
      params: callSidParams,
      response: {
        200: answer('The call as it is now', restcommCall),
        ...exceptionAnswers('unauthorized', 'forbidden', 'not_found', 'store_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const { accountSid, callSid } = request.params;
      const call = await callOf(feed, callSid, clientOf(request));
      return presentCall(request, reply, call, accountSid);
    },
  });
}

function changeRoute(scope: Api, url: string, { feed, dialer }: RestcommCallsDependencies): void {
  scope.route({
    method: 'POST',
    url,
    schema: {
      tags,
      summary: 'Cancel or hang up a call',
      description: 'The call is answered as it is; the far end is being told.',
      consumes,
      params: callSidParams,
      body: changeForm,
      response: {
        200: answer('The call as it is now', restcommCall),
        ...exceptionAnswers('unauthorized', 'forbidden', 'not_found', 'store_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const { accountSid, callSid } = request.params;
      const call = await callOf(feed, callSid, clientOf(request));
      // What was answered is canceled no more, and that is no error there.
      if (request.body.Status === 'completed' || call.state !== 'answered') dialer.hangUp(call.id);
      return presentCall(request, reply, call, accountSid);
    },
  });
}

/** Those that prove a number are not of this API: their calling numbers may be secrets. */
async function callOf(feed: CallFeed, written: string, clientId: string | null): Promise<Call> {
  const callId = callIdOf(written.replace(/\.json$/, ''));
  const call = callId === undefined ? undefined : await ownedCall(feed, callId, clientId);
  if (call === undefined || call.verificationId !== null) throw new AppError('not_found');
  return call;
}

function presentCall(
  request: FastifyRequest,
  reply: FastifyReply,
  call: Call,
  accountSid: string,
): FastifyReply {
  const told = restcommCallOf(call, accountSid);
  return present(request, reply, JSON.stringify(told), () => restcommCallXml(told));
}

function present(
  request: FastifyRequest,
  reply: FastifyReply,
  json: string,
  xml: () => string,
): FastifyReply {
  return wantsJson(request) ? reply.type(JSON_TYPE).send(json) : reply.type(XML_TYPE).send(xml());
}

/** The first value of each field, but for the events all of them. */
function eachOnce(body: unknown): Readonly<Record<string, string>> {
  const fields = Object.entries((body ?? {}) as Readonly<Record<string, string | readonly string[]>>);
  return Object.fromEntries(
    fields.map(([name, value]) => {
      const values = [value].flat();
      return [name, (name === 'StatusCallbackEvent' ? values.join(' ') : values[0]) ?? ''] as const;
    }),
  );
}

function noticeOf(form: CallForm, accountSid: string): NoticeTarget | undefined {
  if (form.StatusCallback === undefined) return undefined;
  return {
    format: 'restcomm',
    url: form.StatusCallback,
    method: form.StatusCallbackMethod,
    events: form.StatusCallbackEvent,
    fields: { accountSid },
  };
}

/** As it was written where a trunk shows it so, such as an extension; otherwise its digits with a plus. */
function callingNumber(from: string, trunks: readonly Trunk[]): string {
  return trunks.some((trunk) => mayShow(trunk, from)) ? from : withPlus(from).replaceAll(/[ ()-]/g, '');
}
