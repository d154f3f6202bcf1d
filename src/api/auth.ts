import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isLoopback } from '../config.ts';
import { AppError } from '../errors.ts';
import type { ApiKey } from './keys.ts';
import { findClient } from './keys.ts';

/** Who sent a request: a client's id, null where the API runs without keys, undefined for nobody we know. */
const clients = new WeakMap<FastifyRequest, string | null>();

/** Requests with the key of an operator, and all where the API runs without keys. */
const byOperators = new WeakSet<FastifyRequest>();

/** Longest key that is looked at; ours have 47 characters. */
const MAX_KEY_LENGTH = 256;

/**
 * Notes the client of every request to `app`. Refuses nobody: some routes are open.
 *
 * @param keys looked at anew by each request: they may be replaced in their list
 */
export function identifyClients(app: FastifyInstance, keys: readonly ApiKey[]): void {
  app.addHook('onRequest', async (request) => {
    if (keys.length === 0) {
      clients.set(request, null);
      byOperators.add(request);
      return;
    }
    note(request, keys, /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]);
  });
}

/**
 * Notes the client of a request to `scope` also where its key comes as the password of HTTP Basic (RFC 7617), under any
 * user name: for pages, since browsers send nothing else by themselves. Only for routes that change nothing, since
 * browsers send it along with whatever another site has them ask for.
 */
export function identifyByPassword(scope: FastifyInstance, keys: readonly ApiKey[]): void {
  scope.addHook('onRequest', async (request) => {
    const [, base64] = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(request.headers.authorization ?? '') ?? [];
    if (base64 === undefined) return;
    const [, password] = /^[^:]*:(.+)$/s.exec(Buffer.from(base64, 'base64').toString('utf8')) ?? [];
    note(request, keys, password);
  });
}

function note(request: FastifyRequest, keys: readonly ApiKey[], presented: string | undefined): void {
  const client =
    presented === undefined || presented.length > MAX_KEY_LENGTH ? undefined : findClient(keys, presented);
  if (client === undefined) return;
  clients.set(request, client);
  if (keys.some(({ id, operator }) => id === client && operator === true)) byOperators.add(request);
}

/**
 * Where the API runs without keys, refuses requests for another host than this machine: a web page whose name
 * was pointed at 127.0.0.1 (DNS rebinding) could otherwise place calls from its visitor's browser.
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
  });
}

/**
 * Refuses requests to `scope` that come from nobody we know. It runs after the rate limit, so that guessing
 * keys is limited too, and before a body is read.
 *
 * @param challenge how a client is to say who it is (RFC 9110 §11.6.1)
 */
export function requireClient(scope: FastifyInstance, challenge = 'Bearer'): void {
  scope.addHook('preParsing', async (request, reply) => {
    if (clients.get(request) === undefined) {
      void reply.header('www-authenticate', challenge);
      throw new AppError('unauthorized');
    }
  });
}

/** The client that sent `request`, null where the API runs without keys. Fails closed on an open route. */
export function clientOf(request: FastifyRequest): string | null {
  const client = clients.get(request);
  if (client === undefined) {
    throw new AppError('unauthorized');
  }
  return client;
}

/**
 * Refuses a request that has no key of an operator. Where the API runs without keys, whoever uses this machine is
 * one. Fails closed on an open route.
 */
export async function requireOperator(request: FastifyRequest): Promise<void> {
  if (!byOperators.has(request)) {
    throw new AppError('forbidden');
  }
}

/** What requests are counted under: the client where it is known, otherwise the address. */
export function callerOf(request: FastifyRequest): string {
  const client = clients.get(request);
  return typeof client === 'string' ? `client ${client}` : `address ${request.ip}`;
}
