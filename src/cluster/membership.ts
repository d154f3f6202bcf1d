import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { insist } from '../call/persistence.ts';
import type { RedisClient } from '../redis/script.ts';
import { timeLimit } from '../time-limit.ts';
import type { Survey } from './node-register.ts';
import { NodeRegister } from './node-register.ts';
import type { Look, Still } from './observations.ts';
import { Observations } from './observations.ts';

export type ClusterLog = Pick<Logger, 'info' | 'warn' | 'error'>;

export interface MembershipOptions {
  /** Its commands end within a second or two, also where Redis is away; its pauses between two connections are well below `leaseMs`. */
  readonly client: RedisClient;
  readonly prefix: string;
  /** What the operator calls this process; no two at a time. */
  readonly name: string;
  /** How long a process may stand still before the others give it up: 100 ms or more. Default: 10 s. */
  readonly leaseMs?: number;
  /** Between two beats: a fifth of the lease at most. Default: a tenth. */
  readonly beatMs?: number;
  /** Milliseconds since some moment; never set, and goes on while the process is stopped. */
  readonly elapsed?: () => number;
  readonly log: ClusterLog;
}

export interface MembershipEvents {
  /**
   * A process is no more: its calls are to be taken over. Called by every process that sees it, again after an error, and
   * once more a lease later, since what was under way may be stored under that token a moment after it was given up.
   */
  dead(token: string): Promise<void>;
  /**
   * This process was given up, and others may carry its calls: it has another token now. Must return at once. `isTrusted`
   * is false from the moment in which that may have happened until after this has returned.
   */
  lost(token: string): void;
}

/** A process as a page for operators shows it. */
export interface KnownNode {
  readonly token: string;
  readonly state: 'self' | 'beating' | 'gone';
  /** For how long it has not been seen to beat; null where it is no more. */
  readonly stillMs: number | null;
}

/** Another process of the same name is there, and beats. Of two that start at the same moment, none does. */
export class NameTaken extends Error {
  constructor(name: string) {
    super(`another process is called "${name}": each needs a name of its own (cluster.node)`);
    this.name = 'NameTaken';
  }
}

/** Between two beats, a process may be late by so many beats before it cannot say what happened meanwhile. */
const GAP_BEATS = 2.5;
/** Another process of our name that does not beat within this is no more. */
const RIVAL_BEATS = 2.5;
/** Part of the lease at the end of which a process trusts itself no more. */
const MARGIN = 0.2;
const DEFAULT_LEASE_MS = 10_000;
const SHORTEST_LEASE_MS = 100;
const MIN_BEATS = 5;
/** How many leases long a process that stood still is told that it was given up. */
const KEEP_LEASES = 10;
/** How long the start waits for a Redis that is away. */
const START_MS = 60_000;
/** A process that outlives more of the others asks once more about the oldest. */
const MAX_GONE = 10_000;

/**
 * Knows which processes share a Redis, by beats that they count there. No clock of two machines is compared: a process
 * is no more to us when its beats stood still for the lease, by our monotonic clock, while our own went through without
 * a gap. So an outage of Redis, or of us, kills nobody. Whoever sees that writes it down, on condition that the
 * other one has not beaten since. From then on it is true for all, and the other one learns it by its next beat.
 *
 * What it can promise of a process that stood still: `isTrusted` is false from its first instruction on when it goes on,
 * and until `lost` has returned or Redis has said that nobody gave it up. It cannot stop what was asked of `isTrusted` just
 * before it stood still: that is why the store writes nothing for who does not carry a call any more. Nor does it know
 * of a Redis that was cut off from its replicas and still answers, unless that refuses (min-replicas-to-write).
 */
export class Membership {
  readonly #options: Required<Pick<MembershipOptions, 'leaseMs' | 'beatMs' | 'elapsed'>> & MembershipOptions;
  readonly #register: NodeRegister;
  readonly #observations: Observations;
  readonly #gone = new Set<string>();
  readonly #over = new AbortController();
  #events: MembershipEvents | undefined;
  #token: string;
  /** When the last beat that went through was sent; undefined: we are not there, or not any more. */
  #beatenAt: number | undefined;
  #blind = false;

  /** @throws RangeError */
  constructor(options: MembershipOptions) {
    const { leaseMs = DEFAULT_LEASE_MS, elapsed = () => performance.now() } = options;
    const { beatMs = leaseMs / 10 } = options;
    if (leaseMs < SHORTEST_LEASE_MS || beatMs > leaseMs / MIN_BEATS) {
      throw new RangeError(`a lease has ${SHORTEST_LEASE_MS} ms and ${MIN_BEATS} beats at least`);
    }
    this.#options = { ...options, leaseMs, beatMs, elapsed };
    this.#register = new NodeRegister({ ...options, keepGoneMs: KEEP_LEASES * leaseMs });
    this.#observations = new Observations({ patienceMs: leaseMs, gapMs: GAP_BEATS * beatMs });
    this.#token = newToken(options.name);
    // A pause for each process that has died of late.
    setMaxListeners(0, this.#over.signal);
  }

  /** What this process is called now. */
  get token(): string {
    return this.#token;
  }

  /**
   * Makes this process known and begins to watch the others. Where another one of its name was known, it resolves when
   * that is no more, and with that known here.
   *
   * A Redis that goes away meanwhile is waited for, for a minute.
   *
   * @throws NameTaken; StoreLost
   */
  async start(events: MembershipEvents): Promise<void> {
    this.#events = events;
    const { survey, look } = await this.#insist(() => this.#ask(() => this.#register.register(this.#token)));
    this.#beatenAt = look.askedAt;
    try {
      await this.#outlive(survey, look);
    } catch (error) {
      await this.leave();
      throw error;
    }
    void this.#keepBeating();
  }

  /**
   * Whether a process may still carry calls. One that is not known is waited for, for the length of the lease, and
   * then it is no more, like one that stood still.
   */
  isAlive(token: string): boolean {
    if (token === this.#token) return true;
    if (this.#gone.has(token)) return false;
    this.#observations.expect(token, this.#options.elapsed());
    return true;
  }

  /** Whether nobody can have given this process up, with a margin of a fifth of the lease: asks its own clock only. */
  isTrusted(): boolean {
    const { leaseMs, elapsed } = this.#options;
    return this.#beatenAt !== undefined && elapsed() - this.#beatenAt < leaseMs * (1 - MARGIN);
  }

  /** This process, those that may be alive, and the latest of those that are no more. */
  known(): readonly KnownNode[] {
    const now = this.#options.elapsed();
    const self: KnownNode = {
      token: this.#token,
      state: 'self',
      stillMs: this.#beatenAt === undefined ? null : now - this.#beatenAt,
    };
    const others = [...this.#observations.stillMs(now)].map(
      ([token, stillMs]): KnownNode => ({ token, state: 'beating', stillMs }),
    );
    const gone = [...this.#gone].map((token): KnownNode => ({ token, state: 'gone', stillMs: null }));
    return [self, ...others.filter(({ token }) => token !== this.#token), ...gone];
  }

  /** Says that this process ends, so that nobody waits for it; beats no more. Never rejects: else it is given up in time. */
  async leave(): Promise<void> {
    this.close();
    try {
      await this.#register.leave(this.#token);
    } catch (err) {
      this.#options.log.warn({ err }, 'the other nodes cannot be told that this one ends');
    }
  }

  /** Beats no more and calls nobody any more. */
  close(): void {
    this.#beatenAt = undefined;
    this.#over.abort();
  }

  async #keepBeating(): Promise<void> {
    const { beatMs, elapsed } = this.#options;
    for (let next = elapsed() + beatMs; !this.#isOver; next = Math.max(next + beatMs, elapsed())) {
      await this.#pause(next - elapsed());
      if (!this.#isOver) await this.#beat();
    }
  }

  async #beat(): Promise<void> {
    const { log } = this.#options;
    try {
      const { survey, look } = await this.#ask(() => this.#register.beat(this.#token));
      if (this.#isOver) return;
      if (survey.standing === 'beating') this.#beatenAt = look.askedAt;
      else await this.#comeBack(survey.standing);
      await this.#takeIn(survey, look);
      if (this.#blind) log.info({}, 'the other nodes can be seen again');
      this.#blind = false;
    } catch (err) {
      if (!this.#blind && !this.#isOver) log.warn({ err }, 'the other nodes cannot be seen');
      this.#blind = true;
    }
  }

  /** Redis does not know us. Nobody can have given us up within the lease, nor where Redis has lost what was said of us. */
  async #comeBack(standing: Exclude<Survey['standing'], 'beating'>): Promise<void> {
    const { leaseMs, elapsed } = this.#options;
    const recent = this.#beatenAt !== undefined && elapsed() - this.#beatenAt < leaseMs;
    if (standing === 'new_era' || (standing === 'forgotten' && recent)) {
      const { look } = await this.#ask(() => this.#register.register(this.#token));
      if (!this.#isOver) this.#beatenAt = look.askedAt;
    } else {
      this.#beatenAt = undefined;
      await this.#beginAnew();
    }
  }

  async #beginAnew(): Promise<void> {
    const { name, log } = this.#options;
    const before = this.#token;
    const token = newToken(name);
    const { look } = await this.#ask(() => this.#register.register(token, before));
    if (this.#isOver) return;
    log.warn(
      { before, token },
      'this node stood still for so long that the others gave it up: it begins anew',
    );
    this.#token = token;
    try {
      this.#events?.lost(token);
    } catch (err) {
      log.error({ err }, 'a fault while this node began anew');
    }
    this.#beatenAt = look.askedAt;
    // Also ours to look after: what was accepted under it until now, nobody else would find.
    this.#bid(before);
  }

  /** What a survey says of the others. */
  async #takeIn({ beats, gone }: Survey, look: Look): Promise<void> {
    for (const token of gone) {
      if (this.#gone.has(token) || token === this.#token) continue;
      this.#options.log.info({ node: token }, 'a node has ended, or was given up');
      this.#bid(token);
    }
    for (const one of this.#observations.see(beats, look)) {
      if (one.token === this.#token) continue;
      if (this.#gone.has(one.token)) this.#observations.forget(one.token);
      else if (await this.#bury(one))
        this.#options.log.warn({ node: one.token }, 'a node stood still for too long, and is given up');
    }
  }

  async #bury({ token, beats }: Still): Promise<boolean> {
    const isOver = await this.#register.bury(token, beats);
    // Where it has beaten just now, the next look shows it.
    if (isOver && !this.#isOver) this.#bid(token);
    return isOver;
  }

  /** Waits until all others of our name are no more. @throws NameTaken */
  async #outlive(first: Survey, firstLook: Look): Promise<void> {
    const { name, beatMs } = this.#options;
    const isRival = (token: string): boolean => token !== this.#token && nameOf(token) === name;
    const rivals = new Map([...first.beats].filter(([token]) => isRival(token)));
    const watch = new Observations({ patienceMs: RIVAL_BEATS * beatMs, gapMs: GAP_BEATS * beatMs });
    watch.see(rivals, firstLook);
    await this.#insist(() => this.#takeIn(first, firstLook));
    const lookAgain = async (): Promise<void> => {
      const { survey, look } = await this.#ask(() => this.#register.beat(this.#token));
      for (const token of survey.gone) rivals.delete(token);
      for (const [token, beats] of rivals) {
        const now = survey.beats.get(token);
        if (now === undefined) rivals.delete(token);
        else if (now !== beats) throw new NameTaken(name);
      }
      for (const one of watch.see(rivals, look)) {
        if (!rivals.delete(one.token)) continue;
        if (!(await this.#bury(one))) throw new NameTaken(name);
        this.#options.log.warn({ node: one.token }, 'an earlier process of this name is no more');
      }
      if (survey.standing === 'beating') this.#beatenAt = look.askedAt;
      await this.#takeIn(survey, look);
    };
    while (rivals.size > 0 && !this.#isOver) {
      await this.#pause(beatMs / 2);
      await this.#insist(lookAgain);
    }
  }

  /** For the start: whoever has not joined yet has no calls that would not wait. */
  #insist<T>(work: () => Promise<T>): Promise<T> {
    return insist(work, () => timeLimit(START_MS, this.#over.signal));
  }

  /** A token is no more: says so until somebody has dealt with it. */
  #bid(token: string): void {
    this.#gone.add(token);
    this.#observations.forget(token);
    for (const oldest of this.#gone) {
      if (this.#gone.size <= MAX_GONE) break;
      this.#gone.delete(oldest);
    }
    void this.#tell(token).then(() => this.#pause(this.#options.leaseMs).then(() => this.#tell(token)));
  }

  async #tell(token: string): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#events?.dead(token);
        return;
      } catch (err) {
        this.#options.log.warn(
          { err, node: token },
          'the calls of a node that is no more are taken over later',
        );
      }
      await this.#pause(this.#options.beatMs);
    }
  }

  async #ask(question: () => Promise<Survey>): Promise<{ survey: Survey; look: Look }> {
    const { elapsed } = this.#options;
    const askedAt = elapsed();
    const survey = await question();
    return { survey, look: { askedAt, heardAt: elapsed() } };
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted;
  }

  /** Ends early where all is over. */
  async #pause(ms: number): Promise<void> {
    await sleep(Math.max(0, ms), undefined, { signal: this.#over.signal }).catch(() => undefined);
  }
}

function newToken(name: string): string {
  return `${name}.${randomBytes(6).toString('hex')}`;
}

/** Names may have dots, as those of machines do. */
function nameOf(token: string): string {
  return token.slice(0, token.lastIndexOf('.'));
}
