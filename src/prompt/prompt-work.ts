import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { PromptError } from './prompt-error.ts';

export interface PromptDeadlines {
  /** For all the speech of a prompt, milliseconds. */
  readonly speechMs: number;
  /** For all the sounds that it fetches, with the waiting for others. */
  readonly fetchMs: number;
}

/** The making of one prompt: how long it may take, and what it took. */
export class PromptWork {
  /** Aborted when nobody wants the prompt any more. */
  readonly signal: AbortSignal;
  /** Aborted then, when the work ends, and when speech is late: recorded sounds are said instead. */
  readonly speaking: AbortSignal;
  /** The same of what is fetched. */
  readonly fetching: AbortSignal;
  /** Pieces that were synthesised now, and not found in the cache. */
  synthesised = 0;
  /** Addresses that were asked. */
  fetched = 0;
  readonly #startedAt = performance.now();
  readonly #ends: readonly (() => void)[];

  constructor({ speechMs, fetchMs }: PromptDeadlines, signal: AbortSignal) {
    const speech = deadline(
      speechMs,
      new PromptError('tts_timeout', `speech was not ready within ${speechMs} ms`),
    );
    const fetch = deadline(
      fetchMs,
      new PromptError('url_failed', `sounds were not fetched within ${fetchMs} ms`),
    );
    this.signal = signal;
    this.speaking = AbortSignal.any([signal, speech.signal]);
    this.fetching = AbortSignal.any([signal, fetch.signal]);
    this.#ends = [speech.end, fetch.end];
    // Each item of a playlist listens, and each piece of speech.
    setMaxListeners(0, signal, this.speaking, this.fetching);
  }

  /** To be called when the prompt is made, or given up: what is still under way for it is stopped. */
  end(): void {
    for (const end of this.#ends) end();
  }

  /** Since the beginning, milliseconds. */
  elapsedMs(): number {
    return Math.round(performance.now() - this.#startedAt);
  }
}

function deadline(ms: number, late: PromptError): { readonly signal: AbortSignal; readonly end: () => void } {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(late), ms);
  return {
    signal: stop.signal,
    end: () => {
      clearTimeout(timer);
      stop.abort(late);
    },
  };
}
