/**
 * Epoch milliseconds for the events of one leg: read once from the system's clock, then counted by the
 * monotonic one, so that a clock that jumps in mid-call neither turns events round nor falsifies a duration.
 */
export class LegClock {
  readonly #epochMs = Date.now();
  readonly #startMs = performance.now();

  now(): number {
    return this.#epochMs + Math.floor(performance.now() - this.#startMs);
  }
}
