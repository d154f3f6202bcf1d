/** So much of something within a sliding window. */
export interface Count {
  /** What is counted, such as `number +442079460200 3600`; of one window only, and once in a decision. */
  readonly key: string;
  /** A whole number of 12 or more. */
  readonly windowMs: number;
  /** What all amounts within any `windowMs` may come to. */
  readonly max: number;
  /** A whole number of 1 or more. */
  readonly amount: number;
}

/** A pause that grows with each time: after the n-th the next has to wait `pausesMs[n - 1]`, and the last of them from then on. */
export interface GrowingPause {
  readonly key: string;
  /** At least one; whole numbers. */
  readonly pausesMs: readonly number[];
  /** After so long without one it begins anew. */
  readonly forgetMs: number;
}

export type Taken =
  | { readonly kind: 'taken' }
  /**
   * `key` says of what there were too many: of several, the one that it takes longest to wait for, and with it for all.
   * Nothing was counted.
   */
  | { readonly kind: 'refused'; readonly key: string; readonly retryAfterMs: number };

/**
 * Counts that all processes share. In no window of the length asked for, wherever it begins, do the amounts that
 * were taken come to more than `max`, however many ask at once; so as to need little memory, it may hold an amount for up
 * to a twelfth of the window longer than the window.
 *
 * Where the clock was set back by no more than a window, counts stay until it is where it was; where by more, they go
 * back with it.
 */
export interface LimitStore {
  /** Takes all of them, or none. @throws AppError store_unavailable */
  take(counts: readonly Count[], pauses: readonly GrowingPause[], now: number): Promise<Taken>;
  /**
   * Gives back what was taken at `at`, as far as it still counts; never below nothing. Of a pause: it was one time less,
   * and if that was the last time, the pause before it is over, as it was then.
   *
   * @throws AppError store_unavailable
   */
  giveBack(
    counts: readonly Omit<Count, 'max'>[],
    pauses: readonly Omit<GrowingPause, 'forgetMs'>[],
    at: number,
    now: number,
  ): Promise<void>;
  /** Forgets that there was one: the next pause is the first again. @throws AppError store_unavailable */
  forget(pauseKeys: readonly string[]): Promise<void>;
}
