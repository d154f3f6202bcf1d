import type {
  CapacityAnswer,
  CapacityRefusal,
  CapacityUse,
  CapacityWish,
  Permit,
  TrunkLimits,
} from './capacity.ts';
import type { InviteSlot } from './invite-pace.ts';
import { InvitePace } from './invite-pace.ts';
import type { Waiter } from './waiting-line.ts';
import { WaitingLine } from './waiting-line.ts';

export interface TrunkLineOptions {
  /** Milliseconds since some moment; never set. */
  readonly elapsed: () => number;
  /** Does the work after so many ms, unless it is called off by what it returns. */
  readonly wake: (ms: number, work: () => void) => () => void;
  /** See `PaceOptions`. */
  readonly guardMs: number;
  readonly catchUpMs: number;
  /** Calls that wait at most. */
  readonly maxWaiting: number;
}

interface Waiting {
  readonly since: number;
  readonly answer: (answer: CapacityAnswer) => void;
}

/** Longer than this no timer is set; it wakes once more. */
const LONGEST_WAKE_MS = 3_600_000;

/** Those who want one trunk: one timer for all of them, whatever they wait for. */
export class TrunkLine {
  readonly #trunkId: string;
  readonly #options: TrunkLineOptions;
  readonly #waiting = new WaitingLine<Waiting>();
  #channels = Number.POSITIVE_INFINITY;
  #pace: InvitePace | undefined;
  #cps: number | undefined;
  #inUse = 0;
  #closed = false;
  #callOff: (() => void) | undefined;

  /** @param recent how long ago its last INVITEs left, in ms; where it is not known, a second is waited first */
  constructor(limits: TrunkLimits, recent: readonly number[] | undefined, options: TrunkLineOptions) {
    this.#trunkId = limits.id;
    this.#options = options;
    this.limit(limits, recent);
  }

  /** Whether nothing of it counts for whoever comes next. */
  get idle(): boolean {
    return this.#inUse === 0 && this.use().invites === 0;
  }

  /** What is in use stays so; new limits hold for whoever comes next. One that was closed is open again. */
  limit({ cps, channels }: Omit<TrunkLimits, 'id'>, recent?: readonly number[]): void {
    this.#closed = false;
    this.#channels = channels ?? Number.POSITIVE_INFINITY;
    this.#cps = cps;
    if (cps === undefined) this.#pace = undefined;
    else if (this.#pace === undefined) this.#pace = this.#newPace(cps, recent);
    else this.#pace.options = { ...this.#options, cps };
    this.#serve();
  }

  acquire({ priority, waitMs }: CapacityWish, signal: AbortSignal): Promise<CapacityAnswer> {
    if (this.#closed) return refused('closed');
    if (signal.aborted) return refused('aborted');
    if (this.#waiting.size >= this.#options.maxWaiting) return refused('full');
    return new Promise((resolve) => {
      const since = this.#options.elapsed();
      const giveUp = (): void => this.#refuse(waiter, 'aborted');
      const answer = (given: CapacityAnswer): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(given);
      };
      const waiter = this.#waiting.join({ since, answer }, priority, since + waitMs);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#serve();
    });
  }

  occupy(): Permit {
    return this.#permit(undefined, 0);
  }

  use(): CapacityUse {
    return {
      trunkId: this.#trunkId,
      cps: this.#cps ?? null,
      channels: Number.isFinite(this.#channels) ? this.#channels : null,
      inUse: this.#inUse,
      invites: this.#pace?.count(this.#options.elapsed()) ?? 0,
      waiting: this.#waiting.size,
    };
  }

  /** See `InvitePace.ages`. */
  recent(): readonly number[] {
    return this.#pace?.ages(this.#options.elapsed()) ?? [];
  }

  /** Refuses those who wait, and whoever comes. */
  close(): void {
    this.#closed = true;
    for (let next = this.#waiting.first(); next !== undefined; next = this.#waiting.first()) {
      this.#settle(next, { kind: 'refused', why: 'closed' });
    }
    this.#serve();
  }

  #newPace(cps: number, recent: readonly number[] | undefined): InvitePace {
    const { elapsed, guardMs } = this.#options;
    const now = elapsed();
    const pace = new InvitePace({ ...this.#options, cps });
    if (recent === undefined) pace.hold(now + 1000 + guardMs);
    else for (const age of recent) pace.remember(now - age);
    return pace;
  }

  /** Everything that can happen ends here: whoever can be served is, and the next moment to look is set. */
  #serve(): void {
    const now = this.#options.elapsed();
    this.#expire((deadline) => deadline < now);
    while (this.#inUse < this.#channels && (this.#pace?.freeAt(now) ?? now) <= now) {
      const next = this.#waiting.first();
      if (next === undefined) break;
      const permit = this.#permit(this.#pace, now - next.item.since);
      this.#settle(next, { kind: 'permit', permit });
    }
    this.#expire((deadline) => deadline <= now);
    this.#setAlarm(now);
  }

  #expire(isOver: (deadline: number) => boolean): void {
    for (let next = this.#waiting.mostUrgent(); next !== undefined; next = this.#waiting.mostUrgent()) {
      if (!isOver(next.deadline)) return;
      this.#settle(next, { kind: 'refused', why: 'deadline' });
    }
  }

  #setAlarm(now: number): void {
    this.#callOff?.();
    this.#callOff = undefined;
    const urgent = this.#waiting.mostUrgent();
    if (urgent === undefined) return;
    const free = this.#inUse < this.#channels ? (this.#pace?.freeAt(now) ?? now) : Number.POSITIVE_INFINITY;
    const inMs = Math.min(Math.min(urgent.deadline, free) - now, LONGEST_WAKE_MS);
    this.#callOff = this.#options.wake(Math.max(1, Math.ceil(inMs)), () => this.#serve());
  }

  #refuse(waiter: Waiter<Waiting>, why: CapacityRefusal): void {
    if (!waiter.waits) return;
    this.#settle(waiter, { kind: 'refused', why });
    this.#serve();
  }

  #settle(waiter: Waiter<Waiting>, answer: CapacityAnswer): void {
    this.#waiting.leave(waiter);
    waiter.item.answer(answer);
  }

  #permit(pace: InvitePace | undefined, waitedMs: number): Permit {
    const { elapsed } = this.#options;
    const slot: InviteSlot | undefined = pace?.permit(elapsed());
    let held = true;
    this.#inUse += 1;
    return {
      trunkId: this.#trunkId,
      waitedMs,
      sent: () => {
        if (!held || slot === undefined || slot.sentAt !== null) return;
        pace?.sent(slot, elapsed());
        this.#serve();
      },
      release: () => {
        if (!held) return;
        held = false;
        this.#inUse -= 1;
        if (slot !== undefined) pace?.drop(slot);
        this.#serve();
      },
    };
  }
}

async function refused(why: CapacityRefusal): Promise<CapacityAnswer> {
  return { kind: 'refused', why };
}
