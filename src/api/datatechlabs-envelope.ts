import type { AppError, ErrorCode } from '../errors.ts';
import type { ErrorDialect } from './error-dialect.ts';

/** What every answer on these paths is; `code` 0 is success. */
interface Envelope<Data> {
  readonly code: number;
  /** HTTP status. */
  readonly status: number;
  readonly data: Data;
}

/** These stay as they are: docs/datatechlabs.md lists them, and a test holds the two together. */
export const DATATECHLABS_CODES = {
  invalid_request: 1001,
  invalid_number: 1002,
  target_not_allowed: 1003,
  unsupported_locale: 1004,
  invalid_playlist: 1005,
  unknown_carrier: 1006,
  cli_not_allowed: 1007,
  prompt_failed: 1008,
  body_too_large: 1009,
  unsupported_media_type: 1010,
  idempotency_key_reused: 1011,
  not_pending: 1012,
  flash_unavailable: 1013,
  sms_unavailable: 1014,
  template_not_allowed: 1015,
  unauthorized: 2001,
  forbidden: 2002,
  destination_not_allowed: 2003,
  not_found: 3001,
  method_not_allowed: 3002,
  too_many_requests: 4001,
  flash_exhausted: 4002,
  limit_reached: 4004,
  spend_limit: 4005,
  flash_paused: 4003,
  internal: 5001,
  capacity: 5002,
  engine_unavailable: 5003,
  not_ready: 5004,
  speech_unavailable: 5005,
  store_unavailable: 5006,
} as const satisfies Record<ErrorCode, number>;

/** Their paths begin with one of these. */
const PATHS = /^\/(?:voice\/call|status\/carrier)(?:\/|$)/;

/** Errors in the envelope, with a number for each code of ours. */
export const dataTechLabsErrors: ErrorDialect = {
  covers: (path) => PATHS.test(path),
  answer: (error: AppError) => {
    const { status } = error;
    const body: Envelope<string> = { code: DATATECHLABS_CODES[error.code], status, data: error.message };
    return { status, body };
  },
};

export function succeeded<Data>(data: Data): Envelope<Data> & { readonly code: 0; readonly status: 200 } {
  return { code: 0, status: 200, data };
}
