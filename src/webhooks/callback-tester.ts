import type { Clients } from '../clients/client.ts';
import { AppError } from '../errors.ts';
import { OutboundError } from '../outbound/outbound-error.ts';
import type { Outbound } from './delivery.ts';
import { testRequest } from './standard-format.ts';

/** What came of a test event. */
export interface CallbackTestResult {
  /** Whether an event like that would count as delivered. */
  readonly taken: boolean;
  /** Null where no answer came. */
  readonly status: number | null;
  readonly ms: number;
  /** Why no answer came; names scheme and host of the callback at most. */
  readonly error: string | null;
}

export interface CallbackTesterOptions {
  readonly clients: Clients;
  readonly outbound: Outbound;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly elapsed: () => number;
  /** Hexadecimal, no two alike. */
  readonly newId: () => string;
}

/** Tests at the same time: somebody who waits makes them, and each may take as long as a request. */
const MOST = 5;
const RETRY_AFTER_SECONDS = 10;

/** Sends a signed test event to the callback of a client, while that one waits. It is never repeated. */
export class CallbackTester {
  readonly #options: CallbackTesterOptions;
  #running = 0;

  constructor(options: CallbackTesterOptions) {
    this.#options = options;
  }

  /** @throws AppError not_found where the client has no callback, too_many_requests where too many are tested */
  async test(clientId: string | null): Promise<CallbackTestResult> {
    const callback =
      (clientId === null ? undefined : this.#options.clients.get(clientId)?.callback) ?? undefined;
    if (callback === undefined || callback.secrets.length === 0) {
      throw new AppError('not_found', { message: 'The configuration has no callback for this client.' });
    }
    if (this.#running >= MOST) {
      throw new AppError('too_many_requests', { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    this.#running += 1;
    try {
      const { now, newId } = this.#options;
      return await this.#send(testRequest(`evt_test_${newId()}`, { ...callback, now: now() }));
    } finally {
      this.#running -= 1;
    }
  }

  async #send({ method, url, headers, body }: ReturnType<typeof testRequest>): Promise<CallbackTestResult> {
    const { outbound, elapsed } = this.#options;
    const startedAt = elapsed();
    const ms = (): number => Math.round(elapsed() - startedAt);
    try {
      const { status } = await outbound.tell(method, url, { headers, body: body ?? null });
      return { taken: status >= 200 && status < 300, status, ms: ms(), error: null };
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      return { taken: false, status: null, ms: ms(), error: `${error.reason}: ${error.message}` };
    }
  }
}
