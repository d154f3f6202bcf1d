import { apply, endCall } from '../../../src/call/apply.ts';
import type { Call, Disposition } from '../../../src/call/call.ts';
import { createCall } from '../../../src/call/call.ts';
import { historyOf, judge } from '../../../src/call/outcome.ts';
import type { CallEvent, LegEnd } from '../../../src/engine/engine.ts';
import { NO_MARKS } from '../../../src/prompt/delivered.ts';
import { verdictOf } from '../../../src/trunk/breaker.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import type { ProbeAnswer } from '../../../src/trunk/health.ts';
import { HealthProbes } from '../../../src/trunk/health.ts';
import { LocalCapacity } from '../../../src/trunk/local-capacity.ts';
import type { Opening, Passed } from '../../../src/trunk/openings.ts';
import { openings } from '../../../src/trunk/openings.ts';
import { provenBy, TrunkResults } from '../../../src/trunk/results.ts';
import { retryOf } from '../../../src/trunk/retry.ts';
import type { Route } from '../../../src/trunk/route.ts';
import { route } from '../../../src/trunk/route.ts';
import { TrunkStates } from '../../../src/trunk/trunk-states.ts';
import { FakeClock } from '../../support/fake-clock.ts';

type Timeless<T> = T extends unknown ? Omit<T, 'at'> : never;

/** What comes from a carrier, each so many ms after the one before. */
export type Happening = readonly [afterMs: number, event: Timeless<CallEvent>];

/** What a carrier does with calls and with OPTIONS, as long as it is so. */
export interface Carrier {
  invite(number: number): readonly Happening[];
  options(): ProbeAnswer | 'silence';
  /** Whether the callee gets to approve. */
  approves(number: number): boolean;
}

/** One call, as it was carried. */
export interface Carried {
  readonly number: number;
  readonly call: Call;
  readonly route: Route;
  /** Trunks that had no room in time. */
  readonly passed: readonly Passed[];
  readonly result: Disposition | 'capacity';
}

const MAX_ATTEMPTS = 3;
const DEADLINE_MS = 60_000;
/** From the end of the call to the check of the code that was heard. */
const APPROVED_AFTER_MS = 15_000;
/** How long a call waits for room on a trunk while there is another one. */
const NEXT_TRUNK_MS = 2000;

/** Calls over trunks in time that is made up: routes, limits, states and results are the real ones. */
export class Carriage {
  readonly clock = new FakeClock();
  readonly carriers: Record<string, Carrier>;
  readonly capacity: LocalCapacity;
  readonly results: TrunkResults;
  readonly health: HealthProbes;
  readonly states: TrunkStates;
  readonly carried: Carried[] = [];
  /** Of each INVITE the call, in their order. */
  readonly dialled: number[] = [];
  /** When INVITEs left, by trunk. */
  readonly invites: Record<string, number[]> = {};
  readonly #up: Record<string, number> = {};
  /** Most calls at a time, by trunk. */
  readonly mostUp: Record<string, number> = {};
  readonly #trunks: readonly Trunk[];
  readonly #random: () => number;

  constructor(trunks: readonly Trunk[], carriers: Record<string, Carrier>, random: () => number) {
    const { clock } = this;
    this.#trunks = trunks;
    this.#random = random;
    this.carriers = carriers;
    this.capacity = new LocalCapacity(trunks, {
      elapsed: clock.elapsed,
      wake: clock.wake,
      recent: new Map(),
    });
    this.results = new TrunkResults({ now: clock.now, trunks: () => trunks });
    this.health = new HealthProbes({
      clock,
      wait: clock.wait,
      random,
      probe: async ({ id }) => {
        const answer = this.#carrier(id).options();
        return answer === 'silence' ? new Promise(() => undefined) : answer;
      },
    });
    this.states = new TrunkStates({ clock, health: (id) => this.health.of(id) });
    this.health.watch(trunks);
  }

  /** Begins a call and goes on; `carried` has it once it is over. */
  place(number: number, to: string): void {
    void this.#carry(number, to);
  }

  #carrier(id: string): Carrier {
    const carrier = this.carriers[id];
    if (carrier === undefined) throw new Error(`there is no carrier ${id}`);
    return carrier;
  }

  async #carry(number: number, to: string): Promise<void> {
    const { clock, states } = this;
    let call = createCall({
      id: `call_${number}`,
      verificationId: null,
      clientId: null,
      to,
      now: clock.now(),
    });
    const chosen = route({
      to,
      trunks: this.#trunks,
      carrierId: null,
      cli: null,
      stateOf: (id) => states.of(id),
      approvalsOf: this.results.approvals(to),
      random: this.#random,
    });
    const deadline = clock.elapsed() + DEADLINE_MS;
    const terms = {
      callId: call.id,
      priority: 5,
      nextTrunkMs: NEXT_TRUNK_MS,
      leftMs: () => deadline - clock.elapsed(),
    };
    const ways = openings(chosen, terms, this, new AbortController().signal);
    let passed: readonly Passed[] = [];
    for (;;) {
      const next = await ways.next();
      if (next.done === true) {
        passed = next.value;
        break;
      }
      const [after, again] = await this.#attempt(number, call, next.value);
      call = after;
      if (!again || call.attempts.length >= MAX_ATTEMPTS) {
        await ways.return([]);
        break;
      }
    }
    this.#finish(number, call, chosen, passed);
  }

  async #attempt(
    number: number,
    before: Call,
    { way: { trunkId }, permit, pass }: Opening,
  ): Promise<readonly [Call, boolean]> {
    const { clock } = this;
    const context = { trunkId, channel: 'voice', cli: '+49891', marks: NO_MARKS } as const;
    let call = apply(before, { type: 'trying', at: clock.now(), leftover: {} }, context);
    permit.sent();
    this.dialled.push(number);
    (this.invites[trunkId] ??= []).push(clock.elapsed());
    this.#count(trunkId, 1);
    let end: LegEnd | undefined;
    let again = false;
    for (const [afterMs, event] of this.#carrier(trunkId).invite(number)) {
      await clock.wait(afterMs);
      if (event.type === 'ended') {
        end = event.end;
        const trunk = this.#trunks.find(({ id }) => id === trunkId);
        const { retry, disposition } = judge(end, historyOf(call, trunk?.retryRejected ?? false));
        call = apply(call, { ...event, at: clock.now() }, context);
        const attempt = call.attempts.at(-1);
        const status = attempt?.sipStatus ?? null;
        const rang = (attempt?.ringingAt ?? null) !== null;
        again = retryOf(trunk ?? {}, { retry, disposition, status, rang }) === 'next_trunk';
        if (attempt !== undefined) {
          pass.end(verdictOf(attempt));
          this.results.attempt(call.to, attempt);
        }
      } else {
        call = apply(call, { ...event, at: clock.now() }, context);
        if (event.type === 'ringing' || event.type === 'answered') pass.end('carries');
      }
    }
    if (end === undefined) throw new Error('a carrier left a call without an end');
    if (end.kind === 'rejected') this.states.rest(trunkId, end.sip.retryAfterSeconds ?? 0);
    this.#count(trunkId, -1);
    return [call, again];
  }

  #count(trunkId: string, more: number): void {
    const up = (this.#up[trunkId] ?? 0) + more;
    this.#up[trunkId] = up;
    this.mostUp[trunkId] = Math.max(this.mostUp[trunkId] ?? 0, up);
  }

  #finish(number: number, call: Call, chosen: Route, passed: readonly Passed[]): void {
    const last = call.attempts.at(-1);
    const result = last?.disposition ?? 'capacity';
    const ended = endCall(call, this.clock.now(), last?.disposition ?? 'failed', last?.blame ?? 'us');
    this.carried.push({ number, call: ended, route: chosen, passed, result });
    const approved =
      result === 'answered' && last !== undefined && this.#carrier(last.trunkId).approves(number);
    const id = `ver_${number}`;
    this.results.verification(id, provenBy(ended, { status: 'pending', approvedBy: null }));
    if (!approved) return;
    const final = provenBy(ended, { status: 'approved', approvedBy: 'code' });
    this.clock.wake(APPROVED_AFTER_MS, () => this.results.verification(id, final));
  }
}
