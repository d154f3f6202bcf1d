import type { ErrorDialect } from './error-dialect.ts';

/** Body of every error on these paths. */
export interface Restcomm2faError {
  /** HTTP status. */
  readonly status: number;
  /** `wrong_code`, or one of our own. */
  readonly code: string;
  readonly message: string;
  readonly checksLeft?: number;
}

/** Errors of the two-factor API of Restcomm. Nothing public says what they look like there. */
export const restcomm2faErrors: ErrorDialect = {
  covers: (path) => /^\/2fa(?:\/|$)/.test(path),
  answer: ({ status, code, message }) => {
    const body: Restcomm2faError = { status, code, message };
    return { status, body };
  },
};
