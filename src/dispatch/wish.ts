import type { CapacityAnswer, CapacityRefusal } from '../trunk/capacity.ts';

export interface WishTerms {
  /** The id of its job. */
  readonly id: string;
  readonly callId: string;
  /** See `CapacityWish.priority`. */
  readonly priority: number;
  /** By a clock that is never set, in ms. */
  readonly since: number;
  readonly waitMs: number;
  readonly signal: AbortSignal;
  readonly answer: (answer: CapacityAnswer) => void;
  /** Hears, once, that it waits no more, and why. */
  readonly onEnd: (wish: Wish) => void;
  readonly onDeadline: (wish: Wish) => void;
}

/** A call of this process that waits for a trunk, until it is answered. */
export class Wish {
  readonly id: string;
  readonly callId: string;
  readonly priority: number;
  readonly since: number;
  /** When its time is over, in ms of the same clock as `since`. */
  readonly deadline: number;
  /** When its job was last known to be in the queue; undefined while it is being added. */
  addedAt: number | undefined;
  readonly #terms: WishTerms;
  readonly #timer: NodeJS.Timeout;
  #waits = true;
  #granted = false;
  #moved = false;

  constructor(terms: WishTerms) {
    const { id, callId, priority, since, waitMs, signal } = terms;
    this.#terms = terms;
    this.id = id;
    this.callId = callId;
    this.priority = priority;
    this.since = since;
    this.deadline = since + waitMs;
    this.#timer = setTimeout(() => terms.onDeadline(this), waitMs);
    signal.addEventListener('abort', this.#giveUp, { once: true });
  }

  get waits(): boolean {
    return this.#waits;
  }

  get granted(): boolean {
    return this.#granted;
  }

  /** Another process carries the call. */
  get moved(): boolean {
    return this.#moved;
  }

  /** Answers it; whoever was answered already is let be. */
  settle(answer: CapacityAnswer): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#granted = answer.kind === 'permit';
    this.#moved = answer.kind === 'moved';
    clearTimeout(this.#timer);
    this.#terms.signal.removeEventListener('abort', this.#giveUp);
    this.#terms.onEnd(this);
    this.#terms.answer(answer);
  }

  refuse(why: CapacityRefusal): void {
    this.settle({ kind: 'refused', why });
  }

  readonly #giveUp = (): void => this.refuse('aborted');
}
