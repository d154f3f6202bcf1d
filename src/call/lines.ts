import type { CourseSignals } from './course.ts';

/** A call under way in this process, or the place that is kept for it until it is stored. */
export class Line {
  readonly #hangUp = new AbortController();
  readonly #settled = new AbortController();
  readonly #left = new AbortController();
  /** Whether its call is under way: else it is only kept. */
  dialled = false;
  /** What somebody wanted of its call: whoever carries that by then is to hear of it too. */
  readonly asked = new Set<'hang_up' | 'settle'>();

  get signals(): CourseSignals {
    return { hangUp: this.#hangUp.signal, settled: this.#settled.signal, left: this.#left.signal };
  }

  hangUp(): void {
    this.#hangUp.abort();
  }

  settle(): void {
    this.#settled.abort();
  }

  /** Leaves a call that waits for room to other processes, unless it is to end; any other one goes on. */
  leave(): void {
    if (!this.asked.has('hang_up')) this.#left.abort();
  }
}

/** The calls under way in this process, by their ids. */
export class Lines {
  readonly #lines = new Map<string, Line>();
  readonly #whenIdle = new Set<() => void>();

  get size(): number {
    return this.#lines.size;
  }

  has(callId: string): boolean {
    return this.#lines.has(callId);
  }

  get(callId: string): Line | undefined {
    return this.#lines.get(callId);
  }

  ids(): readonly string[] {
    return [...this.#lines.keys()];
  }

  /** The line of a call: a new one where it has none. */
  of(callId: string): Line {
    const line = this.#lines.get(callId) ?? new Line();
    this.#lines.set(callId, line);
    return line;
  }

  free(callId: string): void {
    this.#lines.delete(callId);
    if (this.#lines.size > 0) return;
    for (const resolve of this.#whenIdle) resolve();
    this.#whenIdle.clear();
  }

  leaveAll(): void {
    for (const line of this.#lines.values()) line.leave();
  }

  hangUpAll(): void {
    for (const line of this.#lines.values()) line.hangUp();
  }

  /** Resolves when there is none. */
  idle(): Promise<void> {
    if (this.#lines.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle.add(resolve);
    });
  }
}
