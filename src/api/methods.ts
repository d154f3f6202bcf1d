import { AppError } from '../errors.ts';
import type { Api } from './server.ts';

type Method = (typeof METHODS)[number];

/** Methods that Fastify routes; any other is unknown to it and answered as an unknown route. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** Remembers which methods the routes of `api` have, from now on. */
export function collectRoutes(api: Api): ReadonlyMap<string, ReadonlySet<string>> {
  const methodsByUrl = new Map<string, Set<string>>();
  api.addHook('onRoute', ({ url, method }) => {
    const methods = methodsByUrl.get(url) ?? new Set();
    for (const one of [method].flat()) {
      methods.add(one);
    }
    methodsByUrl.set(url, methods);
  });
  return methodsByUrl;
}

/** Answers every other method of these routes with 405 and `Allow` (RFC 9110 §15.5.6), before a body is read. */
export function answerOtherMethods(api: Api, routes: ReadonlyMap<string, ReadonlySet<string>>): void {
  // Copied, since each route that is added here is collected too.
  for (const [url, methods] of Array.from(routes)) {
    const others: Method[] = METHODS.filter((method) => !methods.has(method));
    if (url.includes('*') || others.length === 0) {
      continue;
    }
    const allow = [...methods].join(', ');
    api.route({
      method: others,
      url,
      schema: { hide: true },
      onRequest: async (_request, reply) => {
        void reply.header('allow', allow);
        throw new AppError('method_not_allowed');
      },
      handler: async () => undefined,
    });
  }
}
