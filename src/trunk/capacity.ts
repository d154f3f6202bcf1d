import type { Trunk } from './definition.ts';

/** What is sold of a trunk. */
export type TrunkLimits = Pick<Trunk, 'id' | 'cps' | 'channels'>;

/** A call that wants to go by a trunk. */
export interface CapacityWish {
  readonly trunkId: string;
  /** Lower numbers go first, whenever they came: a whole number, 0–9. Of the same, whoever came first. */
  readonly priority: number;
  /** How long it may wait, in ms: 0 to one hour. With 0 it is served at once or not at all. */
  readonly waitMs: number;
}

/** What a trunk has given to one call: a channel, and one INVITE. */
export interface Permit {
  readonly trunkId: string;
  /** How long it was waited for. */
  readonly waitedMs: number;
  /**
   * The INVITE leaves now: its second begins. Until this is said the INVITE counts as about to leave, so that one that
   * is late does not leave together with the next ones. To be said directly before it is sent.
   */
  sent(): void;
  /** The call is over, or does not take place. Later calls do nothing. An INVITE that never left counts no more. */
  release(): void;
}

/** Why there is no permit: its time was over, too many wait already, it was given up, or the process ends. */
export type CapacityRefusal = 'deadline' | 'full' | 'aborted' | 'closed';

export type CapacityAnswer =
  | { readonly kind: 'permit'; readonly permit: Permit }
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
  /**
   * Waits for a channel and for the moment of an INVITE: in the order of priority and of coming, without exception.
   * Never rejects. A permit that was given when the signal was aborted is still to be released. A trunk that has no
   * limits, or is not known, gives one at once.
   */
  acquire(wish: CapacityWish, signal: AbortSignal): Promise<CapacityAnswer>;
  /** A channel for a leg that is up already, such as one of an earlier process: it counts, whatever the limit is. */
  occupy(trunkId: string): Promise<Permit>;
  use(): Promise<readonly CapacityUse[]>;
}
