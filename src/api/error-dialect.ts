import type { FastifyRequest } from 'fastify';
import type { AppError } from '../errors.ts';

/** An error as the API of a path tells it. */
export interface ErrorAnswer {
  /** HTTP status. */
  readonly status: number;
  /** Beside `x-request-id` and `retry-after`, which every error has; in small letters. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: `application/json; charset=utf-8`. */
  readonly contentType?: string;
  /** An object is sent as JSON, a text as it is. */
  readonly body: string | object;
}

/** How errors are told on the paths of an API that is not our own. */
export interface ErrorDialect {
  /** Whether a path, without its query, is one of that API's, known or not. */
  covers(path: string): boolean;
  /** @param request may have neither a route nor a body: errors of the framework come before them */
  answer(error: AppError, request: FastifyRequest): ErrorAnswer;
}
