import { request } from './api-client.ts';

/** How a command reaches the service that is running somewhere. */
export interface ServiceAccess {
  /** Without a slash at its end. */
  readonly url: string;
  /** Undefined where the service runs without keys. */
  readonly key: string | undefined;
}

const DEFAULT_URL = 'http://127.0.0.1:8080';

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
  if (!URL.canParse(given)) throw new ServiceError(`${given} is no URL`);
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
    throw new ServiceError(`no service answers at ${url}`, error);
  }
  if (reply.status < 400) return reply.body;
  const { code, message } = reply.body.error ?? {
    code: String(reply.status),
    message: 'no reason was given',
  };
  throw new ServiceError(`${code}: ${message}`);
}

interface Refusal {
  readonly error?: { readonly code: string; readonly message: string };
}
