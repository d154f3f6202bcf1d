import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { PromptError } from './prompt-error.ts';

/** The making of one prompt: how long it may take, and what it took. */
export class PromptWork {
  /** Aborted when nobody wants the prompt any more. */
  readonly signal: AbortSignal;
  /** Aborted then, and when speech is late: recorded sounds are said instead. */
  readonly speaking: AbortSignal;
  /** Pieces that were synthesised now, and not found in the cache. */
  synthesised = 0;
  /** Addresses that were asked. */
  fetched = 0;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;

  /** @param deadlineMs how long all the speech of the prompt may take to be made */
  constructor(deadlineMs: number, signal: AbortSignal) {
    this.signal = signal;
    // Each item of a playlist listens, and each piece of speech.
    setMaxListeners(0, signal);
    const late = new AbortController();
    const reason = new PromptError('tts_timeout', `speech was not ready within ${deadlineMs} ms`);
    this.#timer = setTimeout(() => late.abort(reason), deadlineMs);
    this.speaking = AbortSignal.any([signal, late.signal]);
    setMaxListeners(0, this.speaking);
  }

  /** To be called when the prompt is made, or given up. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /** Since the beginning, milliseconds. */
  elapsedMs(): number {
    return Math.round(performance.now() - this.#startedAt);
  }
}
