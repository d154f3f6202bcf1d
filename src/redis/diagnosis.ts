import { ReplyError } from 'ioredis';

/** What codes of the system and of TLS mean to whoever set the service up. */
const MEANINGS: readonly (readonly [RegExp, string])[] = [
  [/^ECONNREFUSED$/, 'nothing listens there'],
  [/^(?:ENOTFOUND|EAI_AGAIN)$/, 'the name of the host is not known'],
  [/^(?:ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN)$/, 'the host does not answer'],
  [
    /^(?:ECONNRESET|EPIPE)$/,
    'the connection was closed at once: does only one side speak TLS, or does the server ask for a certificate?',
  ],
  [/^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/, 'the server does not speak TLS'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'its certificate is for another name'],
  [/^CERT_HAS_EXPIRED$/, 'its certificate has expired'],
  [/^ERR_SSL_/, 'TLS cannot be agreed on: does the server ask for a certificate of ours?'],
  [/CERT|SIGNATURE|ISSUER/, 'its certificate is of no authority that is believed'],
];
const ANSWERS: readonly (readonly [RegExp, string])[] = [
  [/^WRONGPASS/, 'the server refuses the user name or the password'],
  [
    /^(?:NOAUTH|.*HELLO must be called with the client already authenticated)/,
    'the server asks for a password',
  ],
  [/^NOPERM/, 'the user may not use commands that are needed'],
  [/^LOADING/, 'the server is still loading its data'],
  [/^ERR max number of clients/, 'the server has no room for more connections'],
];
const OURS: readonly (readonly [RegExp, string])[] = [
  [/^All sentinels are unreachable/, 'no sentinel names the master'],
  [/^(?:Command timed out|Socket timeout|timeout$)/, 'the server does not answer'],
  [/^Connection is closed/, 'nothing listens there, or the connection was closed at once'],
  [/^ERR This instance has cluster support disabled/, 'the server is no node of a cluster'],
];

/** Why a connection failed, for people: never a password, and nothing of what a server may send. */
export function diagnosis(error: unknown): string {
  if (!(error instanceof Error)) return 'the server does not answer';
  const { code } = error as NodeJS.ErrnoException;
  const { lastNodeError } = error as { lastNodeError?: unknown };
  if (lastNodeError instanceof Error) return diagnosis(lastNodeError);
  const said =
    meaning(OURS, error.message) ??
    (error instanceof ReplyError ? meaning(ANSWERS, error.message) : undefined) ??
    (typeof code === 'string' ? meaning(MEANINGS, code) : undefined);
  if (said !== undefined) return typeof code === 'string' ? `${said} (${code})` : said;
  const word = error instanceof ReplyError ? error.message.split(' ', 1)[0] : (code ?? error.name);
  return `it failed (${String(word)})`;
}

function meaning(list: readonly (readonly [RegExp, string])[], text: string): string | undefined {
  return list.find(([pattern]) => pattern.test(text))?.[1];
}
