import { resolveDestination } from '../../sip/resolver.ts';
import type { TextLeg } from '../engine.ts';
import { MAX_MESSAGE_BYTES, type TextSender, type TextTry, TOO_LONG } from '../leg/carry-text.ts';
import { untilAborted, within } from '../leg/deadline.ts';
import type { PlainResult } from '../leg/plain-course.ts';
import type { DrachtioConnection } from './drachtio-connection.ts';
import { checkLeg, listed, spelledApart } from './invite-headers.ts';
import { proxyUri } from './phone-invite.ts';
import { resultOf } from './request.ts';
import { choose, type DrachtioServer } from './servers.ts';

/** What drachtio adds at most: Via, Max-Forwards, Content-Length, and the first line beside its URI. */
const ADDED_BYTES = 250;
/** As long as a silent far end takes (Timer F, RFC 3261 §17.1.2.2). */
const LOOK_UP_MS = 32_000;

/**
 * Sends a text by one drachtio server to the first address of its trunk.
 *
 * @throws Error where there is no address
 */
export async function openText(
  text: TextLeg,
  servers: readonly DrachtioServer[],
  signal: AbortSignal,
): Promise<TextSender | PlainResult> {
  const refused = checkLeg(text);
  if (refused !== undefined) return { kind: 'failed', detail: refused };
  const via = choose(servers)?.standing.current;
  if (via === undefined) return { kind: 'failed', detail: 'no drachtio server is connected' };
  const aborted = new Error('aborted');
  const distrust = await untilAborted(signal, via.distrust(text), aborted);
  if (distrust !== undefined) return { kind: 'failed', detail: distrust };
  const lookUp = within(LOOK_UP_MS, resolveDestination(text.nextHop), 'the look-up takes too long');
  const [peer] = await untilAborted(signal, lookUp, aborted);
  if (peer === undefined) throw new Error(`no address for ${text.nextHop.host}`);
  return new DrachtioText(via, text.requestUri, proxyUri(peer));
}

class DrachtioText implements TextSender {
  readonly #via: DrachtioConnection;
  readonly #uri: string;
  readonly #proxy: string;
  /** drachtio cannot be told to stop: it goes on until a response comes, or Timer F. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(via: DrachtioConnection, uri: string, proxy: string) {
    this.#via = via;
    this.#uri = uri;
    this.#proxy = proxy;
  }

  async send({ headers, body }: TextTry, signal: AbortSignal, sent: () => void): Promise<PlainResult> {
    const head = headers.reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value) + 4, 0);
    if (ADDED_BYTES + this.#uri.length + head + Buffer.byteLength(body) > MAX_MESSAGE_BYTES) return TOO_LONG;
    const asked = this.#via.exchange(
      {
        method: 'MESSAGE',
        uri: this.#uri,
        headers: Object.fromEntries(spelled(headers)),
        body,
        proxy: this.#proxy,
      },
      sent,
    );
    this.#last = asked.catch(() => undefined);
    return resultOf(asked, signal);
  }

  over(): Promise<unknown> {
    return this.#last;
  }
}

/** An object holds each name once. */
function spelled(headers: TextTry['headers']): ReturnType<typeof spelledApart> {
  const isProof = ([name]: readonly [string, string]): boolean => /^(?:proxy-)?authorization$/i.test(name);
  return [...listed(headers.filter((one) => !isProof(one))), ...spelledApart(headers.filter(isProof))];
}
