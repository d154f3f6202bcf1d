import { setImmediate as turn } from 'node:timers/promises';
import { NOW } from './records.ts';

interface Alarm {
  readonly at: number;
  readonly work: () => void;
}

/** Time that passes only when it is told to, and everything in it that waits. */
export class FakeClock {
  #elapsed = 1_000_000;
  /** What the epoch is ahead by; a clock that is set changes it. */
  epoch = NOW - 1_000_000;
  readonly #alarms = new Set<Alarm>();

  readonly elapsed = (): number => this.#elapsed;

  readonly now = (): number => this.#elapsed + this.epoch;

  readonly wake = (ms: number, work: () => void): (() => void) => {
    const alarm = { at: this.#elapsed + ms, work };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  };

  readonly wait = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const callOff = this.wake(ms, () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      });
      const stop = (): void => {
        callOff();
        resolve();
      };
      signal?.addEventListener('abort', stop, { once: true });
    });

  /** Alarms that are set. */
  get pending(): number {
    return this.#alarms.size;
  }

  /** Moves time on, step by step from alarm to alarm, and lets everything happen that comes of each. */
  async pass(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await turn();
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      this.#elapsed = Math.max(this.#elapsed, next.at);
      this.#alarms.delete(next);
      next.work();
      await turn();
    }
    this.#elapsed = end;
  }

  /** Until nothing waits any more. @throws Error where that takes longer than `limitMs` */
  async passAll(limitMs: number): Promise<void> {
    const end = this.#elapsed + limitMs;
    await turn();
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (next.at > end) throw new Error(`something still waits after ${limitMs} ms`);
      await this.pass(Math.max(0, next.at - this.#elapsed));
    }
  }

  #next(): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) if (first === undefined || alarm.at < first.at) first = alarm;
    return first;
  }
}
