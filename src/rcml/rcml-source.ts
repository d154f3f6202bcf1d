import { AppError } from '../errors.ts';
import type { OutboundResponse } from '../outbound/guarded-fetch.ts';
import { OutboundError } from '../outbound/outbound-error.ts';
import type { Playlist, PlaylistItem } from '../prompt/playlist.ts';
import { timeLimit } from '../time-limit.ts';
import { documentText } from './document-text.ts';
import { MAX_ITEMS, readRcml } from './rcml.ts';
import { RcmlError } from './rcml-error.ts';

/** Where a document is, and how it is asked for. */
export interface RcmlAddress {
  readonly url: string;
  readonly method: 'GET' | 'POST';
}

export interface RcmlRequest extends RcmlAddress {
  /** Asked where nothing can be made of the first one. */
  readonly fallback?: RcmlAddress | undefined;
  /** What the server is told of the call: in the query of a GET, as the form of a POST. */
  readonly fields: Readonly<Record<string, string>>;
  /** Whose call it is; null, and left out: nobody's in particular. */
  readonly clientId?: string | null;
}

/** Asks an address that a client named, and only where that does no harm. */
export interface RcmlFetch {
  /** @throws {OutboundError} and the signal's reason when that aborts */
  get(url: string, options: RcmlFetchOptions): Promise<OutboundResponse>;
  /** @throws as `get` */
  post(url: string, options: RcmlFetchOptions & { readonly body: string }): Promise<OutboundResponse>;
}

interface RcmlFetchOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface RcmlSourceOptions {
  readonly fetch: RcmlFetch;
  /** For all documents of a call, the fallback's too. */
  readonly timeoutMs: number;
  /**
   * Calls whose documents are fetched at the same time, half of them of one client; what is more is refused. So no client
   * whose documents are slow has all others refused.
   */
  readonly maxConcurrent: number;
}

/** One after the other; a document that leads to itself would go on for ever. */
const MAX_REDIRECTS = 3;
/** Of the time, where there is a fallback that needs some of it. */
const FIRST_SHARE = 0.6;
const RETRY_SECONDS = 1;
const ACCEPT = 'application/xml, text/xml;q=0.9, */*;q=0.1';
/** For a call that is answered and says nothing, since a playlist holds something. */
const NOTHING: readonly PlaylistItem[] = [{ pauseMs: 100 }];

/** Fetches what a call is to say, as RCML. */
export class RcmlSource {
  readonly #options: RcmlSourceOptions;
  /** A client for each call. */
  readonly #running: (string | null)[] = [];

  constructor(options: RcmlSourceOptions) {
    this.#options = options;
  }

  /**
   * What the documents say, one after the other as far as they redirect.
   *
   * @throws AppError invalid_request where nothing can be made of them, and of the fallback; too_many_requests
   */
  async playlist({ fallback, fields, clientId = null, ...first }: RcmlRequest): Promise<Playlist> {
    const { timeoutMs, maxConcurrent } = this.#options;
    const own = this.#running.filter((of) => of === clientId).length;
    if (this.#running.length >= maxConcurrent || own >= Math.ceil(maxConcurrent / 2)) {
      throw new AppError('too_many_requests', {
        message: 'Too many documents are being fetched.',
        retryAfterSeconds: RETRY_SECONDS,
      });
    }
    this.#running.push(clientId);
    try {
      const end = timeLimit(timeoutMs);
      if (fallback === undefined) return await this.#told('Url', first, fields, end);
      const share = timeLimit(timeoutMs * FIRST_SHARE, end);
      const told = await this.#told('Url', first, fields, share).catch((error: unknown) => refusal(error));
      if (!(told instanceof AppError)) return told;
      return await this.#told('FallbackUrl', fallback, fields, end).catch((error: unknown) => {
        throw new AppError('invalid_request', {
          message: `${told.message} ${refusal(error).message}`,
          cause: error,
        });
      });
    } finally {
      this.#running.splice(this.#running.indexOf(clientId), 1);
    }
  }

  /** @throws AppError invalid_request */
  async #told(
    field: string,
    address: RcmlAddress,
    fields: RcmlRequest['fields'],
    signal: AbortSignal,
  ): Promise<Playlist> {
    try {
      const items = await this.#items(address, fields, signal);
      return { items: items.length === 0 ? NOTHING : items, repeat: 1, repeatPauseMs: 0 };
    } catch (error) {
      throw new AppError('invalid_request', { message: `${field}: ${reasonOf(error)}.`, cause: error });
    }
  }

  async #items(
    first: RcmlAddress,
    fields: RcmlRequest['fields'],
    signal: AbortSignal,
  ): Promise<readonly PlaylistItem[]> {
    const items: PlaylistItem[] = [];
    let address = first;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const { status, headers, body, url } = await this.#ask(address, fields, signal);
      if (status < 200 || status > 299) throw new RcmlError(`its server answered with status ${status}`);
      const script = readRcml(documentText(body, headers['content-type']), url);
      items.push(...script.items);
      if (items.length > MAX_ITEMS) throw new RcmlError(`there are more than ${MAX_ITEMS} things to say`);
      if (script.redirect === null) return items;
      address = script.redirect;
    }
    throw new RcmlError(`it redirects more than ${MAX_REDIRECTS} times`);
  }

  #ask(
    { url, method }: RcmlAddress,
    fields: RcmlRequest['fields'],
    signal: AbortSignal,
  ): Promise<OutboundResponse> {
    const form = new URLSearchParams(fields).toString();
    const { fetch } = this.#options;
    if (method === 'GET') return fetch.get(withQuery(url, form), { headers: { accept: ACCEPT }, signal });
    const headers = { accept: ACCEPT, 'content-type': 'application/x-www-form-urlencoded' };
    return fetch.post(url, { headers, body: form, signal });
  }
}

/** Behind what the query has already. What is no URL stays so, for the guard to say it. */
function withQuery(url: string, query: string): string {
  const [address = '', fragment] = url.split('#', 2);
  const joined = `${address}${address.includes('?') ? '&' : '?'}${query}`;
  return fragment === undefined ? joined : `${joined}#${fragment}`;
}

function refusal(error: unknown): AppError {
  if (error instanceof AppError) return error;
  throw error;
}

/** For whoever called; bugs stay bugs. */
function reasonOf(error: unknown): string {
  if (error instanceof OutboundError) return error.message;
  if (error instanceof RcmlError) return `that is no RCML that can be used: ${error.message}`;
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'no whole document came in time';
  throw error;
}
