import cookie from '@fastify/cookie';
import csrf from '@fastify/csrf-protection';
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import type { Surface } from '../page/sheet.ts';
import { errorSheet } from '../page/sheet.ts';
import { clientOf, requireOperator, requireScope } from './auth.ts';
import { toAppError } from './errors.ts';
import type { Api } from './server.ts';
import { fileRoutes, readPageFiles } from './try-files.ts';
import { labRoutes } from './try-lab.ts';
import type { TryRoom } from './try-room.ts';
import { sendPage } from './try-room.ts';
import { PartStreams } from './try-stream.ts';
import { verificationPages } from './try-verification.ts';

export interface TryDependencies extends Pick<TryRoom, 'page' | 'verifications' | 'feed' | 'trace' | 'ways'> {
  readonly config: Pick<Config['api'], 'page'>;
}

/** Our own files and forms, and nothing else: no inline script or style, nobody's frame. */
const PAGE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "media-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * The page at `/try`, on which people verify their numbers in a browser. It calls the services in this process, so that
 * no key of the API reaches the browser. Where the API has keys, visitors come in with the password of HTTP Basic: a key
 * of the page's own client, or of an operator.
 */
export async function tryPage(api: Api, { config, ...dependencies }: TryDependencies): Promise<void> {
  const clientId = config.page.client ?? null;
  const files = await readPageFiles();
  const surface: Surface = { files: files.addresses, isLab: dependencies.page.lab !== undefined };
  await api.register(async (scope) => {
    const pages = scope.withTypeProvider<ZodTypeProvider>();
    sayWhatPagesMayDo(pages);
    answerErrorsAsPages(pages, surface);
    fileRoutes(pages, files);
    await pages.register(async (guarded) => {
      const closed = guarded.withTypeProvider<ZodTypeProvider>();
      guarded.addHook('onSend', async (_request, reply) => {
        if (!reply.hasHeader('cache-control')) void reply.header('cache-control', 'no-store');
      });
      requireScope(guarded, 'verifications', { credentials: 'password' });
      guarded.addHook('preParsing', async (request) => {
        if (clientOf(request) !== clientId) await requireOperator(request);
      });
      guarded.addHook('onRequest', refuseForeignOrigins);
      await guarded.register(formbody);
      await guarded.register(cookie, { secret: dependencies.page.cookieKey.reveal() });
      await guarded.register(csrf, {
        cookieKey: 'voice_otp_csrf',
        cookieOpts: { signed: true },
        logLevel: 'debug',
      });
      // The token is in the body, as it was sent.
      guarded.addHook('preValidation', (request, reply, done) => {
        if (request.method === 'POST') guarded.csrfProtection(request, reply, done);
        else done();
      });
      const room: TryRoom = {
        ...dependencies,
        clientId,
        surface,
        streams: new PartStreams(closed),
        toldPhones: new Set(),
      };
      verificationPages(closed, room);
      if (dependencies.page.lab !== undefined) labRoutes(closed, room, dependencies.page.lab.desk);
    });
  });
}

function sayWhatPagesMayDo(scope: FastifyInstance): void {
  scope.addHook('onSend', async (_request, reply) => {
    void reply.header('content-security-policy', PAGE_CSP);
    // Forms tell where they come from only with this: with `no-referrer` their Origin is null (Fetch Standard, §3.2).
    void reply.header('referrer-policy', 'same-origin');
  });
}

/**
 * Refuses forms of other sites by what browsers say of them (Fetch Metadata, and Origin of those that do not know it).
 * Each form has a token besides.
 */
async function refuseForeignOrigins(request: FastifyRequest): Promise<void> {
  if (request.method !== 'POST') return;
  const { origin } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const isForeign =
    site === undefined ? origin !== undefined && hostOf(origin) !== request.host : site !== 'same-origin';
  if (isForeign) throw new AppError('forbidden', { message: 'This form was sent by another site.' });
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function answerErrorsAsPages(scope: FastifyInstance, surface: Surface): void {
  scope.setErrorHandler(async (error: Error & { readonly code?: string }, request, reply) => {
    const known = error.code?.startsWith('FST_CSRF') === true ? STALE_FORM : toAppError(error);
    if (known === undefined) {
      request.log.error({ err: error, route: request.routeOptions.url }, 'bug: unexpected failure');
    }
    const { status, message, retryAfterSeconds, code } = known ?? new AppError('internal');
    if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds));
    void reply.header('cache-control', 'no-store');
    return sendPage(reply.code(status), errorSheet(surface, status, MESSAGES[code] ?? message));
  });
}

const STALE_FORM = new AppError('forbidden', {
  message: 'This form is too old, or was not made by this page. Please begin again.',
});
const MESSAGES: Readonly<Record<string, string>> = {
  unauthorized: 'This page wants an API key as the password; the user name does not matter.',
  not_found: 'There is nothing here, or it was begun in another browser.',
};
