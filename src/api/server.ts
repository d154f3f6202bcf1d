import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import type { Queue } from 'bullmq';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import { fastify, LogController } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { serializerCompiler } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import type { CallService } from '../call/call-service.ts';
import type { CallFeed } from '../call/feed.ts';
import type { KeyHolders } from '../clients/key-holders.ts';
import { WrongKeys } from '../clients/wrong-keys.ts';
import type { Config } from '../config.ts';
import type { Engine } from '../engine/engine.ts';
import { AppError } from '../errors.ts';
import type { RcmlSource } from '../rcml/rcml-source.ts';
import type { Store } from '../store/store.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import type { VerificationService } from '../verification/service.ts';
import { callerOf, identifyClients, refuseForeignHosts, requireClient, requireScope } from './auth.ts';
import { callRoutes } from './calls.ts';
import { cdrRoutes } from './cdrs.ts';
import { answerClientError } from './client-error.ts';
import { dataTechLabsRoutes } from './datatechlabs.ts';
import { dataTechLabsErrors } from './datatechlabs-envelope.ts';
import { dropInErrors, dropInRoutes } from './drop-ins.ts';
import type { ErrorDialect } from './error-dialect.ts';
import { installErrorHandler, sendError } from './errors.ts';
import { healthRoutes } from './health.ts';
import { answerOtherMethods, collectRoutes } from './methods.ts';
import type { ApiMetrics } from './metrics.ts';
import { metricsRoute } from './metrics.ts';
import { newCallRoutes } from './new-calls.ts';
import { describeApi, documentationRoutes } from './openapi.ts';
import type { PreviewPort } from './prompts.ts';
import { promptRoutes } from './prompts.ts';
import { queueBoard } from './queue-board.ts';
import { requestValidator } from './request-validator.ts';
import { traceRoutes } from './traces.ts';
import type { TrunkPorts } from './trunks.ts';
import { trunkRoutes } from './trunks.ts';
import { tryPage } from './try.ts';
import type { PagePorts } from './try-room.ts';
import { verificationRoutes } from './verifications.ts';
import type { WebhookPorts } from './webhooks.ts';
import { webhookRoutes } from './webhooks.ts';

/** A Fastify instance whose routes take zod schemas. */
export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface ApiDependencies {
  readonly config: Config['api'];
  readonly clients: KeyHolders;
  readonly version: string;
  readonly logger: Logger;
  readonly metrics: ApiMetrics;
  readonly verifications: VerificationService;
  readonly calls: CallService;
  readonly prompts: PreviewPort;
  readonly rcml: Pick<RcmlSource, 'playlist'>;
  readonly feed: CallFeed;
  readonly dialer: { hangUp(callId: string): void; draining(): boolean };
  readonly store: Store;
  readonly engine: Pick<Engine, 'missing'>;
  readonly ways: TrunkPorts;
  readonly trace: Pick<CallTrace, 'of'>;
  /** Of the page at `/try`, which is there only with this, and where it is switched on. */
  readonly page?: PagePorts;
  /** Who tells clients what happened; without it there are no dead letters either. */
  readonly webhooks?: WebhookPorts;
  /** Those that calls wait in, for a board; none where they wait in this process. */
  readonly queues?: () => readonly Queue[];
}

/** A request, its head and its body, must have arrived within this time. */
const REQUEST_TIMEOUT_MS = 15_000;
/** A connection on which nothing moves is closed; event streams have a heartbeat that is shorter. */
const CONNECTION_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_TIMEOUT_MS = 30_000;
/** URL and headers together, bytes. */
const MAX_HEADER_BYTES = 16_384;
const MAX_PARAM_LENGTH = 100;

/**
 * The HTTP server, complete but not listening: `listen()` or `inject()` is up to the caller, and `close()`
 * ends its event streams. It places no call and keeps no state of its own but the counters.
 */
export async function buildServer(dependencies: ApiDependencies): Promise<Api> {
  const { config } = dependencies;
  const api = newInstance(dependencies);
  api.setValidatorCompiler(requestValidator);
  api.setSerializerCompiler(serializerCompiler);
  readJsonOnly(api);
  installErrorHandler(api, dialectsOf(config));
  noteRequests(api, dependencies.metrics);
  endConnectionsOnClose(api);
  const { clients: holders } = dependencies;
  const wrongKeys = new WrongKeys(config.wrongKeys, () => performance.now());
  identifyClients(api, { holders, wrongKeys });
  if (holders.open) {
    refuseForeignHosts(api);
    dependencies.logger.warn('no API keys are configured: the API answers on this machine only');
  }
  await api.register(helmet, {
    hsts: false,
    contentSecurityPolicy: { directives: { defaultSrc: ["'none'"] } },
  });
  await api.register(rateLimit, {
    max: config.rateLimit.max,
    timeWindow: config.rateLimit.windowSeconds * 1000,
    keyGenerator: callerOf,
    enableDraftSpec: true,
    errorResponseBuilder: (_request, { ttl }) =>
      new AppError('too_many_requests', { retryAfterSeconds: Math.max(1, Math.ceil(ttl / 1000)) }),
  });
  api.setNotFoundHandler({ preHandler: api.rateLimit() }, async () => {
    throw new AppError('not_found', { message: 'There is no such path.' });
  });

  await describeApi(api, dependencies.version);
  const routes = collectRoutes(api);
  healthRoutes(api, dependencies);
  await ourRoutes(api, dependencies);
  await dropInRoutes(api, dependencies);
  const { page, queues = () => [] } = dependencies;
  if (config.page.enabled && page !== undefined) await tryPage(api, { ...dependencies, page });
  if (queues().length > 0) await queueBoard(api, { queues });
  await documentationRoutes(api);
  answerOtherMethods(api, routes);
  return api;
}

/** Our own API, and what takes the same keys: each group behind its scope. */
async function ourRoutes(api: Api, dependencies: ApiDependencies): Promise<void> {
  const behind = async (guard: (scope: FastifyInstance) => void, routes: (closed: Api) => void) => {
    await api.register(async (scope) => {
      guard(scope);
      routes(scope.withTypeProvider<ZodTypeProvider>());
    });
  };
  await behind(
    (scope) => requireScope(scope, 'verifications'),
    (closed) => verificationRoutes(closed, dependencies),
  );
  await behind(
    (scope) => requireScope(scope, 'calls'),
    (closed) => {
      callRoutes(closed, dependencies);
      newCallRoutes(closed, dependencies);
      traceRoutes(closed, dependencies);
      promptRoutes(closed, dependencies);
      if (dependencies.config.dataTechLabs) dataTechLabsRoutes(closed, dependencies);
    },
  );
  await behind(
    (scope) => requireScope(scope, 'records'),
    (closed) => cdrRoutes(closed, dependencies.store),
  );
  const { webhooks } = dependencies;
  if (webhooks !== undefined) {
    await behind(
      (scope) => requireScope(scope, 'webhooks'),
      (closed) => webhookRoutes(closed, webhooks),
    );
  }
  await behind(requireClient, (closed) => {
    trunkRoutes(closed, dependencies.ways);
    metricsRoute(closed, dependencies.metrics);
  });
}

function newInstance({ config, logger }: ApiDependencies): Api {
  const loggerInstance: FastifyBaseLogger = logger;
  return fastify({
    loggerInstance,
    // One line a request, written below: the built-in ones hold the URL with its query.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: newRequestId,
    trustProxy: config.trustProxy.length === 0 ? false : [...config.trustProxy],
    bodyLimit: config.bodyLimit,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    exposeHeadRoutes: false,
    // A request that came on an open connection is answered while the server closes: the dialer takes no call.
    return503OnClosing: false,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    http: { maxHeaderSize: MAX_HEADER_BYTES },
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply, dialectsOf(config)),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, newRequestId()),
  }).withTypeProvider<ZodTypeProvider>();
}

/** An API that is switched off has no paths, and so no errors of its own. */
function dialectsOf(config: Config['api']): readonly ErrorDialect[] {
  return [...(config.dataTechLabs ? [dataTechLabsErrors] : []), ...dropInErrors(config)];
}

/** JSON and nothing else: other types are 415, and an empty body is no body, whatever its type says. */
function readJsonOnly(api: Api): void {
  const parse = api.getDefaultJsonParser('error', 'error');
  api.removeAllContentTypeParsers();
  api.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') {
      done(null, undefined);
      return;
    }
    void parse(request, body, done);
  });
}

/** A closing server would wait for the next request on each connection that is kept: what it answers then is the last. */
function endConnectionsOnClose(api: Api): void {
  let closing = false;
  api.addHook('preClose', async () => {
    closing = true;
  });
  api.addHook('onSend', async (_request, reply) => {
    if (closing) void reply.header('connection', 'close');
  });
}

/** One log line and one observation for each request; never its URL, body or headers. */
function noteRequests(api: Api, metrics: ApiMetrics): void {
  api.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
  });
  api.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    const { method } = request;
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    metrics.request({ method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
    const level = QUIET_ROUTES.has(route) ? 'debug' : 'info';
    request.log[level]({ method, route, status: reply.statusCode, ms }, 'request');
  });
}

/** Asked every few seconds by machines. */
const QUIET_ROUTES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

function newRequestId(): string {
  return `req_${randomUUID()}`;
}
