import { ParseError, parsePhoneNumberWithError } from 'libphonenumber-js/min';
import { AppError } from '../errors.ts';

export interface CalleeRules {
  /** Hosts that `sip:` addresses may name, without port; none: no such addresses at all. */
  readonly sipTargets: readonly string[];
}

/** ITU-T E.164 §6: at most 15 digits, country code included, and no country code starts with 0. */
const E164 = /^\+[1-9][0-9]{1,14}$/;
/** Digits with what people put between them. ASCII only: the library would take any script's digits. */
const WRITTEN_NUMBER = /^\+[0-9][0-9 ()-]{0,38}$/;
/** A deliberate part of RFC 3261 §25.1: nothing that needs escaping, no parameters, no headers. */
const SIP_ADDRESS =
  /^sip:(?<user>[A-Za-z0-9+_.~*-]{1,64})@(?<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::(?<port>[1-9][0-9]{0,4}))?$/i;
const MAX_PORT = 65_535;
/** Longer texts are not even looked at. */
const MAX_LENGTH = 400;

/**
 * Who is to be called: an E.164 number with its plus, or a `sip:` address whose host is allowed. Numbers need
 * the plus; spaces, dashes and parentheses between the digits, and a leading `tel:`, are dropped.
 *
 * @throws AppError invalid_number, target_not_allowed
 */
export function readCallee(text: string, rules: CalleeRules): string {
  const trimmed = text.trim();
  if (trimmed.length > MAX_LENGTH) {
    throw invalidNumber('it is too long');
  }
  return /^sips?:/i.test(trimmed) ? readSipAddress(trimmed, rules) : readNumber(trimmed);
}

function readNumber(text: string): string {
  const written = text.replace(/^tel:/i, '');
  if (!written.startsWith('+')) {
    throw invalidNumber('it must start with + and the country code');
  }
  if (!WRITTEN_NUMBER.test(written)) {
    throw invalidNumber('after the + only digits, spaces, dashes and parentheses are allowed');
  }
  let parsed: ReturnType<typeof parsePhoneNumberWithError>;
  try {
    parsed = parsePhoneNumberWithError(written, { extract: false });
  } catch (error) {
    if (error instanceof ParseError) {
      throw invalidNumber(PARSE_PROBLEMS[error.message] ?? 'it is not a phone number', error);
    }
    throw error;
  }
  if (!parsed.isPossible() || !E164.test(parsed.number)) {
    throw invalidNumber('no number of this country has this length');
  }
  return parsed.number;
}

/** The library's error texts, for people. */
const PARSE_PROBLEMS: Readonly<Record<string, string>> = {
  INVALID_COUNTRY: 'there is no such country code',
  TOO_SHORT: 'it is too short',
  TOO_LONG: 'it is too long',
};

function readSipAddress(text: string, rules: CalleeRules): string {
  if (rules.sipTargets.length === 0) {
    throw new AppError('target_not_allowed');
  }
  const parts = SIP_ADDRESS.exec(text)?.groups;
  const port = parts?.['port'];
  if (parts === undefined || (port !== undefined && Number(port) > MAX_PORT)) {
    throw new AppError('invalid_number', {
      message:
        'This SIP address is not of the form sip:user@host or sip:user@host:port, without parameters or escapes.',
    });
  }
  const host = String(parts['host']).toLowerCase();
  if (!rules.sipTargets.some((allowed) => allowed.toLowerCase() === host)) {
    throw new AppError('target_not_allowed', {
      message: `SIP addresses at ${host} are not allowed by the configuration.`,
    });
  }
  return `sip:${parts['user']}@${host}${port === undefined ? '' : `:${port}`}`;
}

function invalidNumber(why: string, cause?: unknown): AppError {
  return new AppError('invalid_number', {
    message: `This is not a possible phone number in E.164 form: ${why}.`,
    cause,
  });
}
