import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { AppError } from '../errors.ts';
import type { Part } from '../page/part.ts';
import { framed } from '../page/part.ts';
import type { Api } from './server.ts';

/** Proxies close connections on which nothing moves. */
const HEARTBEAT_MS = 15_000;
/** After this a browser comes back by itself. */
const MAX_STREAM_MS = 15 * 60_000;
const MAX_STREAMS = 500;
const RETRY_SECONDS = 5;

/** What a page looks like now. */
export interface Look {
  readonly parts: readonly Part[];
  /** Nothing will change any more. */
  readonly isOver: boolean;
}

export interface Watched {
  /** @throws AppError store_unavailable */
  readonly look: () => Promise<Look>;
  /** How often it is looked at, whatever wakes it before. */
  readonly everyMs: number;
  /** Has `wake` called when there may be something new; answers what ends that. */
  readonly watch?: (wake: () => void) => Promise<() => void>;
}

/** The event streams of pages that are open. */
export class PartStreams {
  readonly #open = new Set<AbortController>();
  #closing = false;

  constructor(api: Pick<Api, 'addHook'>) {
    // Streams have no end of their own that a closing server could wait for.
    api.addHook('preClose', async () => {
      this.#closing = true;
      for (const stream of this.#open) stream.abort();
    });
  }

  /**
   * Answers with server-sent events: a `part` for each piece of the page that is not as it was told before, all of them
   * first, and `over` when nothing will change any more.
   *
   * @throws AppError too_many_requests
   */
  async answer(reply: FastifyReply, watched: Watched): Promise<FastifyReply> {
    if (this.#open.size >= MAX_STREAMS) {
      throw new AppError('too_many_requests', { retryAfterSeconds: RETRY_SECONDS });
    }
    const end = new AbortController();
    const alarm = new Alarm(end.signal);
    this.#open.add(end);
    const unwatch = await this.#watch(watched, alarm, end);
    // Asked on a connection that was open already.
    if (this.#closing) end.abort();
    const timer = setTimeout(() => end.abort(), MAX_STREAM_MS);
    const stream = Readable.from(frames(watched, alarm), { objectMode: false });
    stream.once('close', () => {
      clearTimeout(timer);
      end.abort();
      unwatch?.();
      this.#open.delete(end);
    });
    return (
      reply
        .type('text/event-stream; charset=utf-8')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no')
        // A closing server would wait for the next request on the connection of a stream that it has just ended.
        .header('connection', 'close')
        .send(stream)
    );
  }

  async #watch({ watch }: Watched, alarm: Alarm, end: AbortController): Promise<(() => void) | undefined> {
    try {
      return await watch?.(() => alarm.ring());
    } catch (error) {
      this.#open.delete(end);
      throw error;
    }
  }
}

async function* frames({ look, everyMs }: Watched, alarm: Alarm): AsyncGenerator<string> {
  const told = new Map<string, string>();
  let toldAt = performance.now();
  yield ': the page\n\n';
  while (!alarm.isOver) {
    const { parts, isOver } = await look();
    for (const one of parts) {
      if (told.get(one.id) === one.version) continue;
      told.set(one.id, one.version);
      toldAt = performance.now();
      yield frameOf(one);
    }
    if (isOver) {
      yield 'event: over\ndata: {}\n\n';
      return;
    }
    if (performance.now() - toldAt > HEARTBEAT_MS) {
      toldAt = performance.now();
      yield ': still there\n\n';
    }
    await alarm.within(everyMs);
  }
}

function frameOf({ id, version, content, into }: Part): string {
  // A part that is new on the page comes with its element.
  const frame =
    into === undefined ? undefined : framed({ id, version, content }, { tag: 'section', className: 'phone' });
  const data = { id, version, html: content.text, into, frame: frame?.text };
  return `event: part\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Waits until it rings, or for a while. */
class Alarm {
  readonly #signal: AbortSignal;
  #rang = false;
  #wake: () => void = () => {};

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  get isOver(): boolean {
    return this.#signal.aborted;
  }

  ring(): void {
    this.#rang = true;
    this.#wake();
  }

  async within(ms: number): Promise<void> {
    if (!this.#rang && !this.isOver) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#rang = false;
  }
}
