import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Client, Scope } from '../clients/client.ts';
import type { KeyHolders } from '../clients/key-holders.ts';
import { hasScope } from '../clients/permission.ts';
import type { WrongKeys } from '../clients/wrong-keys.ts';
import { isLoopback } from '../config.ts';
import { AppError } from '../errors.ts';

/**
 * How a client says who it is: `bearer` (RFC 6750: `Bearer KEY`), `basic` (RFC 7617: its id and its key; for programs:
 * what a browser sends because of another site's page does not count), `accesskey` (`AccessKey KEY`), `password` (the key
 * as the password of HTTP Basic, under any user name: for pages, since browsers send nothing else by themselves. They
 * send it along with whatever another site has them ask for: routes that change something need a guard of their own).
 */
export type Credentials = 'bearer' | 'basic' | 'accesskey' | 'password';

/** How one gets in. */
export interface Door {
  /** Those that count; default: `bearer`. */
  readonly credentials?: Credentials | readonly Credentials[];
  /** How a client is told to say who it is (RFC 9110 §11.6.1); default: that of the first of `credentials`. */
  readonly challenge?: string;
}

/** What requests are judged by. */
export interface Doorkeeper {
  readonly holders: KeyHolders;
  readonly wrongKeys: WrongKeys;
}

/** What is known of who sent a request. */
interface Visit {
  readonly keeper: Doorkeeper;
  /** Null where the API runs without keys, undefined for nobody we know. */
  client: Client | null | undefined;
  /** A key was presented that opens nothing. */
  wrongKey: boolean;
}

const visits = new WeakMap<FastifyRequest, Visit>();

const CHALLENGES: Readonly<Record<Credentials, string>> = {
  bearer: 'Bearer',
  // Another realm than that of the pages: a browser has no key for it.
  basic: 'Basic realm="voice-otp API", charset="UTF-8"',
  accesskey: 'AccessKey',
  password: 'Basic realm="voice-otp", charset="UTF-8"',
};

/** Notes the client of every request to `app`, by its bearer key. Refuses nobody: some routes are open. */
export function identifyClients(app: FastifyInstance, keeper: Doorkeeper): void {
  app.addHook('onRequest', async (request) => {
    const visit: Visit = { keeper, client: undefined, wrongKey: false };
    visits.set(request, visit);
    identify(visit, request, ['bearer']);
  });
}

function identify(visit: Visit, request: FastifyRequest, credentials: readonly Credentials[]): void {
  const { holders } = visit.keeper;
  visit.wrongKey = false;
  visit.client = holders.open ? null : undefined;
  if (holders.open) return;
  const counting = isOfOtherSite(request) ? credentials.filter((one) => one !== 'basic') : credentials;
  const presented = presentedIn(request.headers.authorization ?? '', counting);
  if (presented === undefined) return;
  visit.client = holders.holderOf(presented.key, presented.id);
  visit.wrongKey = visit.client === undefined;
}

interface Presented {
  readonly key: string;
  /** Of the client, where the credentials have it. */
  readonly id?: string;
}

function presentedIn(header: string, credentials: readonly Credentials[]): Presented | undefined {
  const [, scheme = '', text = ''] = /^(\w+) +(\S+) *$/.exec(header) ?? [];
  const counts = (one: Credentials): boolean => credentials.includes(one);
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return counts('bearer') ? { key: text } : undefined;
    case 'accesskey':
      return counts('accesskey') ? { key: text } : undefined;
    case 'basic': {
      if (!counts('basic') && !counts('password')) return undefined;
      const [, name = '', key] = /^([^:]*):(.+)$/s.exec(decoded(text)) ?? [];
      if (key === undefined) return undefined;
      // Clients have been seen that write a space before the name.
      return counts('password') ? { key } : { key, id: name.trim() };
    }
    default:
      return undefined;
  }
}

/**
 * Whether a browser says that a page of another site made it send this (Fetch Metadata; Origin of browsers that do not
 * know that). Programs say neither.
 */
function isOfOtherSite({ headers, host }: FastifyRequest): boolean {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  return origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host);
}

/** What Basic carries; empty where that is no base64. */
function decoded(text: string): string {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64').toString('utf8') : '';
}

/** Methods that change nothing. */
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Where the API runs without keys, refuses requests for another host than this machine: a web page whose name
 * was pointed at 127.0.0.1 (DNS rebinding) could otherwise place calls from its visitor's browser. So could any page by a
 * form, which needs nobody's leave to be sent: those are refused too.
 */
export function refuseForeignHosts(app: FastifyInstance): void {
  app.addHook('onRequest', async (request) => {
    const { host } = request.headers;
    if (
      host !== undefined &&
      !isLoopback(
        host
          .replace(/:\d{1,5}$/, '')
          .replace(/^\[(.*)\]$/, '$1')
          .toLowerCase(),
      )
    ) {
      throw new AppError('invalid_request', {
        message:
          'headers.host: expected localhost or a loopback address, since the service runs without API keys',
      });
    }
    if (!READING.has(request.method) && isOfOtherSite(request)) {
      throw new AppError('forbidden', {
        message: 'This was sent by a page of another site, and the service runs without API keys.',
      });
    }
  });
}

/**
 * Refuses requests to `scope` that come from nobody we know: 401, and 429 where too many wrong keys came from the same
 * address. A right key is let in whatever others of its address tried. It runs after the rate limit and before a body is
 * read.
 *
 * To be called once for a scope, before its routes.
 */
export function requireClient(scope: FastifyInstance, door: Door = {}): void {
  admit(scope, door, () => true);
}

/**
 * As `requireClient`, and refuses clients whose keys do not open `name`: 403. Where the API runs without keys, everybody
 * has every scope.
 */
export function requireScope(scope: FastifyInstance, name: Scope, door: Door = {}): void {
  admit(scope, door, (client) => hasScope(client, name));
}

function admit(
  scope: FastifyInstance,
  { credentials = 'bearer', challenge }: Door,
  allowed: (client: Client) => boolean,
): void {
  const counting: readonly Credentials[] = typeof credentials === 'string' ? [credentials] : credentials;
  // Before the rate limit, which counts by client.
  scope.addHook('onRequest', async (request) => {
    const visit = visits.get(request);
    if (visit !== undefined) identify(visit, request, counting);
  });
  scope.addHook('preParsing', async (request, reply) => {
    const visit = visits.get(request);
    if (visit?.client === undefined) {
      refuseTooMany(request, visit);
      void reply.header('www-authenticate', challenge ?? CHALLENGES[counting[0] ?? 'bearer']);
      throw new AppError('unauthorized');
    }
    if (visit.client !== null && !allowed(visit.client)) throw new AppError('forbidden');
  });
}

function refuseTooMany(request: FastifyRequest, visit: Visit | undefined): void {
  if (visit?.wrongKey !== true) return;
  const { beyond, retryAfterMs } = visit.keeper.wrongKeys.note(request.ip);
  if (beyond === 0) return;
  if (beyond === 1) {
    request.log.warn({ address: request.ip }, 'too many wrong API keys from an address');
  }
  throw new AppError('too_many_requests', {
    message: 'Too many wrong API keys came from this address.',
    retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)),
  });
}

/** The client that sent `request`, null where the API runs without keys. Fails closed on an open route. */
export function clientOf(request: FastifyRequest): string | null {
  const client = visits.get(request)?.client;
  if (client === undefined) {
    throw new AppError('unauthorized');
  }
  return client?.id ?? null;
}

/** Whether a request may see what is of all clients. Where the API runs without keys, whoever uses this machine may. */
export function isOperator(request: FastifyRequest): boolean {
  const client = visits.get(request)?.client;
  return client === null || (client !== undefined && hasScope(client, 'operator'));
}

/** Refuses a request that may not see what is of all clients. Fails closed on an open route. */
export async function requireOperator(request: FastifyRequest): Promise<void> {
  if (!isOperator(request)) {
    throw new AppError('forbidden');
  }
}

/** What requests are counted under: the client where it is known, otherwise the address. */
export function callerOf(request: FastifyRequest): string {
  const id = visits.get(request)?.client?.id;
  return id === undefined ? `address ${request.ip}` : `client ${id}`;
}
