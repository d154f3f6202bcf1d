import { setTimeout as sleep } from 'node:timers/promises';
import type { CoursePorts, CourseSettings } from './course.ts';
import { CallCourse } from './course.ts';
import { closeInterrupted } from './recovery.ts';

export interface DialerSettings extends CourseSettings {
  /** Calls under way at the same time. */
  readonly maxConcurrent: number;
}

export interface DialerOptions
  extends Omit<CoursePorts, 'settings' | 'giveUp' | 'onEnded' | 'onApproved' | 'onAttempt' | 'onLeg'>,
    Partial<Pick<CoursePorts, 'onEnded' | 'onApproved' | 'onAttempt' | 'onLeg'>> {
  readonly settings: DialerSettings;
}

/** A call under way, or the place that is kept for it until it is stored. */
interface Line {
  readonly hangUp: AbortController;
  readonly settled: AbortController;
  dialled: boolean;
}

/** How long the start waits for legs of an earlier process; what is not done by then goes on beside it. */
const RECOVERY_WAIT_MS = 3000;

/** After `drain` hung everything up: what BYE or CANCEL need on a network that loses packets. */
const HANG_UP_MS = 4000;

/** After that: the last chance of final records to reach the store. */
const LAST_WRITE_MS = 500;

/** Carries stored calls, so many at a time. */
export class Dialer {
  readonly #ports: CoursePorts;
  readonly #settings: DialerSettings;
  readonly #lines = new Map<string, Line>();
  readonly #giveUp = new AbortController();
  readonly #whenIdle = new Set<() => void>();
  #recovery: Promise<void> = Promise.resolve();
  #draining = false;

  constructor(options: DialerOptions) {
    this.#settings = options.settings;
    this.#ports = {
      ...options,
      onEnded: options.onEnded ?? (() => undefined),
      onApproved: options.onApproved ?? (() => undefined),
      onAttempt: options.onAttempt ?? (() => undefined),
      onLeg: options.onLeg ?? (() => undefined),
      giveUp: () => this.#giveUp.signal,
    };
  }

  /** Whether one more call can be taken. */
  room(): boolean {
    return !this.#draining && this.#lines.size < this.#settings.maxConcurrent;
  }

  /** What is missing for a call to be carried; empty when all is there. */
  missing(): readonly string[] {
    return this.#ports.engine.missing();
  }

  /** Whether the process is about to stop: no new call is taken any more. */
  draining(): boolean {
    return this.#draining;
  }

  /** Calls under way, those included whose line is only kept. */
  active(): number {
    return this.#lines.size;
  }

  /** Keeps a line for a call that is about to be stored; false when there is none. */
  reserve(callId: string): boolean {
    if (!this.room()) {
      return false;
    }
    this.#lines.set(callId, newLine());
    return true;
  }

  /** Gives back a line whose call was not stored. */
  release(callId: string): void {
    if (this.#lines.get(callId)?.dialled === false) {
      this.#free(callId);
    }
  }

  /**
   * Places a stored call. Returns at once and never throws; a call that is under way already is left alone.
   * A call without a reserved line is taken all the same: it is stored, and must come to an end.
   */
  dial(callId: string): void {
    const line = this.#lines.get(callId) ?? newLine();
    if (line.dialled) {
      return;
    }
    line.dialled = true;
    this.#lines.set(callId, line);
    const signals = { hangUp: line.hangUp.signal, settled: line.settled.signal };
    void CallCourse.run(callId, signals, this.#ports).then(() => this.#free(callId));
  }

  /** What a call was to prove is settled: one that waits for that ends, any other goes on to its end. */
  settle(callId: string): void {
    this.#lines.get(callId)?.settled.abort();
  }

  /** Ends a call: CANCEL or BYE, whichever fits. False when it is not under way here. */
  hangUp(callId: string): boolean {
    const line = this.#lines.get(callId);
    line?.hangUp.abort();
    return line !== undefined;
  }

  /**
   * To be called once, before the first call is taken: closes calls that an earlier process left open, and
   * ends their legs. Waits a few seconds at most; the rest goes on beside what follows.
   *
   * @returns how many calls there were
   * @throws AppError store_unavailable
   */
  async recover(): Promise<number> {
    const unfinished = await this.#ports.store.unfinishedCalls();
    const calls = unfinished.filter(({ id }) => !this.#lines.has(id));
    this.#recovery = closeInterrupted(calls, { ...this.#ports, trunks: this.#ports.routing.trunks });
    await atMost(this.#recovery, RECOVERY_WAIT_MS);
    return calls.length;
  }

  /**
   * Takes no new calls and waits for those under way; when the signal is aborted, hangs up what is left and
   * waits a few seconds more. Afterwards nothing is dialled or written any more.
   */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    const idle = Promise.all([this.#idle(), this.#recovery]);
    await Promise.race([idle, aborted(signal)]);
    for (const { hangUp } of this.#lines.values()) {
      hangUp.abort();
    }
    await atMost(idle, HANG_UP_MS);
    this.#giveUp.abort();
    await atMost(idle, LAST_WRITE_MS);
  }

  #free(callId: string): void {
    this.#lines.delete(callId);
    if (this.#lines.size === 0) {
      for (const resolve of this.#whenIdle) {
        resolve();
      }
      this.#whenIdle.clear();
    }
  }

  #idle(): Promise<void> {
    return this.#lines.size === 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#whenIdle.add(resolve);
        });
  }
}

function newLine(): Line {
  return { hangUp: new AbortController(), settled: new AbortController(), dialled: false };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    } else {
      signal.addEventListener('abort', () => resolve(), { once: true });
    }
  });
}

async function atMost(work: Promise<unknown>, waitMs: number): Promise<void> {
  const timer = new AbortController();
  const timeout = sleep(waitMs, undefined, { signal: timer.signal }).catch(() => undefined);
  await Promise.race([work, timeout]);
  timer.abort();
}
