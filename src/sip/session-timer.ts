import { TimerSet } from './timer-set.ts';

/** setTimeout takes no more; no call of ours lasts that long. */
const MAX_MS = 2 ** 31 - 1;

/** Session timers (RFC 4028 §7.2, §8.1, §10): refreshes in time where that is ours, and gives up where nobody does. */
export class SessionTimer {
  readonly #timers = new TimerSet<'refresh' | 'expire'>();
  readonly #listener: { refresh: () => void; expired: () => void };
  #seconds = 0;

  constructor(listener: { refresh: () => void; expired: () => void }) {
    this.#listener = listener;
  }

  /** The interval in force, seconds; 0 where there is none. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Starts anew, at the answer and after each refresh. */
  start(seconds: number, weRefresh: boolean): void {
    this.#seconds = seconds;
    // §8.1: the refresher sends at half of the interval; §10: BYE min(32 s, a third) before it is over.
    const expireMs = (seconds - Math.min(32, seconds / 3)) * 1000;
    this.#timers.stop('refresh');
    if (weRefresh) this.#timers.start('refresh', Math.min(seconds * 500, MAX_MS), this.#listener.refresh);
    this.#timers.start('expire', Math.min(expireMs, MAX_MS), this.#listener.expired);
  }

  stop(): void {
    this.#timers.clear();
  }
}
