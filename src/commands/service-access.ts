import { request, streamed } from './api-client.ts';

/** How a command reaches the service that is running somewhere. */
export interface ServiceAccess {
  /** Without a slash at its end. */
  readonly url: string;
  /** Undefined where the service runs without keys. */
  readonly key: string | undefined;
}

const DEFAULT_URL = 'http://127.0.0.1:8080';

/** Of every command that asks a running service. */
export const SERVICE_OPTIONS = {
  url: {
    type: 'string',
    value: 'URL',
    gist: `of the service; default VOICE_OTP_URL, else ${DEFAULT_URL}`,
  },
} as const;

export const SERVICE_NOTE =
  'VOICE_OTP_KEY is the API key. There is no option for it: other users of a machine can read command lines.';

/** The service cannot be asked, or refused; the message is for people. */
export class ServiceError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ServiceError';
  }
}

/**
 * What the command line or the environment says: `--url` or VOICE_OTP_URL, and VOICE_OTP_KEY. There is no option for
 * the key: other users of the machine can read command lines.
 */
export function serviceAccess(
  url: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): ServiceAccess {
  const given = url ?? (env['VOICE_OTP_URL'] || DEFAULT_URL);
  if (!URL.canParse(given) || !/^https?:/.test(given))
    throw new ServiceError(`${given} is no URL of a service`);
  return { url: given.replace(/\/+$/, ''), key: env['VOICE_OTP_KEY'] || undefined };
}

/**
 * The body of an answer below 400.
 *
 * @throws ServiceError with the service's own words, or where nobody answers
 */
export async function ask<Body>(
  { url, key }: ServiceAccess,
  method: string,
  path: string,
  body?: unknown,
): Promise<Body> {
  let reply: Awaited<ReturnType<typeof request<Body & Refusal>>>;
  try {
    reply = await request<Body & Refusal>(`${url}${path}`, method, body, key);
  } catch (error) {
    throw unanswered(url, error);
  }
  if (reply.status < 400) return reply.body;
  throw refused(reply.status, reply.body);
}

/**
 * The body of an answer below 400, as it comes. What breaks off later fails the stream.
 *
 * @throws ServiceError with the service's own words, or where nobody answers; AbortError
 */
export async function download(
  { url, key }: ServiceAccess,
  path: string,
  { accept, signal }: { readonly accept: string; readonly signal: AbortSignal },
): Promise<AsyncIterable<Uint8Array>> {
  let response: Response;
  try {
    response = await streamed(`${url}${path}`, { accept, key, signal });
  } catch (error) {
    throw signal.aborted ? error : unanswered(url, error);
  }
  if (response.status < 400 && response.body !== null) return response.body as AsyncIterable<Uint8Array>;
  throw refused(response.status, (await response.json().catch(() => ({}))) as Refusal);
}

/** @param error of `fetch`, or of reading JSON where something else answered */
function unanswered(url: string, error: unknown): ServiceError {
  return new ServiceError(
    error instanceof SyntaxError ? `what answers at ${url} is no voice-otp` : `no service answers at ${url}`,
    error,
  );
}

function refused(status: number, { error }: Refusal): ServiceError {
  return new ServiceError(
    error === undefined ? `${status}: no reason was given` : `${error.code}: ${error.message}`,
  );
}

interface Refusal {
  readonly error?: { readonly code: string; readonly message: string };
}
