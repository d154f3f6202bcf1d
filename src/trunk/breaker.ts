import type { Attempt, Disposition } from '../call/call.ts';
import type { TrunkClock } from './clock.ts';

/** When the results of calls take a trunk out of service, and for how long. */
export interface BreakerRules {
  /** So many results are judged, the last ones: 1–1000. */
  readonly window: number;
  /** Fewer than this are not judged: 1 to `window`. */
  readonly fewest: number;
  /** At least this share of them failed: above 0, to 1. */
  readonly failureRatio: number;
  /** How long it is open at first; twice as long after each trial that fails, up to `longestOpenMs`. */
  readonly firstOpenMs: number;
  readonly longestOpenMs: number;
  /** Trials in a row that have to succeed, one at a time: 1–100. */
  readonly trials: number;
  /** A trial that has no result after this no longer keeps the next one waiting. */
  readonly trialPatienceMs: number;
}

export const BREAKER_RULES: BreakerRules = {
  window: 20,
  fewest: 5,
  failureRatio: 0.5,
  firstOpenMs: 10_000,
  longestOpenMs: 300_000,
  trials: 3,
  trialPatienceMs: 180_000,
};

/** What a call says of the trunk itself: that it carries calls, that it does not, or nothing. */
export type TrunkVerdict = 'carries' | 'fails' | 'silent';

const FAILURES: readonly (Disposition | null)[] = ['trunk_failure', 'trunk_timeout', 'trunk_auth'];

/** Whoever says this has heard it from the callee's side, or has taken a text for it. */
const NEWS_OF_CALLEE: readonly (Disposition | null)[] = [
  'busy',
  'no_answer',
  'declined',
  'blocked',
  'unreachable',
  'invalid_number',
  'no_ring',
  'diverted',
  'sent',
];

/**
 * What the end of an attempt says of its trunk. It carries calls where anything of the callee's side was heard, be it
 * that the line is busy. A refusal (403, 488, 3xx) may be meant for the number or the call, and says nothing.
 */
export function verdictOf({ disposition, ringingAt, answeredAt }: Attempt): TrunkVerdict {
  if (ringingAt !== null || answeredAt !== null || NEWS_OF_CALLEE.includes(disposition)) return 'carries';
  return FAILURES.includes(disposition) ? 'fails' : 'silent';
}

/** Permission for one call; its result is told by the same object, once. */
export interface BreakerPass {
  /** Whether the trunk is tried by it, to see whether it is back. */
  readonly trial: boolean;
  /** Later calls do nothing. A call whose end nobody tells is `silent`. */
  end(verdict: TrunkVerdict): void;
}

export type BreakerState = 'closed' | 'open' | 'half_open';

export interface BreakerReport {
  readonly state: BreakerState;
  /** Epoch ms. */
  readonly since: number;
  /** When the next trial is let through, epoch ms; null where it is closed, or waits for nothing but a trial's end. */
  readonly until: number | null;
  /** Of the results that are judged now, or that opened it. */
  readonly failures: number;
  readonly of: number;
}

/** One per trunk: closed as long as its calls are carried, open for a while, then half open: one trial at a time. */
export class Breaker {
  readonly #rules: BreakerRules;
  readonly #clock: TrunkClock;
  #state: Exclude<BreakerState, 'half_open'> = 'closed';
  #since: number;
  /** Whether each of the last calls failed, the oldest first. */
  #results: boolean[] = [];
  /** Calls that began before a change of state say nothing of what is after it. */
  #era = 0;
  #openMs = 0;
  #openUntil = 0;
  #successes = 0;
  #trial: { readonly pass: BreakerPass; readonly until: number } | undefined;

  constructor(rules: BreakerRules, clock: TrunkClock) {
    this.#rules = rules;
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** Whether `begin` would let a call through. */
  admits(): boolean {
    return this.#state === 'closed' || (this.#openUntil <= this.#clock.elapsed() && !this.#onTrial());
  }

  /**
   * Permission for a call; undefined where none may go this way.
   *
   * @param anyway let it through all the same: there is no other way, and its result is of use
   */
  begin(anyway = false): BreakerPass | undefined {
    const admitted = this.admits();
    if (!admitted && !anyway) return undefined;
    const trial = this.#state === 'open';
    const era = this.#era;
    let told = false;
    const pass: BreakerPass = {
      trial,
      end: (verdict) => {
        if (told) return;
        told = true;
        if (this.#trial?.pass === pass) this.#trial = undefined;
        if (era === this.#era && verdict !== 'silent') this.#judge(verdict, trial, admitted);
      },
    };
    if (trial && admitted) {
      this.#trial = { pass, until: this.#clock.elapsed() + this.#rules.trialPatienceMs };
    }
    return pass;
  }

  report(): BreakerReport {
    const { now, elapsed } = this.#clock;
    const waitMs = this.#openUntil - elapsed();
    const state = this.#state === 'closed' ? 'closed' : waitMs > 0 ? 'open' : 'half_open';
    return {
      state,
      since: state === 'half_open' ? Math.floor(now() + waitMs) : this.#since,
      until: state === 'open' ? Math.ceil(now() + waitMs) : null,
      failures: this.#results.filter(Boolean).length,
      of: this.#results.length,
    };
  }

  #onTrial(): boolean {
    return this.#trial !== undefined && this.#trial.until > this.#clock.elapsed();
  }

  #judge(verdict: 'carries' | 'fails', trial: boolean, admitted: boolean): void {
    if (!trial) this.#count(verdict === 'fails');
    else if (verdict === 'carries') this.#succeed();
    // One that went although nothing was let through is no reason to wait longer.
    else if (admitted) this.#open(Math.min(this.#openMs * 2, this.#rules.longestOpenMs));
  }

  #count(failed: boolean): void {
    this.#results.push(failed);
    if (this.#results.length > this.#rules.window) this.#results.shift();
    const failures = this.#results.filter(Boolean).length;
    const { fewest, failureRatio, firstOpenMs } = this.#rules;
    if (failed && this.#results.length >= fewest && failures / this.#results.length >= failureRatio) {
      this.#change('open');
      this.#open(firstOpenMs);
    }
  }

  #open(forMs: number): void {
    this.#openMs = forMs;
    this.#openUntil = this.#clock.elapsed() + forMs;
    this.#successes = 0;
  }

  #succeed(): void {
    this.#successes += 1;
    // The next trial may go at once: the trunk carries calls.
    this.#openUntil = Math.min(this.#openUntil, this.#clock.elapsed());
    if (this.#successes >= this.#rules.trials) {
      this.#change('closed');
      this.#results = [];
    }
  }

  #change(state: 'closed' | 'open'): void {
    this.#state = state;
    this.#since = this.#clock.now();
    this.#era += 1;
    this.#trial = undefined;
    this.#successes = 0;
  }
}
