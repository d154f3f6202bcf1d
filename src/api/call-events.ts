import { Readable } from 'node:stream';
import type { CallFeed, CallUpdate } from '../call/feed.ts';
import { timelineEntryAnswerOf } from './answers.ts';

/** Proxies close connections on which nothing moves; a comment line keeps them (HTML Standard, §9.2.7). */
const HEARTBEAT_MS = 15_000;
/** A stream ends after this, and a client that wants more comes back with `Last-Event-ID`. */
const MAX_STREAM_MS = 15 * 60_000;
/** What is written ahead of a slow reader, bytes; after that nothing is made until it has read. */
const WRITE_AHEAD_BYTES = 16_384;

/**
 * A call's timeline as server-sent events: what has happened from entry `from` on, then what happens, up to the
 * end of the call. The stream makes a frame only when its reader has room. What waits meanwhile is bounded by
 * the timeline itself, which a call keeps short. Abort, or destroying the stream, ends the subscription at once.
 *
 * @throws AppError store_unavailable
 */
export async function callEventStream(
  feed: CallFeed,
  callId: string,
  options: { from: number; signal: AbortSignal; heartbeatMs?: number },
): Promise<Readable> {
  const queue: CallUpdate[] = [];
  const over = new AbortController();
  const end = (): void => over.abort();
  let wake = nobodyWaits;
  const unsubscribe = await feed.subscribe(
    callId,
    (update) => {
      queue.push(update);
      wake();
    },
    options.from,
  );
  const { signal } = over;

  async function* frames(): AsyncGenerator<string> {
    // A first line at once: the client then knows that it is connected.
    yield ': call events\n\n';
    while (!signal.aborted) {
      const update = queue.shift();
      if (update !== undefined) {
        yield frameOf(update);
        if (isLast(update)) {
          return;
        }
      } else if (!(await moreWithin(options.heartbeatMs ?? HEARTBEAT_MS))) {
        yield ': still there\n\n';
      }
    }
  }

  /** Whether something came, or the stream is over, before the time was up. */
  function moreWithin(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (more: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        wake = nobodyWaits;
        resolve(more);
      };
      const onAbort = (): void => done(true);
      const timer = setTimeout(() => done(false), timeoutMs);
      signal.addEventListener('abort', onAbort, { once: true });
      wake = () => done(true);
      if (signal.aborted || queue.length > 0) {
        done(true);
      }
    });
  }

  const stream = Readable.from(frames(), { objectMode: false, highWaterMark: WRITE_AHEAD_BYTES });
  const timer = setTimeout(end, MAX_STREAM_MS);
  options.signal.addEventListener('abort', end, { once: true });
  if (options.signal.aborted) {
    end();
  }
  // However it came to that: its end, its reader's, or an error.
  stream.once('close', () => {
    end();
    clearTimeout(timer);
    options.signal.removeEventListener('abort', end);
    unsubscribe();
  });
  return stream;
}

function nobodyWaits(): void {}

/** `ended` of attempt 0 is the end of the call, not of one of its attempts. */
function isLast({ entry }: CallUpdate): boolean {
  return entry.type === 'ended' && entry.attempt === 0;
}

function frameOf({ index, entry }: CallUpdate): string {
  // JSON has no line breaks, so that one `data:` line holds it.
  return `id: ${index}\nevent: ${entry.type}\ndata: ${JSON.stringify(timelineEntryAnswerOf(entry, index))}\n\n`;
}
