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

/** Lets one more INVITE of a call that has a channel leave. */
type Repeat = (slot: PacedSlot | undefined) => void;

interface PacedSlot {
  readonly pace: InvitePace;
  readonly slot: InviteSlot;
}

/** Longer than this no timer is set; it wakes once more. */
const LONGEST_WAKE_MS = 3_600_000;

/** Those who want one trunk: one timer for all of them, whatever they wait for. */
export class TrunkLine {
  readonly #trunkId: string;
  readonly #options: TrunkLineOptions;
  readonly #waiting = new WaitingLine<Waiting>();
  /** In the order in which they came; before all that wait for a channel. */
  readonly #repeats = new Set<Repeat>();
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
    for (const repeat of this.#repeats) {
      if (this.#freeAt(now) > now) break;
      repeat(this.#slot(now));
    }
    while (this.#inUse < this.#channels && this.#freeAt(now) <= now) {
      const next = this.#waiting.first();
      if (next === undefined) break;
      const permit = this.#permit(this.#slot(now), now - next.item.since);
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
    const wanted = this.#repeats.size > 0 || (urgent !== undefined && this.#inUse < this.#channels);
    const free = wanted ? this.#freeAt(now) : Number.POSITIVE_INFINITY;
    const at = Math.min(urgent?.deadline ?? Number.POSITIVE_INFINITY, free);
    // Whatever else it waits for comes here by itself.
    if (at === Number.POSITIVE_INFINITY) return;
    const inMs = Math.min(at - now, LONGEST_WAKE_MS);
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

  #freeAt(now: number): number {
    return this.#pace?.freeAt(now) ?? now;
  }

  #slot(now: number): PacedSlot | undefined {
    const pace = this.#pace;
    return pace === undefined ? undefined : { pace, slot: pace.permit(now) };
  }

  #permit(first: PacedSlot | undefined, waitedMs: number): Permit {
    const { elapsed } = this.#options;
    let paced = first;
    let held = true;
    /** Who needs the channel: the call here, and whatever of it the carrier has. */
    let users = 1;
    const leave = (): void => {
      users -= 1;
      if (users === 0) {
        this.#inUse -= 1;
        paced?.pace.drop(paced.slot, elapsed());
      }
      this.#serve();
    };
    this.#inUse += 1;
    return {
      trunkId: this.#trunkId,
      waitedMs,
      moment: async () => undefined,
      leaving: () => {
        if (held) paced?.pace.leaving(paced.slot);
      },
      sent: () => {
        // Also after its release, as long as it may still leave.
        if (users === 0 || paced === undefined || paced.slot.sentAt !== null) return;
        paced.pace.sent(paced.slot, elapsed());
        this.#serve();
      },
      again: async (signal) => {
        if (!held) return;
        // What was permitted before and not sent is not sent any more.
        paced?.pace.drop(paced.slot, elapsed());
        paced = await this.#repeat(signal);
        // It was given back meanwhile.
        if (!held) paced?.pace.drop(paced.slot, elapsed());
      },
      keep: () => {
        if (!held) return () => undefined;
        users += 1;
        return once(leave);
      },
      release: () => {
        if (!held) return;
        held = false;
        if (paced?.slot.leaving === false) paced.pace.drop(paced.slot, elapsed());
        leave();
      },
    };
  }

  /** Undefined where there is no pace, or nobody waits for it any more. */
  #repeat(signal: AbortSignal): Promise<PacedSlot | undefined> {
    return new Promise((resolve) => {
      const leave: Repeat = (slot) => {
        this.#repeats.delete(leave);
        signal.removeEventListener('abort', giveUp);
        resolve(slot);
      };
      const giveUp = (): void => {
        leave(undefined);
        this.#serve();
      };
      if (signal.aborted) return resolve(undefined);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#repeats.add(leave);
      this.#serve();
    });
  }
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}

async function refused(why: CapacityRefusal): Promise<CapacityAnswer> {
  return { kind: 'refused', why };
}
