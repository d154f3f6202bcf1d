import type { CallLog } from '../call/log.ts';
import type { Clients } from '../clients/client.ts';
import type { OutboundResponse } from '../outbound/guarded-fetch.ts';
import { OutboundError } from '../outbound/outbound-error.ts';
import type { Store } from '../store/store.ts';
import type { Verification } from '../verification/verification.ts';
import type { Records, Step, Told } from './events.ts';
import { nextStep } from './events.ts';
import type { Notice } from './notice.ts';
import type { Receiver } from './receiver.ts';
import { isWanted, receiverOf, requestOf } from './receiver.ts';
import type { NoticeRequest } from './request.ts';
import type { RetryRules } from './retry-pause.ts';
import { nextTry, retryAfterMs, withoutLostTime } from './retry-pause.ts';

/** Asks an address that a client named, and only where that does no harm. */
export interface Outbound {
  /** @throws {OutboundError} and the signal's reason when that aborts */
  tell(
    method: 'GET' | 'POST',
    url: string,
    options: {
      readonly headers: Readonly<Record<string, string>>;
      readonly body?: string | null;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<Pick<OutboundResponse, 'status' | 'headers'>>;
}

/** What this process has done since it began. */
export interface DeliveryCounts {
  delivered: number;
  /** Attempts in vain. */
  failed: number;
  /** Notices that were given up. */
  dead: number;
}

export interface DeliveryPorts {
  readonly store: Pick<Store, 'call' | 'verification' | 'endVerification' | 'notices'>;
  readonly clients: Clients;
  readonly outbound: Outbound;
  readonly retries: RetryRules;
  /** How long one request may take at most. */
  readonly timeoutMs: number;
  /**
   * How much longer a claim lasts than a request: for the store to be asked and told. A request begins within half of it,
   * so that it is over before another one may claim the notice.
   */
  readonly claimSlackMs: number;
  /** By the clock that all share, epoch milliseconds. */
  readonly now: () => number;
  /** Milliseconds since some moment; never set. */
  readonly elapsed: () => number;
  readonly random: () => number;
  /** Ends what is being sent. */
  readonly stop: AbortSignal;
  readonly counts: DeliveryCounts;
  readonly log: CallLog;
}

type Outcome =
  | { readonly kind: 'taken' | 'stopped' }
  | { readonly kind: 'gone'; readonly error: string }
  | { readonly kind: 'failed'; readonly error: string; readonly askedMs?: number | undefined };

/** One by the clock that all share, and by that which is never set. */
interface Moment {
  readonly now: number;
  readonly elapsed: number;
}

/** Whoever wakes a notice may die before: it is looked at by itself, ever more seldom. */
const [LOOK_SOONEST_MS, LOOK_LATEST_MS] = [15_000, 300_000];
/** RFC 9110 §15.5.11: there is no such receiver, and there will be none. */
const GONE = 410;

/** Tells what there is to tell of one notice, in order, for as long as it is claimed. */
export class Delivery {
  readonly #ports: DeliveryPorts;
  readonly #by: string;
  #notice: Notice;
  /** When the claim was made or made longer. */
  #claimedAt: number;
  /** The same moment, when it was made, by both clocks. */
  readonly #began: Moment;
  #came: 'taken' | 'not_taken' | undefined;

  private constructor(notice: Notice, by: string, began: Moment, ports: DeliveryPorts) {
    this.#notice = notice;
    this.#by = by;
    this.#began = began;
    this.#claimedAt = began.elapsed;
    this.#ports = ports;
  }

  /**
   * Claims a notice and tells what there is.
   *
   * @param by a word of this claim alone
   * @param waitedMs how long it has waited here for its turn
   * @returns whether its receiver took what it was told last; undefined: it was told nothing
   * @throws AppError store_unavailable
   */
  static async of(
    id: string,
    by: string,
    waitedMs: number,
    ports: DeliveryPorts,
  ): Promise<'taken' | 'not_taken' | undefined> {
    const began = { elapsed: ports.elapsed(), now: ports.now() };
    const until = began.now + ports.timeoutMs + ports.claimSlackMs;
    const notice = await ports.store.notices.claim(id, by, began.now, until);
    if (notice === undefined) return undefined;
    const delivery = new Delivery(withoutLostTime(notice, began.now, waitedMs), by, began, ports);
    await delivery.#run();
    return delivery.#came;
  }

  async #run(): Promise<void> {
    while (await this.#step());
  }

  /** @returns whether there may be more */
  async #step(): Promise<boolean> {
    const { clients, stop } = this.#ports;
    const notice = this.#notice;
    const receiver = receiverOf(notice, clients);
    const records = await this.#records();
    const step = nextStep(
      notice,
      records,
      (event) => receiver === undefined || isWanted(event, notice, receiver),
    );
    if (step.kind === 'over') return this.#finish();
    if (step.kind === 'wait') return this.#wait(step.told, records);
    if (receiver === undefined) return this.#die('nobody is to be told: the client has no callback');
    if (stop.aborted) return this.#putBack();
    if (!(await this.#isOurs())) return false;
    return this.#tell(step, receiver);
  }

  async #records(): Promise<Records> {
    const { callId, verificationId } = this.#notice;
    const [call, verification] = await Promise.all([
      this.#ports.store.call(callId),
      verificationId === null ? undefined : this.#verification(verificationId),
    ]);
    return { call, verification };
  }

  /** One whose time is over is not told to have expired before the store has decided so. */
  async #verification(id: string): Promise<Verification | undefined> {
    const { store, now } = this.#ports;
    const verification = await store.verification(id);
    const at = now();
    if (verification === undefined || verification.status !== 'pending' || at < verification.expiresAt) {
      return verification;
    }
    return store.endVerification(id, 'expired', at);
  }

  async #tell({ event, after }: Extract<Step, { kind: 'tell' }>, receiver: Receiver): Promise<boolean> {
    const { now, elapsed } = this.#ports;
    const startedAt = elapsed();
    const outcome = await this.#send(requestOf(event, this.#notice, receiver, now()));
    switch (outcome.kind) {
      case 'taken':
        return this.#taken(after);
      case 'stopped':
        return this.#putBack();
      case 'gone':
        return this.#die(outcome.error);
      case 'failed':
        return this.#failed(outcome, elapsed() - startedAt);
    }
  }

  async #send({ method, url, headers, body }: NoticeRequest): Promise<Outcome> {
    const { outbound, stop, now, log } = this.#ports;
    try {
      const answer = await outbound.tell(method, url, { headers, body: body ?? null, signal: stop });
      const { status } = answer;
      if (status >= 200 && status < 300) return { kind: 'taken' };
      const error = `answered with status ${status}`;
      if (status === GONE) return { kind: 'gone', error };
      return { kind: 'failed', error, askedMs: retryAfterMs(answer.headers['retry-after'], now()) };
    } catch (error) {
      if (stop.aborted) return { kind: 'stopped' };
      if (error instanceof OutboundError)
        return { kind: 'failed', error: `${error.reason}: ${error.message}` };
      log.error({ noticeId: this.#notice.id, err: error }, 'a callback cannot be sent');
      return { kind: 'failed', error: 'it cannot be sent' };
    }
  }

  async #taken(after: Told): Promise<boolean> {
    this.#came = 'taken';
    this.#ports.counts.delivered += 1;
    const { delivered } = this.#notice;
    this.#notice = {
      ...this.#notice,
      ...after,
      delivered: delivered + 1,
      tries: 0,
      triedSince: null,
      lastError: null,
    };
    return this.#keepClaim();
  }

  async #failed({ error, askedMs }: Extract<Outcome, { kind: 'failed' }>, tookMs: number): Promise<false> {
    const { counts, random, retries, log } = this.#ports;
    const { id, callId } = this.#notice;
    const tries = this.#notice.tries + 1;
    const now = this.#ports.now();
    const before = this.#notice.triedSince;
    const triedSince = Math.round(before === null ? now - tookMs : before + this.#setBy(now));
    this.#notice = { ...this.#notice, tries, triedSince };
    const at = nextTry({ tries, triedSince, now, random: random(), askedMs }, retries);
    if (at === undefined) {
      counts.failed += 1;
      return this.#die(error);
    }
    this.#came = 'not_taken';
    counts.failed += 1;
    log.info({ noticeId: id, callId, tries, why: error }, 'a callback was not taken');
    await this.#ports.store.notices.put({ ...this.#notice, dueAt: at, lastError: error }, this.#by);
    return false;
  }

  async #die(error: string): Promise<false> {
    const { store, counts, now, log } = this.#ports;
    const { id, callId, tries } = this.#notice;
    this.#came = 'not_taken';
    counts.dead += 1;
    log.warn({ noticeId: id, callId, tries, why: error }, 'callbacks of a call are given up');
    await store.notices.put({ ...this.#notice, state: 'dead', dueAt: now(), lastError: error }, this.#by);
    return false;
  }

  async #finish(): Promise<boolean> {
    return (await this.#ports.store.notices.finish(this.#notice.id, this.#by)) === 'again';
  }

  async #wait(told: Told, { verification }: Records): Promise<boolean> {
    const now = this.#ports.now();
    const age = now - this.#notice.createdAt;
    const lookAt = now + Math.max(LOOK_SOONEST_MS, Math.min(age, LOOK_LATEST_MS));
    const expiresAt = verification?.status === 'pending' ? verification.expiresAt : lookAt;
    this.#notice = {
      ...this.#notice,
      ...told,
      tries: 0,
      triedSince: null,
      dueAt: Math.min(lookAt, expiresAt),
    };
    return (await this.#ports.store.notices.put(this.#notice, this.#by)) === 'again';
  }

  /** By how much the clock that all share was set since the claim. */
  #setBy(now: number): number {
    return now - this.#began.now - (this.#ports.elapsed() - this.#began.elapsed);
  }

  /** For the next process. */
  async #putBack(): Promise<false> {
    await this.#ports.store.notices.put({ ...this.#notice, dueAt: this.#ports.now() }, this.#by);
    return false;
  }

  /** Whether the claim lasts for as long as a request may take. */
  async #isOurs(): Promise<boolean> {
    const isFresh = this.#ports.elapsed() - this.#claimedAt < this.#ports.claimSlackMs / 2;
    return isFresh || this.#keepClaim();
  }

  async #keepClaim(): Promise<boolean> {
    const { store, now, elapsed, timeoutMs, claimSlackMs } = this.#ports;
    const claimedAt = elapsed();
    const kept = await store.notices.progress(this.#notice, this.#by, now() + timeoutMs + claimSlackMs);
    this.#claimedAt = claimedAt;
    return kept;
  }
}
