import type { Engine } from '../engine/engine.ts';
import { AppError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { answer, errorAnswers, health } from './schemas.ts';
import type { Api } from './server.ts';

/** A store that does not answer within this time is not there. */
const PING_TIMEOUT_MS = 2000;

/** `/healthz`: the process answers. `/readyz`: it could carry a call. Both are open and not rate limited. */
export function healthRoutes(
  api: Api,
  {
    store,
    engine,
    dialer,
  }: {
    readonly store: Pick<Store, 'ping'>;
    readonly engine: Pick<Engine, 'missing'>;
    readonly dialer: { draining(): boolean };
  },
): void {
  const open = { config: { rateLimit: false as const }, exposeHeadRoute: true };

  api.route({
    method: 'GET',
    url: '/healthz',
    ...open,
    schema: {
      tags: ['service'],
      summary: 'Whether the process lives',
      security: [],
      response: { 200: answer('It does', health), ...errorAnswers() },
    },
    handler: async () => ({ status: 'ok' as const }),
  });

  api.route({
    method: 'GET',
    url: '/readyz',
    ...open,
    schema: {
      tags: ['service'],
      summary: 'Whether the service can carry calls',
      security: [],
      response: { 200: answer('It can', health), ...errorAnswers('not_ready') },
    },
    handler: async (request) => {
      const missing = [...engine.missing()];
      try {
        await withTimeout(store.ping(), PING_TIMEOUT_MS);
      } catch (error) {
        request.log.warn({ err: error }, 'store does not answer');
        missing.push('store');
      }
      if (dialer.draining()) {
        missing.push('draining');
      }
      if (missing.length > 0) {
        throw new AppError('not_ready', { message: `Missing: ${missing.join(', ')}.`, retryAfterSeconds: 5 });
      }
      return { status: 'ok' as const };
    },
  });
}

async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
