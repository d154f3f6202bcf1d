import { PacingWheel } from './pacing-wheel.ts';

/** Something that sends one packet a period. */
export interface Paced {
  /** Sends the packet that is due at `dueMs` (of performance.now()). Never throws. */
  send(dueMs: number): void;
  /** The process stood still and all later packets are due later: the time in between is lost, not its audio. */
  stalled(): void;
}

/** Lateness up to which packets are caught up: at most three at once of a stream of 10 ms packets. */
const LONGEST_BACKLOG_MS = 25;
/** Waits longer than this go to a timer, so that messages and packets are served at once in a quiet process. */
const TIMER_WAIT_MS = 4;
/** Timers have an error of a millisecond and more; the rest of the wait is slept exactly. */
const TIMER_MARGIN_MS = 2.5;

/**
 * The schedule of a worker thread that sends: it sleeps with Atomics.wait, which is exact to some 50 µs, sends what is
 * due in this millisecond, and lets the event loop serve input before it sleeps again. Without a stream it does
 * not run.
 */
export class Pacer {
  readonly #wheel = new PacingWheel<Paced>();
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  /** When slot 0 was due; stalls move it. */
  #originMs = 0;
  #slot = 0;
  #running = false;
  #timer: NodeJS.Timeout | undefined;

  /** Begins to send at the next slot of the stream's period, or moves the stream to another period. */
  add(paced: Paced, periodMs: number): void {
    this.#wheel.add(paced, periodMs);
    if (!this.#running) {
      this.#running = true;
      this.#slot = 0;
      this.#originMs = performance.now();
      setImmediate(this.#turn);
    } else if (this.#timer) {
      // The timer was set for another stream. All slots before its end were empty, so none is passed over.
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#slot = Math.max(this.#slot, Math.ceil(performance.now() - this.#originMs));
      setImmediate(this.#turn);
    }
  }

  remove(paced: Paced): void {
    this.#wheel.remove(paced);
  }

  readonly #turn = (): void => {
    this.#timer = undefined;
    const next = this.#wheel.next(this.#slot);
    if (next === undefined) {
      this.#running = false;
      return;
    }
    const waitMs = this.#originMs + next - performance.now();
    if (waitMs > TIMER_WAIT_MS) {
      this.#timer = setTimeout(this.#turn, Math.floor(waitMs - TIMER_MARGIN_MS));
      return;
    }
    if (waitMs > 0) Atomics.wait(this.#cell, 0, 0, waitMs);
    this.#slot = next;
    this.#sendDue();
    setImmediate(this.#turn);
  };

  #sendDue(): void {
    const lateMs = performance.now() - this.#originMs - this.#slot;
    if (lateMs > LONGEST_BACKLOG_MS) {
      this.#originMs += lateMs;
      for (const paced of this.#wheel.items()) paced.stalled();
    }
    // Only what is due by now: sending takes time too, and an overloaded thread must still serve its input.
    const end = Math.floor(performance.now() - this.#originMs);
    while (this.#slot <= end) {
      const dueMs = this.#originMs + this.#slot;
      for (const paced of this.#wheel.at(this.#slot)) paced.send(dueMs);
      this.#slot++;
    }
  }
}
