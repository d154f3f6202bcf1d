import { lookup } from 'node:dns/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { finished } from 'node:stream/promises';
import { Client, type Dispatcher, errors } from 'undici';
import { publicAddress } from './address-guard.ts';
import { OutboundError } from './outbound-error.ts';
import { pinnedConnector } from './pinned-connection.ts';
import { type InternalHost, type Target, UrlGuard } from './url-guard.ts';

export interface GuardedFetchOptions {
  /** Exact names, or `*.example.com` for all names below that; empty: every public host. */
  readonly allowedHosts: readonly string[];
  /** Hosts that the operator trusts although their addresses may be private; they count as allowed. */
  readonly internalHosts: readonly InternalHost[];
  /** For the whole exchange: look-ups, redirects, headers and body. */
  readonly timeoutMs: number;
  /** Of the body. */
  readonly maxBytes: number;
  /** How many are followed: 0 or more. */
  readonly maxRedirects: number;
  /** Certificate authorities in PEM, in place of those that Node trusts. */
  readonly ca?: string | undefined;
  /** All addresses of a name; without it, those that the system gives. */
  readonly resolve?: ((host: string) => Promise<readonly string[]>) | undefined;
}

export interface OutboundRequest {
  /** `host`, those of the connection and `accept-encoding` are not the caller's to set. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a request is, once its address is known. */
interface Sent {
  readonly method: 'GET' | 'POST';
  readonly headers: Record<string, string>;
  readonly body: string | null;
  /** What the answer holds is of no use: as much of it is read as is polite. */
  readonly deaf: boolean;
}

/** An answer with any status, apart from redirects. */
export interface OutboundResponse {
  readonly status: number;
  /** Names in lower case; the values of a name that came more than once are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Where it came from, after redirects. */
  readonly url: string;
}

const FIRST_BODY_BYTES = 65_536;
/**
 * A piece costs the same work whatever it holds. From so many on they must be of so many bytes on average: a packet
 * of a network has over a thousand, and 20 ms of sound at 8 bits 160.
 */
const [FREE_PIECES, LEAST_PIECE_BYTES] = [500, 100];
/** Answers that say that one will come (1xx), before the one that does: a server sends none, or a few. */
const MOST_HINTS = 200;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const OWN_HEADERS: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'keep-alive', 'proxy-connection', 'upgrade', 'te', 'trailer', 'expect'],
  ...['content-length', 'transfer-encoding', 'accept-encoding'],
]);
/** All others may be credentials, whatever they are called, and stay with the origin that they were meant for. */
const HARMLESS_HEADERS: ReadonlySet<string> = new Set([
  ...['accept', 'accept-language', 'user-agent', 'if-none-match', 'if-modified-since'],
]);

/** Of an answer that nobody wants to read. */
const [DEAF_BYTES, DEAF_MS] = [16_384, 500];

/**
 * Requests to addresses that clients name, which must not become requests to anything inside: the addresses
 * of a name are all checked, and one of these very addresses is connected to; so is every redirect. Each request
 * has a connection of its own, which is closed after it.
 */
export class GuardedFetch {
  readonly #options: GuardedFetchOptions;
  readonly #guard: UrlGuard;
  readonly #resolve: (host: string) => Promise<readonly string[]>;
  readonly #running = new Set<AbortController>();
  #closed = false;

  /** @throws {RangeError} for lists of hosts that make no sense */
  constructor(options: GuardedFetchOptions) {
    this.#options = options;
    this.#guard = new UrlGuard(options.allowedHosts, options.internalHosts);
    this.#resolve = options.resolve ?? systemAddresses;
  }

  /**
   * Asks, follows redirects, and reads the whole body.
   *
   * @throws {OutboundError} and the signal's reason when that aborts
   */
  get(url: string, { headers = {}, signal }: OutboundRequest = {}): Promise<OutboundResponse> {
    return this.#ask(url, { method: 'GET', headers: ownedHeaders(headers), body: null, deaf: false }, signal);
  }

  /**
   * Asks with a body, and reads the answer as `get` does; but a redirect is never followed.
   *
   * @throws as `get`
   */
  post(
    url: string,
    { headers = {}, signal, body }: OutboundRequest & { readonly body: string },
  ): Promise<OutboundResponse> {
    return this.#ask(url, { method: 'POST', headers: ownedHeaders(headers), body, deaf: false }, signal);
  }

  /**
   * Tells something, and hears only whether it was taken: the body of the answer is empty, whatever came. A redirect is
   * never followed.
   *
   * @param body sent where there is one, with the headers that say what it is
   * @throws {OutboundError} and the signal's reason when that aborts
   */
  tell(
    method: 'GET' | 'POST',
    url: string,
    { headers = {}, signal, body = null }: OutboundRequest & { readonly body?: string | null } = {},
  ): Promise<OutboundResponse> {
    return this.#ask(url, { method, headers: ownedHeaders(headers), body, deaf: true }, signal);
  }

  /** Ends what runs; later requests fail. */
  close(): void {
    this.#closed = true;
    for (const stop of this.#running) stop.abort(new OutboundError('failed', 'the request was given up'));
  }

  async #ask(url: string, sent: Sent, signal: AbortSignal | undefined): Promise<OutboundResponse> {
    signal?.throwIfAborted();
    if (this.#closed) throw new OutboundError('failed', 'no more requests are sent');
    const target = this.#guard.check(url);
    const stop = new AbortController();
    const { timeoutMs } = this.#options;
    const late = new OutboundError('timeout', `${nameOf(target)} gave no whole answer in ${timeoutMs} ms`);
    const timer = setTimeout(() => stop.abort(late), timeoutMs);
    const passOn = (): void => stop.abort(signal?.reason);
    signal?.addEventListener('abort', passOn, { once: true });
    this.#running.add(stop);
    try {
      return await this.#follow(target, sent, stop.signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', passOn);
      this.#running.delete(stop);
    }
  }

  async #follow(first: Target, sent: Sent, signal: AbortSignal): Promise<OutboundResponse> {
    let target = first;
    let { headers } = sent;
    const mostRedirects = sent.deaf || sent.method === 'POST' ? 0 : this.#options.maxRedirects;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#exchange(target, { ...sent, headers }, signal);
      if (!('redirect' in answer)) return answer;
      if (redirects === mostRedirects) {
        const often = redirects === 0 ? 'redirects' : `redirects more than ${redirects} times`;
        throw new OutboundError('failed', `${nameOf(first)} ${often}`);
      }
      const next = answer.redirect;
      if (target.url.protocol === 'https:' && next.url.protocol === 'http:') {
        throw new OutboundError('refused', `${nameOf(target)} redirects from https to http`);
      }
      if (next.url.origin !== target.url.origin) headers = harmless(headers);
      target = next;
    }
  }

  /** One request. */
  async #exchange(
    target: Target,
    { method, headers, body, deaf }: Sent,
    signal: AbortSignal,
  ): Promise<OutboundResponse | { readonly redirect: Target }> {
    const addresses = await this.#checkedAddresses(target, signal);
    const client = new Client(target.url.origin, {
      connect: pinnedConnector(target, { addresses, ca: this.#options.ca, signal }),
      // One time limit holds for all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    try {
      const path = target.url.pathname + target.url.search;
      let hints = 0;
      const onInfo = (): void => {
        if (++hints > MOST_HINTS)
          throw new OutboundError('failed', `${nameOf(target)} gave hints and no answer`);
      };
      const response = await client.request({ method, path, headers, body, signal, onInfo });
      const location = REDIRECTS.has(response.statusCode) ? response.headers.location : undefined;
      if (location !== undefined) return { redirect: this.#redirected(target, location) };
      return deaf ? await answered(target, response) : await this.#read(target, response);
    } catch (error) {
      throw translated(error, target, signal);
    } finally {
      await client.destroy();
    }
  }

  #redirected(from: Target, location: string | string[]): Target {
    if (typeof location !== 'string')
      throw new OutboundError('failed', `${nameOf(from)} redirects to two places`);
    return this.#guard.check(location, from.url);
  }

  async #read(target: Target, response: Dispatcher.ResponseData): Promise<OutboundResponse> {
    const { maxBytes } = this.#options;
    const headers = flattened(response.headers);
    if (!['', 'identity'].includes(headers['content-encoding']?.toLowerCase() ?? '')) {
      throw new OutboundError('failed', `${nameOf(target)} sent compressed data, which nobody asked for`);
    }
    const tooLarge = new OutboundError('too_large', `${nameOf(target)} gave more than ${maxBytes} bytes`);
    const tooSmall = new OutboundError(
      'failed',
      `${nameOf(target)} gave its answer in pieces that are too small`,
    );
    // What a header says only saves the reading; what comes is counted.
    if (Number(headers['content-length']) > maxBytes) throw tooLarge;
    let body = new Uint8Array(Math.min(maxBytes, FIRST_BODY_BYTES));
    let length = 0;
    let pieces = 0;
    // By events: whoever iterates gets many pieces as one, and cannot tell what work they were.
    response.body.on('data', (piece: Uint8Array) => {
      if (length + piece.length > maxBytes) return response.body.destroy(tooLarge);
      if (length + piece.length > body.length) body = grown(body, length + piece.length);
      // Copied: a list of pieces of one byte each would take a hundred times their size.
      body.set(piece, length);
      length += piece.length;
      if (++pieces > FREE_PIECES && length < pieces * LEAST_PIECE_BYTES) response.body.destroy(tooSmall);
    });
    await finished(response.body);
    return { status: response.statusCode, headers, body: body.slice(0, length), url: target.url.href };
  }

  async #checkedAddresses({ url, host, internal }: Target, signal: AbortSignal): Promise<readonly string[]> {
    if (internal) return [internal.address];
    const name = `${url.protocol}//${host}`;
    const addresses = isIP(host) === 0 ? await unlessAborted(this.#lookUp(host, name), signal) : [host];
    if (addresses.length === 0) throw new OutboundError('failed', `${name} has no address`);
    if (!addresses.every(publicAddress)) {
      throw new OutboundError('refused', `${name} leads to an address that is not public`);
    }
    return addresses;
  }

  async #lookUp(host: string, name: string): Promise<readonly string[]> {
    try {
      return await this.#resolve(host);
    } catch (error) {
      throw new OutboundError('failed', `${name} was not found`, { cause: error });
    }
  }
}

/** That and how it was answered, without what. */
async function answered(
  { url }: Target,
  { statusCode, headers, body }: Dispatcher.ResponseData,
): Promise<OutboundResponse> {
  // Whoever hangs up while the other side still writes disturbs it for nothing.
  await body.dump({ limit: DEAF_BYTES, signal: AbortSignal.timeout(DEAF_MS) }).catch(() => undefined);
  return { status: statusCode, headers: flattened(headers), body: new Uint8Array(), url: url.href };
}

async function systemAddresses(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}

function grown(body: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(bytes, 2 * body.length));
  larger.set(body);
  return larger;
}

function nameOf({ url, host }: Target): string {
  return `${url.protocol}//${host}`;
}

function ownedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const kept = given.filter(([name]) => !OWN_HEADERS.has(name));
  return {
    'user-agent': 'voice-otp',
    accept: '*/*',
    ...Object.fromEntries(kept),
    'accept-encoding': 'identity',
  };
}

function harmless(headers: Record<string, string>): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => HARMLESS_HEADERS.has(name));
  return { ...Object.fromEntries(kept), 'accept-encoding': 'identity' };
}

function flattened(headers: IncomingHttpHeaders): Record<string, string> {
  const flat = Object.entries(headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]);
  return Object.fromEntries(flat) as Record<string, string>;
}

/** A look-up cannot be stopped, but nobody needs to wait for it. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let give: () => void = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    give = () => reject(signal.reason as Error);
    if (signal.aborted) give();
    signal.addEventListener('abort', give, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', give);
  }
}

function translated(error: unknown, target: Target, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof OutboundError || error instanceof errors.InvalidArgumentError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? 'no code';
  // The parser's error holds what was received.
  const cause = error instanceof errors.HTTPParserError ? undefined : error;
  return new OutboundError('failed', `${nameOf(target)} gave no whole answer (${code})`, { cause });
}
