import { LRUCache } from 'lru-cache';
import type { Attempt, AttemptChannel, Call, Disposition } from '../call/call.ts';
import { durations } from '../call/call.ts';
import type { Proof, Verification } from '../verification/verification.ts';
import type { Approvals } from './approval.ts';
import type { Trunk } from './definition.ts';
import { countryPrefix, resultPrefix } from './prefix.ts';

export interface TrunkResultsOptions {
  /** Epoch ms. */
  readonly now: () => number;
  /** As they are configured now: by their prefixes the results are kept apart. */
  readonly trunks: () => readonly Trunk[];
  /** Attempts of a trunk and prefix that are remembered: 20–10,000. */
  readonly attempts?: number;
  /** Verifications that are: 20–10,000. The more, the surer is what they tell, and the longer is it told. */
  readonly verifications?: number;
  /** What is older is forgotten. */
  readonly maxAgeMs?: number;
  /**
   * A verification counts only so long after its call began. Calls to busy lines fail within seconds, and approvals
   * take a minute: were both counted at once, a trunk would look bad whenever its calls begin.
   */
  readonly ripeMs?: number;
}

/** What the remembered attempts of a trunk were like; null where there is nothing to tell it from. */
export interface TrunkFigures {
  /** Attempts of any kind. */
  readonly attempts: number;
  readonly answered: number;
  /** Answer-seizure ratio: answered by attempted, 0 to 1. Of voice calls: a flash call is not to be answered. */
  readonly asr: number | null;
  /** Average duration of answered voice calls. */
  readonly acdMs: number | null;
  /** Post-dial delay: half of the calls, and 19 of 20, were heard to ring within it. */
  readonly pddMs: { readonly p50: number; readonly p95: number } | null;
  /** Verifications that a call of this trunk was to settle. */
  readonly approvals: Approvals & { readonly rate: number | null };
}

/** A number that is to be read off a phone, a code that is said and one that is read fail for different reasons. */
type Channel = AttemptChannel;

/** What a verification says of a trunk. */
export interface Proven {
  readonly trunkId: string;
  /** By which of them it was to be proven; `voice` unless told. */
  readonly channel?: Channel;
  readonly to: string;
  /** Whether it was, so far. */
  readonly approved: boolean;
  /** When its attempt began, epoch ms. */
  readonly at: number;
}

/** What is to be known of a verification. */
export type VerificationResult = Pick<Verification, 'status' | 'approvedBy'>;

interface Seizure {
  readonly at: number;
  readonly voice: boolean;
  readonly answered: boolean;
  readonly pddMs: number | null;
  readonly talkMs: number | null;
}

interface Window {
  readonly trunkId: string;
  readonly prefix: string;
  /** The latest last. */
  readonly seizures: Seizure[];
  readonly verdicts: Verdict[];
  /** Verdicts that do not count yet, in the order in which they will. */
  readonly unripe: { readonly verdict: Verdict; readonly due: number }[];
}

interface Verdict {
  readonly trunkId: string;
  readonly channel: Channel;
  readonly at: number;
  /** Null where it says nothing after all. */
  approved: boolean | null;
}

const ATTEMPTS = 200;
const VERIFICATIONS = 100;
const MAX_AGE_MS = 86_400_000;
/** A call that is answered late, and a code that is typed slowly. */
const RIPE_MS = 120_000;
/** Of a window; more are passed over, approved or not, until some of them count. */
const MAX_UNRIPE = 1000;
/** Windows of trunk, channel and prefix; of more, those that were used longest ago go. Full, they take some 20 MB. */
const MAX_WINDOWS = 1000;
/** Verifications of which something may still be told: as many as 100 calls a second leave in a quarter of an hour. */
const MAX_TOLD = 90_000;

/** Ends that say nothing of a trunk: our faults, and calls that somebody here ended. */
const OURS: readonly (Disposition | null)[] = [null, 'failed', 'interrupted', 'canceled', 'prompt_failed'];

/** The trunk did not carry the call at all: that is a matter of its state, and over when it is back. */
const NOT_CARRIED: readonly (Disposition | null)[] = ['trunk_failure', 'trunk_timeout', 'trunk_auth'];

/**
 * What a verification says of the trunk of the attempt that proved it, or else of the last one; undefined where it says
 * nothing of a trunk: its call is not over, or no trunk has carried its call, or it was canceled before all was said. One
 * that is pending after its call was not approved so far: to wait until it expires would be to learn of a bad trunk ten
 * minutes late. One that is canceled then was not approved either: whoever has heard nothing asks for another call.
 */
export function provenBy(
  { to, attempts }: Pick<Call, 'to' | 'attempts'>,
  { status, approvedBy }: VerificationResult,
): Proven | undefined {
  const approved = status === 'approved';
  const last =
    (approved ? attempts.findLast((one) => mayHave(one, approvedBy)) : undefined) ?? attempts.at(-1);
  if (last === undefined || (status === 'canceled' && !isDelivered(last))) return undefined;
  if (status === 'pending' && last.endedAt === null) return undefined;
  if (!approved && !wasCarried(last)) return undefined;
  return { trunkId: last.trunkId, channel: channelOf(last), to, approved, at: last.startedAt };
}

function channelOf({ channel }: Attempt): Channel {
  return channel ?? 'voice';
}

function mayHave(attempt: Attempt, proof: Proof | null): boolean {
  if (proof === 'caller_id') return channelOf(attempt) === 'flash' && wasReached(attempt);
  if (channelOf(attempt) === 'sms') return attempt.disposition === 'sent' || attempt.disposition === null;
  return channelOf(attempt) === 'voice' && attempt.answeredAt !== null;
}

/** Whether it did all that it was for, as far as our side can tell. */
function isDelivered({ promptFinished, disposition }: Attempt): boolean {
  return promptFinished || disposition === 'rang' || disposition === 'sent';
}

/** One that is still up counts as well: a verification may be final before its call is over. */
function wasCarried(attempt: Attempt): boolean {
  const { disposition } = attempt;
  if (disposition === null || NOT_CARRIED.includes(disposition)) return wasReached(attempt);
  return !OURS.includes(disposition);
}

function wasReached({ ringingAt, answeredAt }: Attempt): boolean {
  return ringingAt !== null || answeredAt !== null;
}

/** What the last calls of each trunk were like, by channel and prefix: in memory, the last ones of a day. */
export class TrunkResults {
  readonly #now: () => number;
  readonly #trunks: () => readonly Trunk[];
  readonly #attempts: number;
  readonly #verifications: number;
  readonly #maxAgeMs: number;
  readonly #ripeMs: number;
  readonly #told = new LRUCache<string, Verdict>({ max: MAX_TOLD });
  readonly #windows = new LRUCache<string, Window>({ max: MAX_WINDOWS });

  constructor({
    now,
    trunks,
    attempts = ATTEMPTS,
    verifications = VERIFICATIONS,
    maxAgeMs = MAX_AGE_MS,
    ripeMs = RIPE_MS,
  }: TrunkResultsOptions) {
    this.#now = now;
    this.#trunks = trunks;
    this.#attempts = attempts;
    this.#verifications = verifications;
    this.#maxAgeMs = maxAgeMs;
    this.#ripeMs = ripeMs;
  }

  /** Takes note of an attempt that has ended; one that says nothing of its trunk is passed over. */
  attempt(to: string, attempt: Attempt): void {
    if (attempt.endedAt === null || OURS.includes(attempt.disposition)) return;
    const { pddMs, talkMs } = durations(attempt);
    const channel = channelOf(attempt);
    const seizure = {
      at: attempt.endedAt,
      voice: channel === 'voice',
      answered: attempt.answeredAt !== null,
      pddMs,
      talkMs,
    };
    keep(this.#window(attempt.trunkId, channel, to).seizures, seizure, this.#attempts);
  }

  /**
   * Takes note of what a verification says (see `provenBy`): when its call has ended, and again whenever more is
   * known. What was told of it last counts.
   */
  verification(id: string, proven: Proven | undefined): void {
    const told = this.#told.get(id);
    if (told !== undefined) {
      const same = told.trunkId === proven?.trunkId && told.channel === (proven.channel ?? 'voice');
      told.approved = same ? proven.approved : null;
      if (same) return;
    }
    if (proven === undefined) return;
    const { trunkId, channel = 'voice', to, approved, at } = proven;
    const window = this.#window(trunkId, channel, to);
    this.#ripen(window);
    const verdict: Verdict = { trunkId, channel, at, approved };
    // One that is passed over stays so: those that are approved are told again, and would have a second chance.
    this.#told.set(id, verdict);
    if (window.unripe.length >= MAX_UNRIPE) return;
    const due = Math.max(at + this.#ripeMs, window.unripe.at(-1)?.due ?? 0);
    window.unripe.push({ verdict, due });
  }

  /** Takes note of ended calls of earlier times, in any order, such as those of the store at the start. */
  restore(
    ended: Iterable<{
      readonly call: Pick<Call, 'to' | 'attempts' | 'verificationId'>;
      readonly verification?: VerificationResult | undefined;
    }>,
  ): void {
    const notes: { readonly at: number; readonly take: () => void }[] = [];
    for (const { call, verification } of ended) {
      for (const attempt of call.attempts)
        notes.push({ at: attempt.endedAt ?? 0, take: () => this.attempt(call.to, attempt) });
      const id = call.verificationId;
      const proven = verification === undefined ? undefined : provenBy(call, verification);
      if (id !== null && proven !== undefined)
        notes.push({ at: proven.at, take: () => this.verification(id, proven) });
    }
    for (const { at, take } of notes.toSorted((a, b) => a.at - b.at)) if (this.#counts(at)) take();
  }

  /** Approvals of each trunk, by its id, for numbers like this one and what is to prove them. */
  approvals(to: string, channel: Channel = 'voice'): (trunkId: string) => Approvals {
    const country = countryPrefix(to);
    return (trunkId) => {
      const prefix = this.#prefixOf(trunkId, to, country);
      const window = this.#windows.get(keyOf(trunkId, channel, prefix));
      return this.#approvals(window === undefined ? [] : [window]);
    };
  }

  /** Of all prefixes of a trunk together, or of one (see `prefixes`). */
  figures(trunkId: string, prefix?: string): TrunkFigures {
    const windows = [...this.#windows.values()].filter(
      (window) => window.trunkId === trunkId && (prefix === undefined || window.prefix === prefix),
    );
    const seizures = windows.flatMap((window) => window.seizures.filter(({ at }) => this.#counts(at)));
    const approvals = this.#approvals(windows);
    return {
      ...seized(seizures),
      approvals: { ...approvals, rate: approvals.of === 0 ? null : approvals.approved / approvals.of },
    };
  }

  /** The prefixes of a trunk of which there are results, in their order. */
  prefixes(trunkId: string): readonly string[] {
    const own = [...this.#windows.values()].filter((window) => window.trunkId === trunkId);
    return [...new Set(own.map(({ prefix }) => prefix))].toSorted();
  }

  #approvals(windows: readonly Window[]): Approvals {
    for (const window of windows) this.#ripen(window);
    const verdicts = windows.flatMap((window) =>
      window.verdicts.filter(({ at, approved }) => approved !== null && this.#counts(at)),
    );
    return { approved: verdicts.filter(({ approved }) => approved).length, of: verdicts.length };
  }

  #ripen({ unripe, verdicts }: Window): void {
    const now = this.#now();
    // The clock was set back: nothing waits longer than it would have.
    const isRipe = ({ due }: { readonly due: number }): boolean => due <= now || due > now + this.#ripeMs;
    const until = unripe.findIndex((one) => !isRipe(one));
    for (const { verdict } of unripe.splice(0, until < 0 ? unripe.length : until)) {
      if (verdict.approved !== null) keep(verdicts, verdict, this.#verifications);
    }
  }

  #counts(at: number): boolean {
    return at > this.#now() - this.#maxAgeMs;
  }

  #prefixOf(trunkId: string, to: string, country?: string): string {
    const trunk = this.#trunks().find(({ id }) => id === trunkId);
    return resultPrefix(trunk, to, country);
  }

  #window(trunkId: string, channel: Channel, to: string): Window {
    const prefix = this.#prefixOf(trunkId, to);
    const key = keyOf(trunkId, channel, prefix);
    const known = this.#windows.get(key);
    if (known !== undefined) return known;
    const window: Window = { trunkId, prefix, seizures: [], verdicts: [], unripe: [] };
    this.#windows.set(key, window);
    return window;
  }
}

function keyOf(trunkId: string, channel: Channel, prefix: string): string {
  return `${trunkId} ${channel} ${prefix}`;
}

/** The last ones, so many at most. */
function keep<T>(list: T[], item: T, most: number): void {
  list.push(item);
  if (list.length > most) list.shift();
}

function seized(seizures: readonly Seizure[]): Omit<TrunkFigures, 'approvals'> {
  const voice = seizures.filter((one) => one.voice);
  const talks = voice.flatMap(({ answered, talkMs }) => (answered && talkMs !== null ? [talkMs] : []));
  const delays = seizures.flatMap(({ pddMs }) => pddMs ?? []).toSorted((a, b) => a - b);
  return {
    attempts: seizures.length,
    answered: seizures.filter(({ answered }) => answered).length,
    asr: voice.length === 0 ? null : voice.filter(({ answered }) => answered).length / voice.length,
    acdMs: talks.length === 0 ? null : talks.reduce((sum, ms) => sum + ms, 0) / talks.length,
    pddMs: delays.length === 0 ? null : { p50: percentile(delays, 0.5), p95: percentile(delays, 0.95) },
  };
}

/** Nearest rank: the smallest of the sorted values that so large a share of them does not exceed. */
function percentile(sorted: readonly number[], share: number): number {
  // 40 × 0.95 is 38, and not a little more.
  return sorted[Math.ceil(sorted.length * share - 1e-9) - 1] ?? 0;
}
