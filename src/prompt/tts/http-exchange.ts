import { setTimeout as sleep } from 'node:timers/promises';
import { type Agent, type Dispatcher, request } from 'undici';
import type { HttpQuestion } from './http-presets.ts';
import { failed, noVoice, stopped, tooLong } from './speech-fault.ts';

export interface HttpAnswer {
  /** In lower case and without parameters; empty where the service does not say. */
  readonly contentType: string;
  readonly body: Buffer;
}

/** Who asks, and by which connections. */
export interface Asker {
  readonly id: string;
  readonly agent: Agent;
  readonly maxBytes: number;
  /** Whether a client named the voice: what the service then calls a bad request is taken for that name. */
  readonly voiceNamed: boolean;
}

/** Before a second try, where the service does not say how long. */
const RETRY_MS = 200;
/** A call waits no longer than this for a service to be willing. */
const MAX_RETRY_MS = 1000;
const BAD_REQUEST: ReadonlySet<number> = new Set([400, 404, 422]);
/** Too many requests, and not available: asked a second time. */
const RETRIED: ReadonlySet<number> = new Set([429, 503]);

/**
 * Asks a service, and once more where it was busy or the connection broke.
 *
 * @throws PromptError tts_failed, tts_timeout, unknown_voice or too_long: with status or error code, and nothing else of
 * what was asked or answered
 */
export async function ask(asker: Asker, question: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
  try {
    const first = await attempt(asker, question, signal);
    if (!('retryMs' in first)) return first;
    if (first.retryMs > MAX_RETRY_MS) throw first.error;
    await sleep(first.retryMs, undefined, { signal });
    const second = await attempt(asker, question, signal);
    if ('retryMs' in second) throw second.error;
    return second;
  } catch (error) {
    if (signal.aborted) throw stopped(asker.id, signal);
    throw error;
  }
}

interface Refusal {
  readonly retryMs: number;
  readonly error: Error;
}

async function attempt(
  asker: Asker,
  question: HttpQuestion,
  signal: AbortSignal,
): Promise<HttpAnswer | Refusal> {
  const { id, agent, maxBytes } = asker;
  const { url, headers, body } = question;
  let response: Dispatcher.ResponseData;
  try {
    response = await request(url, { method: 'POST', headers, body, dispatcher: agent, signal });
  } catch (error) {
    return { retryMs: RETRY_MS, error: broken(id, error) };
  }
  const { statusCode } = response;
  if (statusCode !== 200) {
    // Its body says nothing that may be shown: it may repeat the text.
    response.body.on('error', () => undefined).destroy();
    const error = failed(id, `was refused with status ${statusCode}`);
    if (asker.voiceNamed && BAD_REQUEST.has(statusCode)) throw noVoice(id);
    if (!RETRIED.has(statusCode)) throw error;
    return { retryMs: retryAfterMs(response.headers['retry-after']), error };
  }
  const contentType = String(response.headers['content-type'] ?? '')
    .replace(/;.*$/s, '')
    .trim()
    .toLowerCase();
  let answer: Buffer | 'too_much';
  try {
    answer = await readBody(response.body, maxBytes);
  } catch (error) {
    return { retryMs: RETRY_MS, error: broken(id, error) };
  }
  if (answer === 'too_much') throw tooLong(id);
  if (answer.length === 0) throw failed(id, 'answered with nothing');
  return { contentType, body: answer };
}

async function readBody(
  body: Dispatcher.ResponseData['body'],
  maxBytes: number,
): Promise<Buffer | 'too_much'> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop ends the body, and with it the connection.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) return 'too_much';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Only the seconds: a date would need clocks that agree. */
function retryAfterMs(header: string | string[] | undefined): number {
  const seconds = typeof header === 'string' && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
  if (seconds !== undefined) return seconds * 1000;
  return header === undefined ? RETRY_MS : Number.POSITIVE_INFINITY;
}

function broken(id: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code;
  const known = typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? ` (${code})` : '';
  return failed(id, `cannot be reached, or broke off${known}`, error);
}
