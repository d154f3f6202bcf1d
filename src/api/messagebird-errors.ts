import type { AppError, ErrorCode } from '../errors.ts';
import { ERROR_TABLE } from '../errors.ts';
import type { ErrorAnswer, ErrorDialect } from './error-dialect.ts';

/** One entry of `errors`, as the API of MessageBird has it. */
interface MessageBirdError {
  readonly code: MessageBirdCode;
  readonly description: string;
  readonly parameter: string | null;
}

/** Numbers of errors that applications know: docs/messagebird.md lists them, and a test holds the two together. */
export const MESSAGEBIRD_CODES = {
  unauthorized: 2,
  missing: 9,
  invalid: 10,
  notFound: 20,
  badRequest: 21,
  noBalance: 25,
  internal: 99,
} as const;

type MessageBirdCode = (typeof MESSAGEBIRD_CODES)[keyof typeof MESSAGEBIRD_CODES];

/** What is told of a token that proves nothing. All have the same number, and applications compare these texts. */
export const TOKEN_ERRORS = {
  wrong: 'The token is invalid',
  processed: 'The token has already been processed',
  expired: 'The token has expired',
} as const;

/**
 * A status that every SDK reads the body of (200, 201, 202, 204, 401, 404, 405, 422), where the client can do something
 * about it; otherwise that of our own, since it says whether to try again.
 */
const UNPROCESSABLE = 422;

interface Told {
  readonly code: MessageBirdCode;
  /** Without it, ours. */
  readonly description?: string;
  readonly parameter?: string;
  /** Without it, ours. */
  readonly status?: number;
}

const invalid = (parameter: string): Told => ({
  code: MESSAGEBIRD_CODES.invalid,
  parameter,
  status: UNPROCESSABLE,
});
const badRequest: Told = { code: MESSAGEBIRD_CODES.badRequest };
const unprocessable: Told = { ...badRequest, status: UNPROCESSABLE };
const internal: Told = { code: MESSAGEBIRD_CODES.internal };

/** How each error of ours is told. */
export const MESSAGEBIRD_ERRORS = {
  invalid_request: unprocessable,
  invalid_number: invalid('recipient'),
  target_not_allowed: invalid('recipient'),
  destination_not_allowed: invalid('recipient'),
  unsupported_locale: invalid('language'),
  template_not_allowed: invalid('template'),
  cli_not_allowed: invalid('originator'),
  sms_unavailable: invalid('type'),
  invalid_playlist: invalid('template'),
  unknown_carrier: unprocessable,
  prompt_failed: unprocessable,
  flash_unavailable: unprocessable,
  not_pending: { ...invalid('token'), description: TOKEN_ERRORS.processed },
  idempotency_key_reused: unprocessable,
  unauthorized: {
    code: MESSAGEBIRD_CODES.unauthorized,
    description: 'Request not allowed (incorrect access_key)',
    parameter: 'access_key',
  },
  forbidden: {
    code: MESSAGEBIRD_CODES.unauthorized,
    description: 'Request not allowed (this access_key does not open that)',
    parameter: 'access_key',
    status: 401,
  },
  not_found: { code: MESSAGEBIRD_CODES.notFound, description: 'Verify object could not be found' },
  method_not_allowed: badRequest,
  body_too_large: badRequest,
  unsupported_media_type: { ...badRequest, description: 'The request body must be JSON or a form.' },
  limit_reached: badRequest,
  too_many_requests: badRequest,
  flash_exhausted: badRequest,
  spend_limit: { code: MESSAGEBIRD_CODES.noBalance },
  flash_paused: internal,
  internal,
  capacity: internal,
  engine_unavailable: internal,
  not_ready: internal,
  speech_unavailable: internal,
  store_unavailable: internal,
} as const satisfies Record<ErrorCode, Told>;

/** HTTP status with which an error is told. */
export function statusOf(code: ErrorCode): number {
  const told: Told = MESSAGEBIRD_ERRORS[code];
  return told.status ?? ERROR_TABLE[code].status;
}

/** Where our texts say which part of a request is not valid. */
const PART = /^(?:body|query)\.([A-Za-z]{1,32})(?:\.[^:]*)?: (.+)$/s;

function toldOf(error: AppError): Told {
  const [, parameter, why = ''] = (error.code === 'invalid_request' && PART.exec(error.message)) || [];
  if (parameter === undefined) return MESSAGEBIRD_ERRORS[error.code];
  if (parameter === 'token') return { ...invalid(parameter), description: TOKEN_ERRORS.wrong };
  return why === 'required'
    ? {
        ...invalid(parameter),
        code: MESSAGEBIRD_CODES.missing,
        description: `${parameter} is required`,
      }
    : { ...invalid(parameter), description: `${parameter} is invalid: ${why}` };
}

/** Body of an answer that tells of one error. */
export function errorsOf(
  code: MessageBirdCode,
  description: string,
  parameter: string | null,
): { readonly errors: readonly [MessageBirdError] } {
  return { errors: [{ code, description, parameter }] };
}

/** Errors of MessageBird's form, on the paths of its Verify API. */
export const messageBirdErrors: ErrorDialect = {
  covers: (path) => /^\/verify(?:\/|$)/.test(path),
  answer: (error): ErrorAnswer => {
    const { code, description = error.message, parameter = null, status = error.status } = toldOf(error);
    return { status, body: errorsOf(code, description, parameter) };
  },
};
