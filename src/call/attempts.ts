import type { CallEvent, Engine, LegEnd } from '../engine/engine.ts';
import { NO_MARKS } from '../prompt/delivered.ts';
import type { BreakerPass } from '../trunk/breaker.ts';
import { verdictOf } from '../trunk/breaker.ts';
import type { Capacity, Permit } from '../trunk/capacity.ts';
import type { Trunk } from '../trunk/definition.ts';
import { openings } from '../trunk/openings.ts';
import { retryOf } from '../trunk/retry.ts';
import type { Candidate, Route } from '../trunk/route.ts';
import { candidates } from '../trunk/route.ts';
import type { Routing } from '../trunk/routing.ts';
import type { TrunkStates } from '../trunk/trunk-states.ts';
import type { Vault } from '../verification/vault.ts';
import type { AttemptContext } from './apply.ts';
import type { Call } from './call.ts';
import { withHiddenCaller } from './hidden-caller.ts';
import type { CallLog } from './log.ts';
import type { Outcome } from './outcome.ts';
import { historyOf, judge } from './outcome.ts';
import type { PlannedLeg } from './plan.ts';
import { plan, withOtherCodecs } from './plan.ts';
import type { CallRecord } from './record.ts';
import type { Round, RoundSpeech } from './round.ts';
import { withSealedLeftover } from './sealed-leftover.ts';

export interface AttemptSettings {
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
  readonly capacity: Pick<Capacity, 'acquire' | 'occupy'>;
  readonly states: Pick<TrunkStates, 'begin' | 'rest'>;
  readonly now: () => number;
  readonly log: CallLog;
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
  readonly #signal: AbortSignal;
  readonly #onGateOpened: () => void;

  /**
   * @param signal ends the attempt that is under way, and the waiting for the next one
   * @param onGateOpened hears of right keys where they approve the verification
   */
  constructor(ports: AttemptPorts, record: CallRecord, signal: AbortSignal, onGateOpened: () => void) {
    this.#ports = ports;
    this.#record = record;
    this.#signal = signal;
    this.#onGateOpened = onGateOpened;
  }

  get #call(): Call {
    return this.#record.call;
  }

  /** @throws Superseded; StoreLost before an INVITE */
  async carry(round: Round, speech: RoundSpeech): Promise<Result> {
    const { settings, capacity, states, now } = this.#ports;
    const found = this.#routeOf(round);
    const legs = this.#legs(found, round, speech);
    if (legs.size === 0) return FAILED;
    const earlier = this.#call.attempts.length;
    const begunAt = earlier === 0 ? this.#call.createdAt : now();
    const lastMoment = Math.min(round.until, begunAt + settings.deadlineMs);
    const firstMoment = Math.min(round.until, now() + settings.queueMs);
    // A code that nobody could check any more is not said, however late its prompt was ready.
    const leftMs = (): number => (this.#call.attempts.length > earlier ? lastMoment : firstMoment) - now();
    const terms = { priority: PRIORITY, nextTrunkMs: settings.nextTrunkMs, leftMs };
    const ways = found.filter((one) => one.place === null || legs.has(one.trunkId));
    let result: Result | undefined;
    let refused: PlannedLeg['leg']['codecs'] = [];
    if (leftMs() <= 0) return FAILED;
    for await (const lent of openings(ways, terms, { capacity, states }, this.#signal)) {
      const planned = legs.get(lent.way.trunkId);
      if (planned === undefined || this.#signal.aborted || (result !== undefined && leftMs() <= 0)) break;
      const leg = withOtherCodecs(planned.leg, refused);
      const outcome = await this.#attempt({ ...planned, leg }, lent, round, speech);
      result = outcome;
      refused = outcome.disposition === 'media_rejected' ? [...refused, ...leg.codecs] : refused;
      if (outcome.retry === 'never') return result;
      if (this.#call.attempts.length - earlier >= settings.maxAttempts) return result;
    }
    if (this.#signal.aborted) return CANCELED;
    return result ?? NO_ROOM;
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
  #legs(found: Route, round: Round, speech: RoundSpeech): ReadonlyMap<string, PlannedLeg> {
    const { settings, routing } = this.#ports;
    const { flash, detection } = round;
    const planned = plan({
      callId: this.#call.id,
      to: this.#call.to,
      trunks: candidates(found).flatMap(({ trunkId }) => trunkOf(routing.trunks, trunkId)),
      wishes: this.#call.wishes,
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
    return new Map(planned.map((one) => [one.trunk.id, one]));
  }

  /** One leg. The engine is asked for the next event only when this one is dealt with. */
  async #attempt(
    { leg, trunk, cli }: PlannedLeg,
    { way, permit, pass }: Lent,
    round: Round,
    speech: RoundSpeech,
  ): Promise<Outcome> {
    const { engine, log, onLeg, onAttempt } = this.#ports;
    const context = this.#contextOf(trunk, cli, way, round, speech);
    let end: LegEnd | undefined;
    const over = permit.keep();
    const wire = { sent: () => permit.sent(), over };
    for await (const told of engine.originate(leg, this.#signal, wire)) {
      const event = round.channel === 'flash' ? this.#withoutNumber(told, cli) : told;
      if (event.type === 'gate_opened' && round.confirms) this.#onGateOpened();
      if (event.type === 'trying' && event.sipCallId !== undefined) onLeg(this.#call.id, event.sipCallId);
      await this.#record.take(event, context);
      // An INVITE leaves when the event after this one is asked for.
      if (event.type === 'again') await permit.again(this.#signal);
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

  #contextOf(
    trunk: Trunk,
    cli: string,
    way: Candidate,
    { channel }: Round,
    { prompt }: RoundSpeech,
  ): AttemptContext {
    const { price, currency } = way.served ?? {};
    return {
      trunkId: trunk.id,
      channel,
      cli: channel === 'flash' ? this.#shown(cli) : cli,
      marks: prompt?.marks ?? NO_MARKS,
      rate: price === undefined || currency === undefined ? null : { ...price, currency },
      route: { ...way },
    };
  }

  /** The event of a flash call as it may be recorded. */
  #withoutNumber(told: CallEvent, cli: string): CallEvent {
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

function trunkOf(trunks: readonly Trunk[], id: string): readonly Trunk[] {
  return trunks.filter((trunk) => trunk.id === id);
}
