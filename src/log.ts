import type { DestinationStream, Logger } from 'pino';
import { pino } from 'pino';
import { LogOutput } from './log-output.ts';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

const HIDDEN = '•••';
const REDACTED = '[redacted]';

/** Keys that never reach a log line, at the top of the logged object or one level down. */
const REDACTED_KEYS = [
  'authorization',
  'body',
  'codeDigest',
  'digits',
  'headers',
  'keyAndSalt',
  'leftover',
  'password',
  'payload',
  'playlist',
  'sealedCode',
];

/** Digits of a number that stay readable at most, at its start and at its end; at least three are hidden. */
const HEAD_DIGITS = 4;
const TAIL_DIGITS = 3;
const MIN_HIDDEN_DIGITS = 3;

/** An error as it is logged: no further properties, since foreign ones may carry input. */
interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: unknown;
}

/** Causes are followed this deep; longer chains say nothing new. */
const MAX_CAUSES = 5;

/**
 * The one logger of the process: JSON lines on `destination` (default: standard output). The keys `to`,
 * `from`, `number` and `cli` are masked as numbers, `sip` as SIP text; bodies, headers and passwords are cut.
 */
export function createLogger(options: { level: LogLevel; destination?: DestinationStream }): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED_KEYS.flatMap((key) => [key, `*.${key}`]), censor: REDACTED },
      serializers: {
        to: maskText,
        from: maskText,
        number: maskText,
        cli: maskText,
        sip: (value: unknown) => (typeof value === 'string' ? maskSip(value) : value),
        err: (value: unknown) => loggedError(value),
      },
    },
    options.destination ?? new LogOutput(1),
  );
}

/**
 * `+4930123456` → `+4930•••456`. Short numbers show less, three digits or fewer show nothing. Of a `sip:`
 * address the user part is masked; a name is hidden whole.
 */
export function maskNumber(number: string): string {
  const uri = /^(sips?:|tel:)([^@]*)(@.*)?$/is.exec(number);
  if (uri) {
    return `${uri[1]?.toLowerCase()}${maskUser(uri[2] ?? '')}${uri[3] ?? ''}`;
  }
  return maskUser(number);
}

/**
 * A SIP message as it may be written to a trace: no credentials (RFC 3261 §22), no keys of the SDP (RFC 4568),
 * no signed identity (RFC 8224, it repeats both numbers in base64), and numbers masked wherever they stand
 * for a person: in URIs, in display names and wherever they start with `+`.
 */
export function maskSip(text: string): string {
  return (
    text
      // A header value goes on while lines start with white space (RFC 3261 §7.3.1).
      .replace(
        /^((?:proxy-)?authorization|identity|y)([ \t]*:)[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*/gim,
        (_match, name: string, colon: string) => `${name}${colon} ${REDACTED}`,
      )
      .replace(
        /^(a=(?:crypto|key-mgmt|ice-pwd):|k=)[^\r\n]*/gim,
        (_match, name: string) => `${name}${REDACTED}`,
      )
      // The keys once more, for lines that something else stands before.
      .replace(/\b(inline:)[A-Za-z0-9+/=]{16,}/gi, (_match, method: string) => `${method}${REDACTED}`)
      .replace(/\b(sips?:|tel:)([^\s@;<>?,"]+)(@?)/gi, (match, scheme: string, user: string, at: string) =>
        // Without an `@` a sip: URI is a host, such as in a Route.
        at === '' && scheme.toLowerCase() !== 'tel:' ? match : `${scheme}${maskUri(user)}${at}`,
      )
      // Display names, quoted or not: what stands before the `<` of an address.
      .replace(/"[^"\r\n]*"(?=\s*<)/g, (name) => name.replace(DIGIT_RUN, maskUser))
      .replace(
        /^([A-Za-z-]+[ \t]*:)([^<"\r\n]+)(?=<)/gm,
        (_match, name: string, shown: string) => `${name}${shown.replace(DIGIT_RUN, maskUser)}`,
      )
      .replace(/\+\d{5,15}\b/g, maskUser)
  );
}

const DIGIT_RUN = /(?:\+|%2b)?\d(?:[-.()\s]?\d){4,}/gi;

function maskUri(user: string): string {
  const colon = user.indexOf(':');
  const name = colon === -1 ? user : user.slice(0, colon);
  return `${name.replace(DIGIT_RUN, maskUser)}${colon === -1 ? '' : `:${REDACTED}`}`;
}

function maskUser(user: string): string {
  const plus = /^(?:\+|%2b)/i.exec(user)?.[0] ?? '';
  const digits = user.slice(plus.length).replace(/[-.()\s]/g, '');
  if (!/^\d+$/.test(digits)) {
    return HIDDEN;
  }
  const shown = Math.min(HEAD_DIGITS + TAIL_DIGITS, digits.length - MIN_HIDDEN_DIGITS);
  if (shown <= 0) {
    return `${plus}${HIDDEN}`;
  }
  const tail = Math.min(TAIL_DIGITS, Math.floor(shown / 2));
  return `${plus}${digits.slice(0, shown - tail)}${HIDDEN}${digits.slice(digits.length - tail)}`;
}

function maskText(value: unknown): unknown {
  // What is masked already stays as it is.
  return typeof value === 'string' && !value.includes(HIDDEN) ? maskNumber(value) : value;
}

function loggedError(value: unknown, depth = 0): unknown {
  if (!(value instanceof Error)) {
    return typeof value === 'object' ? REDACTED : value;
  }
  const code: unknown = 'code' in value ? value.code : undefined;
  const logged: LoggedError = {
    type: value.name,
    message: value.message,
    ...(typeof code === 'string' ? { code } : {}),
    ...(value.stack === undefined ? {} : { stack: value.stack }),
    ...(value.cause === undefined || depth >= MAX_CAUSES
      ? {}
      : { cause: loggedError(value.cause, depth + 1) }),
  };
  return logged;
}
