import type { BreakerPass, BreakerReport, BreakerRules } from './breaker.ts';
import { BREAKER_RULES, Breaker } from './breaker.ts';
import type { TrunkClock } from './clock.ts';
import type { TrunkHealth } from './health.ts';
import type { RegistrationState } from './registrations.ts';

/**
 * Whether calls should go by a trunk. `up`: yes; `half_open`: one, to see whether it is back; `resting`: it asked to
 * be left alone (Retry-After); `open`: its calls failed; `down`: it gives no sign of life (OPTIONS), or wants us to
 * register and we are not.
 */
export type TrunkCondition = 'up' | 'half_open' | 'resting' | 'open' | 'down';

/** One thing that speaks against a trunk. */
export interface TrunkReason {
  readonly condition: Exclude<TrunkCondition, 'up'>;
  /** Epoch ms. */
  readonly since: number;
  /** Epoch ms; null where only an event ends it. */
  readonly until: number | null;
  /** For the operator. */
  readonly detail: string;
}

export interface TrunkState {
  /** That of the first reason; `up` where there is none. */
  readonly condition: TrunkCondition;
  /** Epoch ms. */
  readonly since: number;
  /** What speaks against the trunk, the gravest first. */
  readonly reasons: readonly TrunkReason[];
  /** Whether a trial would be let through now; only where it is `half_open`. */
  readonly trial: boolean;
}

export interface TrunkStatesOptions {
  readonly clock: TrunkClock;
  /** What OPTIONS tell (`HealthProbes.of`); without it, every trunk is taken to be alive. */
  readonly health?: (trunkId: string) => TrunkHealth;
  /** What became of registering (`Registrations.of`); without it, no trunk is taken to want that. */
  readonly registration?: (trunkId: string) => RegistrationState;
  readonly rules?: BreakerRules;
}

interface Rest {
  readonly since: number;
  /** As `TrunkClock.elapsed` has it. */
  readonly over: number;
}

/** A trunk's Retry-After is believed up to this; a carrier's slip must not take a trunk away for a day. */
const MAX_REST_MS = 300_000;

/** What speaks against each trunk, from whatever side it is known: signs of life, results of calls, its own wish. */
export class TrunkStates {
  readonly #options: TrunkStatesOptions;
  readonly #born: number;
  readonly #breakers = new Map<string, Breaker>();
  readonly #rests = new Map<string, Rest>();
  /** When the last thing that spoke against a trunk was over, as far as somebody asked. */
  readonly #upSince = new Map<string, number>();

  constructor(options: TrunkStatesOptions) {
    this.#options = options;
    this.#born = options.clock.now();
  }

  of(trunkId: string): TrunkState {
    const reasons = this.#reasonsOf(trunkId);
    const [first] = reasons;
    const breaker = this.#breakers.get(trunkId);
    if (first !== undefined) {
      const trial = first.condition === 'half_open' && (breaker?.admits() ?? false);
      return { condition: first.condition, since: first.since, reasons, trial };
    }
    const { health, registration } = this.#options;
    const since = Math.max(
      this.#born,
      this.#upSince.get(trunkId) ?? 0,
      breaker?.report().since ?? 0,
      health?.(trunkId).since ?? 0,
      registration?.(trunkId).since ?? 0,
    );
    return { condition: 'up', since, reasons, trial: false };
  }

  /** Permission for a call by the trunk (see `Breaker.begin`); its end is to be told to it. */
  begin(trunkId: string, anyway = false): BreakerPass | undefined {
    const { clock, rules = BREAKER_RULES } = this.#options;
    let breaker = this.#breakers.get(trunkId);
    if (breaker === undefined) {
      breaker = new Breaker(rules, clock);
      this.#breakers.set(trunkId, breaker);
    }
    return breaker.begin(anyway);
  }

  /** Retry-After of a 5xx (RFC 3261 §21.5.4): it wants to be left alone for so long, five minutes at most. */
  rest(trunkId: string, retryAfterSeconds: number): void {
    if (!(retryAfterSeconds > 0)) return;
    const { clock } = this.#options;
    const over = clock.elapsed() + Math.min(retryAfterSeconds * 1000, MAX_REST_MS);
    const since = this.#restOf(trunkId)?.since ?? clock.now();
    this.#rests.set(trunkId, { since, over });
  }

  /** Forgets every trunk that is not among these. */
  keep(trunkIds: readonly string[]): void {
    for (const known of [this.#breakers, this.#rests, this.#upSince]) {
      for (const id of known.keys()) if (!trunkIds.includes(id)) known.delete(id);
    }
  }

  #reasonsOf(trunkId: string): readonly TrunkReason[] {
    const health = this.#options.health?.(trunkId);
    const breaker = this.#breakers.get(trunkId)?.report();
    const rest = this.#restOf(trunkId);
    const registration = this.#options.registration?.(trunkId);
    return [
      ...(health?.state === 'down' ? [downReason(health)] : []),
      ...(registration === undefined ? [] : unregisteredReason(registration)),
      ...(breaker?.state === 'open' ? [breakerReason(breaker, 'open')] : []),
      ...(rest === undefined ? [] : [this.#restReason(rest)]),
      ...(breaker?.state === 'half_open' ? [breakerReason(breaker, 'half_open')] : []),
    ];
  }

  #restOf(trunkId: string): Rest | undefined {
    const rest = this.#rests.get(trunkId);
    const { now, elapsed } = this.#options.clock;
    if (rest === undefined || rest.over > elapsed()) return rest;
    this.#rests.delete(trunkId);
    this.#upSince.set(trunkId, Math.floor(now() + rest.over - elapsed()));
    return undefined;
  }

  #restReason({ since, over }: Rest): TrunkReason {
    const { now, elapsed } = this.#options.clock;
    return {
      condition: 'resting',
      since,
      until: Math.ceil(now() + over - elapsed()),
      detail: 'it asked for a rest (Retry-After)',
    };
  }
}

function downReason({ since, detail }: TrunkHealth): TrunkReason {
  return { condition: 'down', since, until: null, detail: `no sign of life: ${detail ?? 'no response'}` };
}

function unregisteredReason({ state, since, until, detail }: RegistrationState): readonly TrunkReason[] {
  if (state === 'none' || state === 'registered') return [];
  const why = detail ?? 'no answer so far';
  return [{ condition: 'down', since, until, detail: `not registered: ${why}` }];
}

function breakerReason(
  { since, until, failures, of }: BreakerReport,
  condition: 'open' | 'half_open',
): TrunkReason {
  return { condition, since, until, detail: `${failures} of its last ${of} calls failed` };
}
