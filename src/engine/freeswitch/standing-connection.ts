import { setTimeout as sleep } from 'node:timers/promises';

/** A connection that can be lost, and then is of no use any more. */
export interface Losable {
  /** Aborted when it is lost or closed. */
  readonly lost: AbortSignal;
  /** Rejects when the other side does not answer in good time. */
  ping(): Promise<void>;
  /** Frees what it holds; also of a connection that is lost, and again. */
  close(): void;
}

export interface StandingConnectionOptions<C extends Losable> {
  /** For the log: what is connected, and where. */
  readonly name: string;
  open(): Promise<C>;
  /** The connection stands, was lost, or cannot be made; once for each change. */
  onChange(text: string): void;
}

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 5000;
const BACKOFF = 1.7;
/** A connection that is lost sooner counts as one that could not be made: a server that drops all is not hammered. */
const STEADY_MS = 1000;
/** A server that hangs, or a cable that is out, shows only in what is not answered. */
const PING_INTERVAL_MS = 4000;

/** Keeps one connection up: makes it, watches it, and makes a new one when it is lost. */
export class StandingConnection<C extends Losable> {
  readonly #options: StandingConnectionOptions<C>;
  readonly #closed = new AbortController();
  readonly #waiting = new Set<(connection: C | undefined) => void>();
  #current: C | undefined;
  #said = '';

  constructor(options: StandingConnectionOptions<C>) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** The connection, while it stands. */
  get current(): C | undefined {
    return this.#current?.lost.aborted === false ? this.#current : undefined;
  }

  /** Begins; resolves after the first try, whatever came of it. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      void this.#keepUp(resolve);
    });
  }

  /** The connection, as soon as it stands; undefined when it does not within this time. */
  async within(waitMs: number): Promise<C | undefined> {
    const { current } = this;
    if (current !== undefined || this.#closed.signal.aborted) return current;
    return new Promise((resolve) => {
      const settle = (connection: C | undefined): void => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
        resolve(connection);
      };
      const timer = setTimeout(settle, waitMs, undefined);
      this.#waiting.add(settle);
    });
  }

  close(): void {
    this.#closed.abort();
    this.#current?.close();
    for (const settle of this.#waiting) settle(undefined);
  }

  async #keepUp(tried: () => void): Promise<void> {
    const { signal } = this.#closed;
    let delayMs = FIRST_DELAY_MS;
    while (!signal.aborted) {
      const connection = await this.#open();
      tried();
      if (connection !== undefined) {
        const sinceMs = performance.now();
        await this.#watch(connection);
        connection.close();
        this.#current = undefined;
        if (performance.now() - sinceMs >= STEADY_MS) delayMs = FIRST_DELAY_MS;
        if (!signal.aborted) this.#say('lost');
      }
      await pause(delayMs * (0.75 + Math.random() / 2), signal);
      delayMs = Math.min(delayMs * BACKOFF, MAX_DELAY_MS);
    }
  }

  async #open(): Promise<C | undefined> {
    try {
      const connection = await this.#options.open();
      if (this.#closed.signal.aborted) {
        connection.close();
        return undefined;
      }
      this.#current = connection;
      this.#say('connected');
      for (const settle of this.#waiting) settle(connection);
      return connection;
    } catch (error) {
      if (!this.#closed.signal.aborted)
        this.#say(`cannot be reached: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  /** Until it is lost. */
  async #watch(connection: C): Promise<void> {
    while (!connection.lost.aborted) {
      await pause(PING_INTERVAL_MS, connection.lost);
      if (connection.lost.aborted) return;
      await connection.ping().catch(() => connection.close());
    }
  }

  #say(what: string): void {
    if (what === this.#said) return;
    this.#said = what;
    this.#options.onChange(`${this.#options.name}: ${what}`);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
