import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../errors.ts';
import { AppError } from '../errors.ts';
import type { ErrorDialect } from './error-dialect.ts';

/** What every answer of 400 and above carries. */
interface ErrorBody {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly requestId: string };
}

/**
 * What Fastify and its plugins throw, as the client reads it. Their own texts are not passed on: a parser's
 * may quote the body, and the body holds a code.
 */
const FOREIGN: Readonly<Record<string, readonly [code: ErrorCode, message?: string]>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: ['invalid_request', 'The body is not valid JSON.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['invalid_request', 'The body is empty, but its content type is JSON.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid_request', 'The body is not as long as Content-Length says.'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type'],
  FST_ERR_BAD_URL: ['invalid_request', 'The URL is not valid.'],
  FST_ERR_MAX_PARAM_LENGTH: ['not_found'],
};

/**
 * Gives every failure of `app` the one documented shape, or on the paths of a dialect that one's, and logs those
 * that are ours to look at.
 */
export function installErrorHandler(app: FastifyInstance, dialects: readonly ErrorDialect[]): void {
  app.setErrorHandler((error: FastifyError, request, reply) => sendError(error, request, reply, dialects));
}

/** Answers `error` in the documented shape. Also used where Fastify fails before it has a route. */
export async function sendError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  dialects: readonly ErrorDialect[],
): Promise<FastifyReply> {
  const known = toAppError(error);
  if (known === undefined) {
    request.log.error(
      { err: error, method: request.method, route: request.routeOptions.url },
      'bug: unexpected failure',
    );
  } else if (known.status >= 500) {
    // A load balancer asks every second, and what is missing has its own line.
    const level = known.code === 'not_ready' ? 'debug' : 'warn';
    request.log[level](
      { err: known, method: request.method, route: request.routeOptions.url },
      'request refused',
    );
  }
  const told = known ?? new AppError('internal');
  if (told.retryAfterSeconds !== undefined) {
    void reply.header('retry-after', String(told.retryAfterSeconds));
  }
  const path = request.url.replace(/\?.*$/s, '');
  const dialect = dialects.find((one) => one.covers(path)) ?? ourOwn;
  const { status, headers = {}, contentType = JSON_TYPE, body } = dialect.answer(told, request);
  return (
    reply
      .code(status)
      // Set already, but for what failed before any hook ran.
      .header('x-request-id', request.id)
      .headers(headers)
      .type(contentType)
      .send(typeof body === 'string' ? body : JSON.stringify(body))
  );
}

const JSON_TYPE = 'application/json; charset=utf-8';

const ourOwn: Pick<ErrorDialect, 'answer'> = {
  answer: (error, { id }) => ({ status: error.status, body: errorBody(error, id) }),
};

export function errorBody(error: AppError, requestId: string): ErrorBody {
  return { error: { code: error.code, message: error.message, requestId } };
}

/** The error as the client reads it; undefined: a bug. */
export function toAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) {
    return error;
  }
  if (!(error instanceof Error)) {
    return undefined;
  }
  const { code, statusCode } = error as Partial<FastifyError>;
  const [known, message] = (code === undefined ? undefined : FOREIGN[code]) ?? [];
  if (known !== undefined) {
    return new AppError(known, { cause: error, ...(message === undefined ? {} : { message }) });
  }
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500) {
    return undefined;
  }
  return new AppError(statusCode === 404 ? 'not_found' : 'invalid_request', { cause: error });
}
