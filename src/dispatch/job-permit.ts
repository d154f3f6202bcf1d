import type { Permit } from '../trunk/capacity.ts';
import type { InviteMoments } from './invite-moment.ts';

export interface JobPermitTerms {
  readonly trunkId: string;
  readonly waitedMs: number;
  readonly moments: InviteMoments;
  /** The call is over here. */
  readonly onReleased: () => void;
  /** Nobody has anything of the call any more: the channel is free. */
  readonly onOver: () => void;
}

/** An INVITE that may leave. */
interface Slot {
  readonly id: string;
  leaving: boolean;
  sent: boolean;
}

/** A permit whose channel is a job that is being worked on. */
export class JobPermit implements Permit {
  readonly trunkId: string;
  readonly waitedMs: number;
  readonly #terms: JobPermitTerms;
  #held = true;
  /** The call itself, and whoever keeps something of it. */
  #users = 1;
  #slot: Slot | undefined;

  constructor(terms: JobPermitTerms) {
    this.#terms = terms;
    this.trunkId = terms.trunkId;
    this.waitedMs = terms.waitedMs;
  }

  moment(signal: AbortSignal): Promise<void> {
    return this.#take(false, signal);
  }

  again(signal: AbortSignal): Promise<void> {
    return this.#take(true, signal);
  }

  leaving(): void {
    if (this.#held && this.#slot !== undefined) this.#slot.leaving = true;
  }

  sent(): void {
    // Also after its release, as long as it may still leave.
    if (this.#users > 0) this.#markSent();
  }

  keep(): () => void {
    if (!this.#held) return () => undefined;
    this.#users += 1;
    let kept = true;
    return () => {
      if (!kept) return;
      kept = false;
      this.#leave();
    };
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    if (this.#slot?.leaving === false) this.#drop();
    this.#terms.onReleased();
    this.#leave();
  }

  async #take(repeated: boolean, signal: AbortSignal): Promise<void> {
    if (!this.#held) return;
    // What was permitted before and not sent is not sent any more.
    this.#drop();
    const { moments } = this.#terms;
    const id = await moments.take(repeated, signal);
    if (id === undefined) return;
    // It was given back meanwhile.
    if (!this.#held) moments.giveBack(id);
    else this.#slot = { id, leaving: false, sent: false };
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#drop();
    this.#terms.onOver();
  }

  /** It will not leave any more: one that may have left has done so now, for all that is known. */
  #drop(): void {
    const slot = this.#slot;
    if (slot === undefined) return;
    if (slot.leaving) this.#markSent();
    else if (!slot.sent) this.#terms.moments.giveBack(slot.id);
    this.#slot = undefined;
  }

  #markSent(): void {
    const slot = this.#slot;
    if (slot === undefined || slot.sent) return;
    slot.sent = true;
    this.#terms.moments.sent(slot.id);
  }
}
