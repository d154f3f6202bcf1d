import type { Trunk } from './definition.ts';

/** What is sold of a trunk. */
export type TrunkLimits = Pick<Trunk, 'id' | 'cps' | 'channels'>;

/** A call that wants to go by a trunk. */
export interface CapacityWish {
  readonly trunkId: string;
  /** The call that waits: what may be given to another process is the call, not the permit. */
  readonly callId: string;
  /** Lower numbers go first, whenever they came: a whole number, 0–9. Of the same, whoever came first. */
  readonly priority: number;
  /** How long it may wait, in ms: 0 to one hour. With 0 it is served at once or not at all. */
  readonly waitMs: number;
}

/**
 * What a trunk has given to one call: a channel, and one INVITE. What is sent again of an INVITE because UDP may have
 * lost it (RFC 3261 §17.1.1.2) is no INVITE of its own, to carriers as to us.
 */
export interface Permit {
  readonly trunkId: string;
  /** How long it was waited for. */
  readonly waitedMs: number;
  /**
   * Waits for the moment of the first INVITE, where that is not the permit itself: to be asked right before `leaving`.
   * Ends early where the signal is aborted; the INVITE must not leave then.
   *
   * @throws AppError store_unavailable, where it cannot be known: the INVITE must not leave
   */
  moment(signal: AbortSignal): Promise<void>;
  /**
   * The INVITE may leave from now on: whether it has is known only when `sent` is said, or later. To be said before it
   * is given to whoever sends it.
   */
  leaving(): void;
  /**
   * The INVITE has left: its second begins, at the latest. Until this is said it counts as about to leave, so that one
   * that is late, wherever it is held up, does not leave together with the next ones. To be said after it was sent.
   */
  sent(): void;
  /**
   * One more INVITE of the same call, such as the one that answers a challenge: waits for its moment, before all calls
   * that have sent none, and ends early where the signal is aborted. `leaving` and `sent` are to be said of it then.
   *
   * @throws AppError store_unavailable, as `moment`
   */
  again(signal: AbortSignal): Promise<void>;
  /**
   * The carrier may have something of the call for longer than it lasts here, such as an INVITE without a final response:
   * the channel stays in use, and an INVITE that is `leaving` counts, after `release` too, until what this answers is
   * called. Later calls of that do nothing.
   */
  keep(): () => void;
  /**
   * The call is over, or does not take place. Later calls do nothing. An INVITE that was never `leaving` counts no more;
   * one of which `sent` was not said counts as sent now, unless it is kept.
   */
  release(): void;
}

/** Why there is no permit: its time was over, too many wait already, it was given up, or the process ends. */
export type CapacityRefusal = 'deadline' | 'full' | 'aborted' | 'closed';

export type CapacityAnswer =
  | { readonly kind: 'permit'; readonly permit: Permit }
  /** Another process carries the call from now on: here it is over, and nothing more is to be written of it. */
  | { readonly kind: 'moved' }
  | { readonly kind: 'refused'; readonly why: CapacityRefusal };

/** How much of a trunk is in use. */
export interface CapacityUse {
  readonly trunkId: string;
  readonly cps: number | null;
  readonly channels: number | null;
  /** Channels in use. */
  readonly inUse: number;
  /** INVITEs of the last second, those about to leave included. */
  readonly invites: number;
  readonly waiting: number;
}

/** Limits of trunks, kept by whoever may use them: one process, or several together. */
export interface Capacity {
  /** Whether another process may get a call that waits: then nothing of it is made ready before it has a permit. */
  readonly shared: boolean;
  /**
   * Waits for a channel and for the moment of an INVITE: in the order of priority and of coming, without exception.
   * Never rejects. A permit that was given when the signal was aborted is still to be released. A trunk that has no
   * limits, or was never known, gives one at once; one that is not configured any more gives none.
   */
  acquire(wish: CapacityWish, signal: AbortSignal): Promise<CapacityAnswer>;
  /** A channel for a leg that is up already, such as one of an earlier process: it counts, whatever the limit is. */
  occupy(trunkId: string): Promise<Permit>;
  use(): Promise<readonly CapacityUse[]>;
}
