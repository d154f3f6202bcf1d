interface ErrorKind {
  /** HTTP status. */
  readonly status: number;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** What a client reads when the thrower has nothing more exact to say. */
  readonly message: string;
}

/** Everything an API client can act on; docs/errors.md explains each, and a test holds the two together. */
export const ERROR_TABLE = {
  invalid_request: { status: 400, retryable: false, message: 'The request is not valid.' },
  invalid_number: {
    status: 400,
    retryable: false,
    message: 'This is not a possible phone number in E.164 form.',
  },
  target_not_allowed: {
    status: 400,
    retryable: false,
    message: 'SIP addresses are not allowed by the configuration.',
  },
  unsupported_locale: { status: 400, retryable: false, message: 'Nothing here speaks this language.' },
  invalid_playlist: { status: 400, retryable: false, message: 'This playlist cannot be played.' },
  unknown_carrier: { status: 400, retryable: false, message: 'There is no carrier with this id.' },
  cli_not_allowed: {
    status: 400,
    retryable: false,
    message: 'The configuration does not allow this calling number.',
  },
  template_not_allowed: {
    status: 400,
    retryable: false,
    message: 'This text is not one of those that the client may have said or sent.',
  },
  unauthorized: { status: 401, retryable: false, message: 'A valid API key is required.' },
  forbidden: { status: 403, retryable: false, message: 'This key does not open that.' },
  destination_not_allowed: {
    status: 403,
    retryable: false,
    message: 'Calls to this destination are not allowed.',
  },
  not_found: { status: 404, retryable: false, message: 'There is no such resource.' },
  method_not_allowed: { status: 405, retryable: false, message: 'This method is not allowed here.' },
  not_pending: { status: 409, retryable: false, message: 'The verification is no longer pending.' },
  body_too_large: { status: 413, retryable: false, message: 'The request body is too large.' },
  unsupported_media_type: { status: 415, retryable: false, message: 'The request body must be JSON.' },
  idempotency_key_reused: {
    status: 422,
    retryable: false,
    message: 'This Idempotency-Key was used before with another request.',
  },
  prompt_failed: {
    status: 422,
    retryable: false,
    message: 'A part of the playlist could not be fetched, or is no sound.',
  },
  flash_unavailable: {
    status: 422,
    retryable: false,
    message: 'There are no calling numbers for a flash call to this number.',
  },
  sms_unavailable: {
    status: 422,
    retryable: false,
    message: 'No trunk carries text messages to this number.',
  },
  limit_reached: { status: 429, retryable: true, message: 'Too many of these in this time.' },
  spend_limit: { status: 429, retryable: true, message: 'What may be spent in a day is spent.' },
  flash_exhausted: {
    status: 429,
    retryable: true,
    message: 'This number was shown too many calling numbers already.',
  },
  flash_paused: {
    status: 503,
    retryable: true,
    message: 'Too many flash calls to numbers like this were answered: they pause for a while.',
  },
  too_many_requests: { status: 429, retryable: true, message: 'Too many requests.' },
  internal: { status: 500, retryable: true, message: 'Something went wrong on our side.' },
  capacity: { status: 503, retryable: true, message: 'All lines are in use.' },
  engine_unavailable: { status: 503, retryable: true, message: 'Calls cannot be carried at the moment.' },
  not_ready: { status: 503, retryable: true, message: 'The service cannot carry calls at the moment.' },
  speech_unavailable: { status: 503, retryable: true, message: 'Text cannot be spoken at the moment.' },
  store_unavailable: { status: 503, retryable: true, message: 'The store cannot be reached.' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** A failure that the client of the API can act on. Anything else that is thrown is a bug. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  /** Seconds for the Retry-After header. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    options: { message?: string; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(options.message ?? ERROR_TABLE[code].message, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = ERROR_TABLE[code].status;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}
