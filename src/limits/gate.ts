import type { Admission, AdmissionPort, AdmissionRequest } from '../call/acceptance.ts';
import type { Call } from '../call/call.ts';
import type { CallLog } from '../call/log.ts';
import type { Clients } from '../clients/client.ts';
import { AppError } from '../errors.ts';
import type { Trunk } from '../trunk/definition.ts';
import type { Verification } from '../verification/verification.ts';
import type { Counted, LimitName, NamedCount } from './counted.ts';
import { countedOf, endUserNetwork, LIMITS, pausesOf, provableCounts, spendCounts } from './counted.ts';
import { destinationFault } from './destination.ts';
import type { Count, GrowingPause, LimitStore, Taken } from './limit-store.ts';
import { originOf } from './number-origin.ts';
import type { DestinationSettings, LimitSettings } from './settings.ts';
import type { Cost } from './spend.ts';
import { actualCost, estimatedCost, estimatedTextCost } from './spend.ts';

/** Why a request was refused, for whoever counts that. */
export type Refusal = LimitName | 'destination';

export interface GateOptions {
  readonly limits: LimitStore;
  readonly clients: Clients;
  /** The trunks that there are now: what they charge. */
  readonly routing: { readonly trunks: readonly Trunk[] };
  /** Epoch milliseconds; the same for all who share the store. */
  readonly now: () => number;
  readonly settings: { readonly limits: LimitSettings; readonly destinations: DestinationSettings };
  readonly log: CallLog;
  readonly onRefused?: (refusal: Refusal) => void;
}

/** How long a request is under way at most, from where it is counted to where its answer is stored. */
const UNDER_WAY_MS = 10_000;
/** What has been spent counts, whatever the cap is. */
const NO_CAP = Number.MAX_SAFE_INTEGER;

/**
 * What every request for a call has to pass: it says where calls may go, how often, and for how much. What a request
 * counts as is counted at once, all of it or nothing.
 *
 * Nothing is kept in this process but when the prices began that it knows: a call from before that, of an earlier process
 * or an older configuration, stays counted with what it was thought to cost.
 */
export class Gate implements AdmissionPort {
  readonly #options: GateOptions;
  #priced: { readonly trunks: readonly Trunk[]; readonly since: number };

  constructor(options: GateOptions) {
    this.#options = options;
    this.#priced = { trunks: options.routing.trunks, since: options.now() };
  }

  /** @throws AppError unauthorized, invalid_request, destination_not_allowed, limit_reached, spend_limit, store_unavailable */
  async admit(request: AdmissionRequest): Promise<Admission> {
    const { counts, pauses, now } = this.#counted(request);
    const taken = await this.#options.limits.take(counts, pauses, now);
    if (taken.kind === 'refused') throw this.#refused(counts, taken);
    return this.#admission(counts, pauses, now);
  }

  /**
   * As `admit`. The word is counted along with everything else, so that there is no moment between the two; and also where
   * there is nothing else: a request may take more than limits count, such as a calling number.
   */
  async admitOnce(request: AdmissionRequest, word: string): Promise<Admission | 'under_way'> {
    const { limits } = this.#options;
    const { counts, pauses, now } = this.#counted(request);
    const mark = { key: `request ${word}`, windowMs: UNDER_WAY_MS, max: 1, amount: 1 };
    const taken = await limits.take([mark, ...counts], pauses, now);
    if (taken.kind === 'taken') return this.#admission([mark, ...counts], pauses, now);
    if (taken.key === mark.key) return 'under_way';
    // Something else has to be waited for longer, and may be full by this very request.
    if ((await limits.take([mark], [], now)).kind === 'refused') return 'under_way';
    await this.#quietly(() => limits.giveBack([mark], [], now, now));
    throw this.#refused(counts, taken);
  }

  /**
   * A verification was approved: it does not count for its prefix and country any more, and the next to its number need
   * not wait. To be called once for each; never rejects.
   */
  async proven({ to, createdAt }: Pick<Verification, 'to' | 'createdAt'>): Promise<void> {
    const { limits, settings, now } = this.#options;
    const origin = originOf(to);
    const counts = provableCounts(origin, settings.limits);
    const pauseKeys = pausesOf(origin, settings.limits).map(({ key }) => key);
    await this.#quietly(async () => {
      if (counts.length > 0) await limits.giveBack(counts, [], createdAt, now());
      if (pauseKeys.length > 0) await limits.forget(pauseKeys);
    });
  }

  /**
   * A call has ended: what it cost counts in place of what it was thought to cost. To be called once for each; never
   * rejects.
   */
  async settled(call: Call): Promise<void> {
    const now = this.#now();
    if (call.createdAt < this.#priced.since) return;
    const { clients, settings, limits } = this.#options;
    const { perDay } = settings.limits.spend;
    const client = call.clientId === null ? undefined : clients.get(call.clientId);
    // Where nobody has a cap, nothing was counted.
    if (client?.spend == null && Object.keys(perDay).length === 0) return;
    const estimate = this.#estimated(call.to, call.wishes.sms === true);
    await this.#quietly(async () => {
      const { saved, exceeded } = differences(estimate, actualCost(call));
      const less = spendCounts(client, saved, settings.limits);
      const more = spendCounts(client, exceeded, settings.limits).map((one) => ({ ...one, max: NO_CAP }));
      if (less.length > 0) await limits.giveBack(less, [], call.createdAt, now);
      if (more.length > 0) await limits.take(more, [], now);
    });
  }

  /** What a request counts as, and when. @throws AppError unauthorized, invalid_request, destination_not_allowed */
  #counted(request: AdmissionRequest): Counted & { readonly now: number } {
    const { clients, settings, onRefused } = this.#options;
    const { clientId, to, channel, endUserAddress } = request;
    if (endUserAddress !== undefined && endUserNetwork(endUserAddress) === undefined) {
      throw new AppError('invalid_request', { message: 'endUserAddress is an IP address.' });
    }
    const client = clientId === null ? undefined : clients.get(clientId);
    // It was taken out of the configuration since its key was looked at: nobody knows any more what it may do.
    if (clientId !== null && client === undefined) throw new AppError('unauthorized');
    const origin = originOf(to);
    const fault = destinationFault(to, origin, settings.destinations, client?.countries ?? null);
    if (fault !== undefined) {
      onRefused?.('destination');
      throw new AppError('destination_not_allowed', { message: fault });
    }
    const now = this.#now();
    const cost = this.#estimated(to, channel === 'sms');
    return { ...countedOf(request, { client, origin, cost }, settings.limits), now };
  }

  #admission(counts: readonly Count[], pauses: readonly GrowingPause[], at: number): Admission {
    const { limits, now } = this.#options;
    return { giveBack: () => this.#quietly(() => limits.giveBack(counts, pauses, at, now())) };
  }

  /** Looks at the prices too: those that have changed are new from now on. */
  #now(): number {
    const { routing, now } = this.#options;
    const at = now();
    if (routing.trunks !== this.#priced.trunks) this.#priced = { trunks: routing.trunks, since: at };
    return at;
  }

  #estimated(to: string, isText: boolean): Cost {
    const { assumedSeconds } = this.#options.settings.limits.spend;
    const { trunks } = this.#priced;
    return isText ? estimatedTextCost(to, trunks) : estimatedCost(to, trunks, assumedSeconds);
  }

  #refused(
    counts: readonly NamedCount[],
    { key, retryAfterMs }: Extract<Taken, { kind: 'refused' }>,
  ): AppError {
    const limit = counts.find((one) => one.key === key)?.limit ?? 'number_pause';
    this.#options.onRefused?.(limit);
    const isSpend = limit === 'client_spend' || limit === 'service_spend';
    return new AppError(isSpend ? 'spend_limit' : 'limit_reached', {
      message: LIMITS[limit],
      retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)),
    });
  }

  async #quietly(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'limits go on counting what is not to count any more');
    }
  }
}

/** What was not spent of an estimate, and what was spent beyond it. */
function differences(estimate: Cost, actual: Cost): { readonly saved: Cost; readonly exceeded: Cost } {
  const saved = new Map<string, number>();
  const exceeded = new Map<string, number>();
  for (const currency of new Set([...estimate.keys(), ...actual.keys()])) {
    const rest = (estimate.get(currency) ?? 0) - (actual.get(currency) ?? 0);
    (rest > 0 ? saved : exceeded).set(currency, Math.abs(rest));
  }
  return { saved, exceeded };
}
