/** The two clocks that trunks are watched by. */
export interface TrunkClock {
  /** Epoch ms: what is shown and stored. May be set back or forth. */
  readonly now: () => number;
  /** Milliseconds since some moment; never set. Whatever lasts is measured by it. */
  readonly elapsed: () => number;
}
