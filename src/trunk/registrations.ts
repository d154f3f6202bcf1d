import type { Engine, PlainAnswer } from '../engine/engine.ts';
import type { TrunkClock } from './clock.ts';
import type { Trunk } from './definition.ts';
import { bindingOf, grantOf, isRefusal, registerRequest, wordsFor } from './register-request.ts';

export interface RegistrationState {
  /**
   * `none`: the trunk wants no registration; `pending`: there was no answer so far; `registered`; `failed`: refused, or
   * not answered until the registration had run out.
   */
  readonly state: 'none' | 'pending' | 'registered' | 'failed';
  /** Epoch ms. */
  readonly since: number;
  /** Epoch ms; where it is `registered`, the end of what was granted, which is renewed long before. Null else. */
  readonly until: number | null;
  /** What came of the last REGISTER, such as `200 OK` or `no response`: for the operator. Null before it. */
  readonly detail: string | null;
}

export interface RegistrationRules {
  /** Before the second try, ms; doubled from try to try. */
  readonly firstPauseMs: number;
  /** The same after a refusal: many registrars lock out who shows wrong credentials too often. */
  readonly refusedPauseMs: number;
  /** No pause is longer, unless the registrar asks for it (Retry-After, up to an hour). */
  readonly maxPauseMs: number;
  /** How long a REGISTER may take: Timer F. */
  readonly patienceMs: number;
  /** How long it may take to take a registration back. */
  readonly farewellMs: number;
}

export const REGISTRATION_RULES: RegistrationRules = {
  firstPauseMs: 2000,
  refusedPauseMs: 30_000,
  maxPauseMs: 300_000,
  patienceMs: 32_000,
  farewellMs: 3000,
};

const MAX_RETRY_AFTER_MS = 3_600_000;
/** A registration is renewed when between these parts of its time are over. */
const RENEW_FROM = 0.5;
const RENEW_TO = 0.9;
/** Whatever was granted: nobody is asked more often. */
const SHORTEST_MS = 1000;

export interface RegistrationsOptions {
  readonly engine: Pick<Engine, 'request'>;
  readonly clock: TrunkClock;
  /** Resolves after so many ms, or at once when the signal is aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0, inclusive, to 1, exclusive. */
  readonly random: () => number;
  readonly rules?: RegistrationRules;
  /** Hears of every change of a trunk's `state`. */
  readonly onChange?: (trunkId: string, registration: RegistrationState) => void;
}

/** One trunk that we register with. */
interface Entry {
  /** As it is configured now. */
  trunk: Trunk;
  state: Exclude<RegistrationState['state'], 'none'>;
  since: number;
  /** When what was granted is over, by `TrunkClock.elapsed`. */
  over: number | undefined;
  detail: string | null;
  /** Tries in a row that failed. */
  failures: number;
  /** The registrar may know us. */
  bound: boolean;
  /** Ends the pause that is being waited for. */
  pause: AbortController;
  readonly stop: AbortController;
  /** Whether the registration is to be taken back at the end. */
  farewell: boolean;
  done: Promise<void>;
}

/** Keeps us registered with each trunk that wants it (RFC 3261 §10.2), one REGISTER of each at a time. */
export class Registrations {
  readonly #options: RegistrationsOptions;
  readonly #rules: RegistrationRules;
  readonly #born: number;
  readonly #entries = new Map<string, Entry>();
  readonly #leaving = new Set<Entry>();

  constructor(options: RegistrationsOptions) {
    this.#options = options;
    this.#rules = options.rules ?? REGISTRATION_RULES;
    this.#born = options.clock.now();
  }

  /**
   * Registers with these trunks from now on, and with no others: a registration with one that is gone, or is somewhere
   * else now, is taken back. Those that failed are tried again at once, since their credentials may be other ones.
   */
  watch(trunks: readonly Trunk[]): void {
    const wanted = new Map(
      trunks.filter(({ register }) => register !== undefined).map((one) => [one.id, one]),
    );
    const bindings = new Set([...wanted.values()].map(bindingOf));
    for (const [id, entry] of this.#entries) {
      const trunk = wanted.get(id);
      if (trunk === undefined || bindingOf(trunk) !== bindingOf(entry.trunk))
        this.#leave(id, entry, bindings);
      else entry.trunk = trunk;
      if (entry.state === 'failed') entry.pause.abort();
    }
    for (const trunk of wanted.values()) if (!this.#entries.has(trunk.id)) this.#begin(trunk);
  }

  of(trunkId: string): RegistrationState {
    const entry = this.#entries.get(trunkId);
    if (entry === undefined) return { state: 'none', since: this.#born, until: null, detail: null };
    this.#expire(trunkId, entry);
    const { state, since, over, detail } = entry;
    const { now, elapsed } = this.#options.clock;
    const until = over === undefined ? null : Math.ceil(now() + over - elapsed());
    return { state, since, until, detail };
  }

  /** Takes all registrations back, and waits until that is done or has taken too long. The engine has to be there. */
  async close(): Promise<void> {
    this.watch([]);
    await Promise.all([...this.#leaving].map(({ done }) => done));
  }

  #begin(trunk: Trunk): void {
    const entry: Entry = {
      trunk,
      state: 'pending',
      since: this.#options.clock.now(),
      over: undefined,
      detail: null,
      failures: 0,
      bound: false,
      pause: new AbortController(),
      stop: new AbortController(),
      farewell: false,
      done: Promise.resolve(),
    };
    // What is still being taken back may be the same address: the registrar has to hear of that first.
    const before = [...this.#leaving].map(({ done }) => done);
    this.#entries.set(trunk.id, entry);
    entry.done = this.#keep(trunk.id, entry, Promise.all(before));
  }

  /** @param bindings of the trunks that stay: two may be one account, and then it goes on */
  #leave(id: string, entry: Entry, bindings: ReadonlySet<string>): void {
    entry.farewell = !bindings.has(bindingOf(entry.trunk));
    this.#entries.delete(id);
    this.#leaving.add(entry);
    entry.stop.abort();
    entry.pause.abort();
    void entry.done.finally(() => this.#leaving.delete(entry));
  }

  /** Never rejects. */
  async #keep(id: string, entry: Entry, before: Promise<unknown>): Promise<void> {
    const { signal } = entry.stop;
    await before;
    while (!signal.aborted) {
      const { trunk } = entry;
      const asked = trunk.register?.expiresSeconds ?? 0;
      const answer = await this.#ask(trunk, asked, this.#rules.patienceMs, signal);
      const granted = grantOf(answer, asked);
      // A request that was not answered may have arrived all the same.
      entry.bound ||= granted !== undefined || answer.kind === 'no_response';
      if (signal.aborted) break;
      if (granted === undefined) await this.#failed(id, entry, answer);
      else await this.#registered(id, entry, granted, wordsFor(answer));
    }
    if (entry.farewell && entry.bound) await this.#ask(entry.trunk, 0, this.#rules.farewellMs);
  }

  /** Until it has to be renewed. */
  async #registered(id: string, entry: Entry, seconds: number, detail: string): Promise<void> {
    const { clock, random } = this.#options;
    entry.failures = 0;
    entry.over = clock.elapsed() + seconds * 1000;
    entry.detail = detail;
    this.#become(id, entry, 'registered');
    const part = RENEW_FROM + (RENEW_TO - RENEW_FROM) * random();
    await this.#pause(id, entry, Math.max(SHORTEST_MS, seconds * 1000 * part));
  }

  /** Until the next try. What was granted before holds on, unless the registrar itself said no. */
  async #failed(id: string, entry: Entry, answer: PlainAnswer): Promise<void> {
    const { random } = this.#options;
    const { firstPauseMs, refusedPauseMs, maxPauseMs } = this.#rules;
    const refused = isRefusal(answer);
    entry.detail = wordsFor(answer);
    this.#expire(id, entry);
    if (refused) entry.over = undefined;
    if (entry.over === undefined) this.#become(id, entry, 'failed');
    const baseMs = (refused ? refusedPauseMs : firstPauseMs) * 2 ** Math.min(entry.failures++, 20);
    const ownMs = Math.min(baseMs, maxPauseMs) * (0.75 + random() / 2);
    const askedMs = answer.kind === 'response' ? (answer.sip.retryAfterSeconds ?? 0) * 1000 : 0;
    await this.#pause(id, entry, Math.max(ownMs, Math.min(askedMs, MAX_RETRY_AFTER_MS)));
  }

  /** Tells of a registration that runs out meanwhile when it does. */
  async #pause(id: string, entry: Entry, ms: number): Promise<void> {
    const { clock, wait } = this.#options;
    if (entry.stop.signal.aborted) return;
    const pause = new AbortController();
    entry.pause = pause;
    const leftMs = entry.over === undefined ? ms : Math.min(ms, entry.over - clock.elapsed());
    await wait(leftMs, pause.signal);
    if (pause.signal.aborted) return;
    this.#expire(id, entry);
    if (leftMs < ms) await wait(ms - leftMs, pause.signal);
  }

  #expire(id: string, entry: Entry): void {
    const { elapsed } = this.#options.clock;
    if (entry.over === undefined || entry.over > elapsed()) return;
    entry.over = undefined;
    entry.bound = false;
    this.#become(id, entry, 'failed');
  }

  #become(id: string, entry: Entry, state: Entry['state']): void {
    if (entry.state === state) return;
    entry.state = state;
    entry.since = this.#options.clock.now();
    this.#options.onChange?.(id, this.of(id));
  }

  /** Never rejects, and settles in time whatever the engine does. */
  async #ask(trunk: Trunk, seconds: number, patienceMs: number, stopped?: AbortSignal): Promise<PlainAnswer> {
    const { engine, wait } = this.#options;
    const over = new AbortController();
    const end = (): void => over.abort();
    stopped?.addEventListener('abort', end, { once: true });
    const silence = wait(patienceMs, over.signal).then((): PlainAnswer => ({ kind: 'no_response' }));
    const asked = (async () => engine.request(registerRequest(trunk, seconds), over.signal))().catch(
      (error: unknown): PlainAnswer => ({
        kind: 'failed',
        detail: error instanceof Error ? error.message : String(error),
      }),
    );
    const answer = await Promise.race([asked, silence]);
    end();
    stopped?.removeEventListener('abort', end);
    return answer;
  }
}
