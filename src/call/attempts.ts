import type { CallEvent, Codec, Engine, LegEnd, LegWire } from '../engine/engine.ts';
import { AppError } from '../errors.ts';
import { NO_MARKS } from '../prompt/delivered.ts';
import { timeLimit } from '../time-limit.ts';
import type { BreakerPass } from '../trunk/breaker.ts';
import { verdictOf } from '../trunk/breaker.ts';
import type { Capacity, Permit } from '../trunk/capacity.ts';
import type { Trunk } from '../trunk/definition.ts';
import type { OpeningPorts } from '../trunk/openings.ts';
import { Moved, openings } from '../trunk/openings.ts';
import { retryOf } from '../trunk/retry.ts';
import type { Candidate, Route } from '../trunk/route.ts';
import { candidates } from '../trunk/route.ts';
import type { Routing } from '../trunk/routing.ts';
import type { TrunkStates } from '../trunk/trunk-states.ts';
import type { Vault } from '../verification/vault.ts';
import type { AttemptContext } from './apply.ts';
import type { Attempt, Call } from './call.ts';
import { withHiddenCaller, withHiddenCode } from './hidden-caller.ts';
import type { CallLog } from './log.ts';
import type { Outcome } from './outcome.ts';
import { historyOf, judge } from './outcome.ts';
import { insist } from './persistence.ts';
import type { PlannedLeg, PlannedText } from './plan.ts';
import { plan, planTexts, withOtherCodecs } from './plan.ts';
import type { CallRecord } from './record.ts';
import { Superseded } from './record.ts';
import type { Round, RoundSpeech } from './round.ts';
import { withSealedLeftover } from './sealed-leftover.ts';

export interface AttemptSettings {
  /** How long an INVITE waits for a store that is unavailable. */
  readonly storePatienceMs: number;
  /** Legs of one round at most, whatever the number of trunks. */
  readonly maxAttempts: number;
  /** No further trunk is tried once this has passed since the round began. */
  readonly deadlineMs: number;
  /** From the INVITE of one attempt to its answer: with `deadlineMs` it bounds the time until a call is answered or over. */
  readonly attemptTimeoutMs: number;
  /** How long the first attempt may wait for room on a trunk. */
  readonly queueMs: number;
  /** How long a trunk without room is waited for as long as there is another one. */
  readonly nextTrunkMs: number;
  /** See `LegTimeouts`. */
  readonly maxCallMs: number;
  readonly lingerMs: number;
}

export interface AttemptPorts {
  readonly engine: Engine;
  readonly vault: Pick<Vault, 'seal'>;
  readonly routing: Pick<Routing, 'find' | 'trunks'>;
  readonly capacity: Pick<Capacity, 'acquire' | 'occupy' | 'shared'>;
  readonly states: Pick<TrunkStates, 'begin' | 'rest'>;
  readonly now: () => number;
  readonly log: CallLog;
  /**
   * Whether nobody can have given this process up for dead: false where it has not been heard of for so long that
   * others may carry its calls by now.
   */
  readonly isTrusted: () => boolean;
  /** What this process is called now among those that share the store. */
  readonly token: () => string;
  readonly settings: AttemptSettings;
  /** Hears under which SIP Call-ID each attempt goes, before its INVITE. */
  readonly onLeg: (callId: string, sipCallId: string) => void;
  /** Hears of every attempt that is over: it is the call's last one. */
  readonly onAttempt: (call: Call) => void;
}

export type Result = Pick<Outcome, 'disposition' | 'blame'>;

export const FAILED: Result = { disposition: 'failed', blame: 'us' };
export const CANCELED: Result = { disposition: 'canceled', blame: 'none' };
/** There was no room on any trunk in time. */
const NO_ROOM: Result = { disposition: 'capacity', blame: 'us' };

/** Priority of all calls alike; see `CapacityWish`. */
const PRIORITY = 5;

/** A permit that this process got for a call which another one had waited with. */
export interface InHand {
  readonly trunkId: string;
  readonly permit: Permit;
}

export interface AttemptOptions {
  /** Ends the attempt that is under way, and the waiting for the next one. */
  readonly signal: AbortSignal;
  /** Ends the waiting for the next attempt only: another process is to carry on. */
  readonly left: AbortSignal;
  readonly inHand?: InHand | undefined;
  /** Hears of right keys where they approve the verification. */
  readonly onGateOpened: () => void;
}

/** Where nothing is made ready before there is a permit. */
const UNSAID: RoundSpeech = { prompt: null };

/** A leg, or a text message, by one trunk. */
type Planned = PlannedLeg | PlannedText;

/** What was lent for one attempt. */
interface Lent {
  readonly way: Candidate;
  readonly permit: Permit;
  readonly pass: BreakerPass;
}

/** The attempts of one round of a call: on one trunk after the other, as the route has them and as there is room. */
export class Attempts {
  readonly #ports: AttemptPorts;
  readonly #record: CallRecord;
  readonly #options: AttemptOptions;

  constructor(ports: AttemptPorts, record: CallRecord, options: AttemptOptions) {
    this.#ports = ports;
    this.#record = record;
    this.#options = options;
  }

  get #signal(): AbortSignal {
    return this.#options.signal;
  }

  get #call(): Call {
    return this.#record.call;
  }

  /**
   * Those that are left of the round: an earlier process may have made some of it.
   *
   * @param prepare makes ready what is said, once: before a trunk is waited for, or where another process may get the
   *   call meanwhile, when there is a permit
   * @throws Superseded; Moved; StoreLost before an INVITE; what `prepare` throws
   */
  async carry(round: Round, prepare: () => Promise<RoundSpeech>): Promise<Result> {
    const { settings, capacity } = this.#ports;
    let speech = capacity.shared ? undefined : await prepare();
    const found = this.#routeOf(round);
    let legs = this.#legs(found, round, speech ?? UNSAID);
    if (legs.size === 0) return FAILED;
    const before = this.#attemptsOf(round);
    const { leftMs, begunLater } = this.#times(round);
    let result = resultOf(before.at(-1));
    let refused = before.flatMap(({ trunkId, disposition }) =>
      disposition === 'media_rejected' ? codecsOf(legs.get(trunkId)) : [],
    );
    const ways = this.#waysLeft(found, legs, before);
    this.#releaseUnused(ways);
    const terms = {
      callId: this.#call.id,
      priority: PRIORITY,
      nextTrunkMs: settings.nextTrunkMs,
      leftMs,
    };
    if (leftMs() <= 0) return result ?? FAILED;
    const { left } = this.#options;
    const waiting = AbortSignal.any([this.#signal, left]);
    for await (const lent of openings(ways, terms, this.#openingPorts, waiting)) {
      if (waiting.aborted || (result !== undefined && leftMs() <= 0)) break;
      if (speech === undefined) {
        speech = await prepare();
        legs = this.#legs(found, round, speech);
      }
      const planned = legs.get(lent.way.trunkId);
      if (planned === undefined || waiting.aborted) break;
      const one = 'leg' in planned ? { ...planned, leg: withOtherCodecs(planned.leg, refused) } : planned;
      const outcome = await this.#attempt(one, lent, round, speech);
      result = outcome;
      refused = outcome.disposition === 'media_rejected' ? [...refused, ...codecsOf(one)] : refused;
      if (outcome.retry === 'never') return result;
      if (this.#attemptsOf(round).length >= settings.maxAttempts) return result;
      // So that whoever gets room for it next knows that this attempt is over.
      if (capacity.shared) await this.#record.keep();
      begunLater();
    }
    if (left.aborted) throw new Moved();
    if (this.#signal.aborted) return CANCELED;
    return result ?? NO_ROOM;
  }

  /** Rounds of one call differ in what they are to prove. */
  #attemptsOf({ channel }: Round): readonly Attempt[] {
    return this.#call.attempts.filter((attempt) => (attempt.channel ?? 'voice') === channel);
  }

  /** How long the call may still wait for its next attempt: a code that nobody could check any more is not said. */
  #times(round: Round): { leftMs: () => number; begunLater: () => void } {
    const { settings, now } = this.#ports;
    const before = this.#attemptsOf(round);
    const isFirst = before.length === this.#call.attempts.length;
    const begunAt = isFirst ? this.#call.createdAt : (before[0]?.startedAt ?? now());
    const lastMoment = Math.min(round.until, begunAt + settings.deadlineMs);
    let until = before.length > 0 ? lastMoment : Math.min(round.until, now() + settings.queueMs);
    return {
      leftMs: () => until - now(),
      begunLater: () => {
        until = lastMoment;
      },
    };
  }

  /** Trunks that were not tried; the one whose permit is in hand is the first. */
  #waysLeft(found: Route, legs: ReadonlyMap<string, Planned>, before: readonly Attempt[]): Route {
    const tried = new Set(before.map(({ trunkId }) => trunkId));
    const ways = found.filter(
      ({ trunkId, place }) => !tried.has(trunkId) && (place === null || legs.has(trunkId)),
    );
    const first = this.#options.inHand?.trunkId;
    return ways.toSorted((a, b) => Number(b.trunkId === first) - Number(a.trunkId === first));
  }

  /** Room on a trunk that this process would not take, as its breaker may say, is not kept from others. */
  #releaseUnused(ways: Route): void {
    const { inHand } = this.#options;
    const isOfUse = candidates(ways).some(({ trunkId }) => trunkId === inHand?.trunkId);
    if (!isOfUse) inHand?.permit.release();
  }

  /** Room that is there already is not waited for. */
  get #openingPorts(): OpeningPorts {
    const { capacity, states } = this.#ports;
    let { inHand } = this.#options;
    const acquire: Capacity['acquire'] = async (wish, signal) => {
      if (inHand?.trunkId !== wish.trunkId) return capacity.acquire(wish, signal);
      const { permit } = inHand;
      inHand = undefined;
      return { kind: 'permit', permit };
    };
    return { capacity: { acquire }, states };
  }

  #routeOf({ flash, channel }: Round): Route {
    const { to, wishes } = this.#call;
    return this.#ports.routing.find({
      to,
      carrierId: flash?.trunkId ?? wishes.trunkId,
      cli: flash === undefined ? wishes.cli : null,
      channel,
    });
  }

  /** By the id of their trunk. */
  #legs(found: Route, round: Round, speech: RoundSpeech): ReadonlyMap<string, Planned> {
    const { settings, routing } = this.#ports;
    const { flash, detection, text } = round;
    const { id: callId, to, wishes } = this.#call;
    const trunks = candidates(found).flatMap(({ trunkId }) => trunkOf(routing.trunks, trunkId));
    if (text !== undefined) return byTrunk(planTexts({ callId, to, trunks, wishes, body: text.body }));
    const planned = plan({
      callId,
      to,
      trunks,
      wishes,
      ...(flash === undefined ? {} : { flash }),
      ...(speech.gate === undefined ? {} : { gate: speech.gate }),
      ...(speech.repeat === undefined ? {} : { repeat: speech.repeat }),
      ...(detection === undefined ? {} : { detection }),
      prompt: speech.prompt?.speech ?? null,
      timeouts: {
        attemptMs: settings.attemptTimeoutMs,
        maxCallMs: settings.maxCallMs,
        lingerMs: settings.lingerMs,
      },
    });
    return byTrunk(planned);
  }

  #events(planned: Planned, wire: LegWire): AsyncGenerator<CallEvent, void, undefined> {
    const { engine } = this.#ports;
    return 'text' in planned
      ? engine.message(planned.text, this.#signal, wire)
      : engine.originate(planned.leg, this.#signal, wire);
  }

  /** One leg, or one text message. The engine is asked for the next event only when this one is dealt with. */
  async #attempt(
    planned: Planned,
    { way, permit, pass }: Lent,
    round: Round,
    speech: RoundSpeech,
  ): Promise<Outcome> {
    const { log, onLeg, onAttempt } = this.#ports;
    const { trunk, cli } = planned;
    const context = this.#contextOf(planned, way, round, speech);
    let end: LegEnd | undefined;
    const over = permit.keep();
    const wire = { sent: () => permit.sent(), over };
    for await (const told of this.#events(planned, wire)) {
      const event = this.#withoutSecrets(told, cli, round);
      if (event.type === 'gate_opened' && round.confirms) this.#options.onGateOpened();
      if (event.type === 'trying' && event.sipCallId !== undefined) onLeg(this.#call.id, event.sipCallId);
      await this.#record.take(event, context);
      // An INVITE leaves when the event after this one is asked for.
      if (event.type === 'trying') await this.#mayDial(() => permit.moment(this.#signal));
      if (event.type === 'again') await this.#mayDial(() => permit.again(this.#signal));
      if (event.type === 'trying' || event.type === 'again') permit.leaving();
      if (event.type === 'ringing' || event.type === 'answered') pass.end('carries');
      if (event.type === 'ended') end = event.end;
    }
    const attempt = this.#call.attempts.at(-1);
    if (end === undefined || attempt === undefined) throw new Error('the engine left a leg without an end');
    pass.end(verdictOf(attempt));
    this.#heedRest(trunk, end);
    onAttempt(this.#call);
    const judged = judge(end, historyOf(this.#call, trunk.retryRejected));
    const retry = retryOf(trunk, {
      retry: judged.retry,
      disposition: judged.disposition,
      status: attempt.sipStatus,
      rang: attempt.ringingAt !== null,
    });
    const outcome = { ...judged, retry };
    log.info({ callId: this.#call.id, trunkId: trunk.id, end: end.kind, ...outcome }, 'an attempt is over');
    return outcome;
  }

  /**
   * Waits for the moment of an INVITE. After that the call must still be ours: whoever stood still for long may have
   * been given up for dead, and its calls with it.
   *
   * @throws Superseded; StoreLost
   */
  async #mayDial(moment: () => Promise<void>): Promise<void> {
    const { isTrusted, token, settings } = this.#ports;
    const { storePatienceMs } = settings;
    const patience = (): AbortSignal => timeLimit(storePatienceMs, this.#signal);
    await insist(moment, patience);
    while (!isTrusted()) {
      await insist(async () => {
        if (!isTrusted()) throw new AppError('store_unavailable');
      }, patience);
      await insist(() => this.#record.confirm(), patience);
      // Whoever stood still may have had its moment long ago.
      await insist(moment, patience);
    }
    // Trusted again, but under another name: the call is anybody's.
    const { node } = this.#call;
    if (node !== null && node !== token()) throw new Superseded();
  }

  #contextOf(planned: Planned, way: Candidate, { channel }: Round, { prompt }: RoundSpeech): AttemptContext {
    const { trunk, cli } = planned;
    // A prefix has a price by the minute.
    const { price, currency } = channel === 'sms' ? {} : (way.served ?? {});
    return {
      trunkId: trunk.id,
      channel,
      cli: channel === 'flash' ? this.#shown(cli) : cli,
      marks: prompt?.marks ?? NO_MARKS,
      rate: price === undefined || currency === undefined ? null : { ...price, currency },
      ...('text' in planned ? { textCharge: planned.charge } : {}),
      route: { ...way },
    };
  }

  /** The event as it may be recorded. */
  #withoutSecrets(told: CallEvent, cli: string, { channel, text }: Round): CallEvent {
    if (text !== undefined) return withHiddenCode(told, text.code);
    if (channel !== 'flash') return told;
    return withHiddenCaller(withSealedLeftover(told, this.#call.id, this.#ports.vault), cli);
  }

  /** What the record of a flash call may show of its calling number. */
  #shown(cli: string): string {
    const hidden = this.#call.wishes.flash?.hiddenDigits ?? cli.length;
    return cli.slice(0, -hidden) + '•'.repeat(hidden);
  }

  /** Retry-After (RFC 3261 §21.5.4): other calls spare this trunk for so long, where there is another one. */
  #heedRest({ id }: Trunk, end: LegEnd): void {
    if (end.kind !== 'rejected' || end.sip.status < 500 || end.sip.status >= 600) return;
    this.#ports.states.rest(id, end.sip.retryAfterSeconds ?? 0);
  }
}

function resultOf(attempt: Attempt | undefined): Result | undefined {
  if (attempt === undefined || attempt.disposition === null || attempt.blame === null) return undefined;
  return { disposition: attempt.disposition, blame: attempt.blame };
}

function byTrunk(planned: readonly Planned[]): ReadonlyMap<string, Planned> {
  return new Map(planned.map((one) => [one.trunk.id, one]));
}

/** What it offers; nothing in a text message. */
function codecsOf(planned: Planned | undefined): readonly Codec[] {
  return planned !== undefined && 'leg' in planned ? planned.leg.codecs : [];
}

function trunkOf(trunks: readonly Trunk[], id: string): readonly Trunk[] {
  return trunks.filter((trunk) => trunk.id === id);
}
