import type { TrunkClock } from './clock.ts';
import type { Trunk } from './definition.ts';

/** What came of one OPTIONS. Any final response is alive, be it 404 or 503; silence and a transport error are not. */
export interface ProbeAnswer {
  readonly alive: boolean;
  /** Such as `200 OK`, `no response` or `ECONNREFUSED`: for the operator. */
  readonly detail: string;
}

/**
 * Asks a trunk for a sign of life. Where it rejects, or has not settled by the time the signal is aborted, the trunk
 * is not alive. Null: nothing was learnt, since a fault of our own kept us from asking. That counts neither for nor
 * against the trunk, and what was known of it stays.
 */
export type Probe = (trunk: Trunk, signal: AbortSignal) => Promise<ProbeAnswer | null>;

export interface HealthRules {
  /** Probes in a row without a sign of life after which a trunk is down: 1–100. */
  readonly failures: number;
  /** Probes in a row with one after which it is up again: 1–100. */
  readonly successes: number;
  /** How long a probe may take. RFC 3261 would have it 32 s (Timer F). */
  readonly patienceMs: number;
  /** By how much each interval is longer or shorter at random: 0, inclusive, to 1, exclusive. */
  readonly jitter: number;
}

export const HEALTH_RULES: HealthRules = { failures: 3, successes: 2, patienceMs: 5000, jitter: 0.2 };

/** `unknown` before the first probe, and without any: nothing speaks against the trunk. */
export type HealthState = 'unknown' | 'up' | 'down';

export interface TrunkHealth {
  readonly state: HealthState;
  /** Epoch ms. */
  readonly since: number;
  /** Probes in a row that speak against the state. */
  readonly against: number;
  /** Of the last probe; null before it. */
  readonly detail: string | null;
}

/** What is known of a trunk after one more probe. The first sign of life is believed at once. */
export function afterProbe(
  health: TrunkHealth,
  answer: ProbeAnswer,
  rules: HealthRules,
  now: number,
): TrunkHealth {
  const { alive, detail } = answer;
  if (alive === (health.state !== 'down')) {
    const since = health.state === 'unknown' ? now : health.since;
    return { state: alive ? 'up' : 'down', since, against: 0, detail };
  }
  const against = health.against + 1;
  return against < (alive ? rules.successes : rules.failures)
    ? { ...health, against, detail }
    : { state: alive ? 'up' : 'down', since: now, against: 0, detail };
}

export interface HealthOptions {
  readonly probe: Probe;
  readonly clock: TrunkClock;
  /** Resolves after so many ms, or at once when the signal is aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0, inclusive, to 1, exclusive. */
  readonly random: () => number;
  readonly rules?: HealthRules;
  /** Hears of every change of a trunk's state. */
  readonly onChange?: (trunkId: string, health: TrunkHealth) => void;
}

/** While results speak against the state, probes follow one another so much faster, but not within a second. */
const IN_DOUBT = 4;
const SHORTEST_MS = 1000;
/** The first probe comes at random within this. */
const FIRST_MS = 2000;

interface Watch {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** Probes each trunk that has an `optionsIntervalSeconds`, one probe of each at a time. */
export class HealthProbes {
  readonly #options: HealthOptions;
  readonly #rules: HealthRules;
  readonly #born: number;
  #trunks: ReadonlyMap<string, Trunk> = new Map();
  readonly #health = new Map<string, TrunkHealth>();
  readonly #watches = new Map<string, Watch>();

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#rules = options.rules ?? HEALTH_RULES;
    this.#born = options.clock.now();
  }

  /**
   * Probes these trunks from now on, and no others. What is known of one is kept when its definition changes, as long
   * as it is reached at the same place.
   */
  watch(trunks: readonly Trunk[]): void {
    const before = this.#trunks;
    const probed = trunks.filter(({ optionsIntervalSeconds }) => optionsIntervalSeconds !== undefined);
    this.#trunks = new Map(probed.map((trunk) => [trunk.id, trunk]));
    for (const id of before.keys()) {
      const trunk = this.#trunks.get(id);
      if (trunk === undefined || wayTo(trunk) !== wayTo(before.get(id))) this.#leave(id);
    }
    for (const id of this.#trunks.keys()) if (!this.#watches.has(id)) this.#begin(id);
  }

  of(trunkId: string): TrunkHealth {
    return this.#health.get(trunkId) ?? { state: 'unknown', since: this.#born, against: 0, detail: null };
  }

  /** Stops all probes and waits until the last of them has settled. */
  async close(): Promise<void> {
    const open = [...this.#watches.values()].map(({ done }) => done);
    this.watch([]);
    await Promise.all(open);
  }

  #begin(id: string): void {
    const stop = new AbortController();
    this.#watches.set(id, { stop, done: this.#probeOn(id, stop.signal) });
  }

  #leave(id: string): void {
    this.#watches.get(id)?.stop.abort();
    this.#watches.delete(id);
    this.#health.delete(id);
  }

  async #probeOn(id: string, signal: AbortSignal): Promise<void> {
    const { wait, random } = this.#options;
    await wait(random() * FIRST_MS, signal);
    for (;;) {
      const trunk = this.#trunks.get(id);
      if (signal.aborted || trunk === undefined) return;
      const answer = await this.#ask(trunk, signal);
      if (signal.aborted) return;
      if (answer !== null) this.#note(id, answer);
      await wait(this.#intervalOf(trunk), signal);
    }
  }

  #note(id: string, answer: ProbeAnswer): void {
    const { clock, onChange } = this.#options;
    const before = this.of(id);
    const after = afterProbe(before, answer, this.#rules, clock.now());
    this.#health.set(id, after);
    if (after.state !== before.state) onChange?.(id, after);
  }

  #intervalOf(trunk: Trunk): number {
    const { random } = this.#options;
    const fullMs = (trunk.optionsIntervalSeconds ?? 0) * 1000;
    const inDoubt = this.of(trunk.id).against > 0;
    const baseMs = inDoubt ? Math.min(fullMs, Math.max(SHORTEST_MS, fullMs / IN_DOUBT)) : fullMs;
    return baseMs * (1 + this.#rules.jitter * (2 * random() - 1));
  }

  /** Never rejects, and settles in time whatever the probe does. */
  async #ask(trunk: Trunk, stopped: AbortSignal): Promise<ProbeAnswer | null> {
    const { probe, wait } = this.#options;
    const over = new AbortController();
    const end = (): void => over.abort();
    stopped.addEventListener('abort', end, { once: true });
    const silence = wait(this.#rules.patienceMs, over.signal).then(
      (): ProbeAnswer => ({ alive: false, detail: 'no response' }),
    );
    const asked = (async () => probe(trunk, over.signal))().catch(
      (error: unknown): ProbeAnswer => ({
        alive: false,
        detail: error instanceof Error ? error.message : String(error),
      }),
    );
    const answer = await Promise.race([asked, silence]);
    end();
    stopped.removeEventListener('abort', end);
    return answer;
  }
}

/** What has to be the same for a probe's answer to hold for both. */
function wayTo(trunk: Trunk | undefined): string {
  const { host, port, transport, outboundProxy } = trunk ?? {};
  return JSON.stringify({ host, port, transport, outboundProxy });
}
