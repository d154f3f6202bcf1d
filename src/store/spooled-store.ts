import type { Call } from '../call/call.ts';
import type { CallLog } from '../call/log.ts';
import { isUnavailable } from '../call/persistence.ts';
import { AppError } from '../errors.ts';
import type { LimitStore } from '../limits/limit-store.ts';
import type { Checked, Submitted, Verification } from '../verification/verification.ts';
import type { NoticeStore } from '../webhooks/notice.ts';
import type { CdrLedger } from './cdr-ledger.ts';
import { FolderInUse } from './own-folder.ts';
import { SpoolDelivery } from './spool-delivery.ts';
import { SpoolFolder } from './spool-folder.ts';
import type {
  Accepted,
  AlsoStored,
  CallMove,
  CallQuery,
  CliRequest,
  CliTaken,
  IdempotentRequest,
  Repeated,
  Store,
} from './store.ts';

export interface SpoolOptions {
  /** Of this process alone; made where it is missing. */
  readonly folder: string;
  readonly log: CallLog;
  /** Ends that are delivered at the same time, 8 where it is not said. */
  readonly atATime?: number;
}

/**
 * A store whose ends of calls wait on the local disk while it is away, and are delivered when it is back. Everything
 * else is the store's own.
 *
 * An end that waits is promised: `finishCall` answers as if the store had it, though the store and all who read it
 * still see the call as it was. Where another node has closed the call until the store is back, the end is dropped,
 * and said so.
 */
export class SpooledStore implements Store {
  readonly #inner: Store;
  readonly #delivery: SpoolDelivery;

  private constructor(inner: Store, delivery: SpoolDelivery) {
    this.#inner = inner;
    this.#delivery = delivery;
  }

  /**
   * Begins to deliver what an earlier process left.
   *
   * @throws FolderInUse; AppError store_unavailable where the folder cannot be used
   */
  static async open(inner: Store, { folder, log, atATime = 8 }: SpoolOptions): Promise<SpooledStore> {
    try {
      const delivery = new SpoolDelivery(inner, await SpoolFolder.open(folder), { log, atATime });
      await delivery.begin();
      return new SpooledStore(inner, delivery);
    } catch (error) {
      if (error instanceof FolderInUse) throw error;
      throw new AppError('store_unavailable', {
        message: `The spool folder ${folder} cannot be used.`,
        cause: error,
      });
    }
  }

  /** Ends of calls that the store does not have yet. */
  waiting(): number {
    return this.#delivery.waiting;
  }

  get cdrs(): CdrLedger {
    return this.#inner.cdrs;
  }

  get notices(): NoticeStore {
    return this.#inner.notices;
  }

  get limits(): LimitStore {
    return this.#inner.limits;
  }

  async finishCall(call: Call, failVerification: boolean, now: number): Promise<boolean> {
    const earlier = this.#delivery.answer(call);
    if (earlier !== undefined) return earlier;
    let finished: boolean;
    try {
      finished = await this.#inner.finishCall(call, failVerification, now);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return this.#delivery.answer(call) ?? this.#delivery.take({ call, failVerification, now }, error);
    }
    this.#delivery.hurry();
    return finished;
  }

  async ping(): Promise<void> {
    await this.#inner.ping();
    this.#delivery.hurry();
  }

  /** What still waits stays on disk for the next process. */
  async close(): Promise<void> {
    await this.#delivery.close();
    await this.#inner.close();
  }

  accept(
    verification: Verification | null,
    call: Call,
    request: IdempotentRequest | null,
    also?: AlsoStored,
  ): Promise<Accepted> {
    return this.#inner.accept(verification, call, request, also);
  }

  earlierAnswer(
    request: Pick<IdempotentRequest, 'key' | 'fingerprint'>,
    now: number,
  ): Promise<Repeated | undefined> {
    return this.#inner.earlierAnswer(request, now);
  }

  verification(id: string): Promise<Verification | undefined> {
    return this.#inner.verification(id);
  }

  latest(alias: string): Promise<string | undefined> {
    return this.#inner.latest(alias);
  }

  check(id: string, submitted: Submitted, now: number): Promise<Checked | undefined> {
    return this.#inner.check(id, submitted, now);
  }

  endVerification(
    id: string,
    status: 'failed' | 'canceled' | 'expired',
    now: number,
  ): Promise<Verification | undefined> {
    return this.#inner.endVerification(id, status, now);
  }

  takeCli(request: CliRequest): Promise<CliTaken> {
    return this.#inner.takeCli(request);
  }

  call(id: string): Promise<Call | undefined> {
    return this.#inner.call(id);
  }

  calls(query: CallQuery): Promise<readonly Call[]> {
    return this.#inner.calls(query);
  }

  /** Without those whose ends wait here: they are over, and nobody is to close them otherwise. */
  async unfinishedCalls(): Promise<readonly Call[]> {
    const open = await this.#inner.unfinishedCalls();
    return open.filter(({ id }) => !this.#delivery.has(id));
  }

  saveCall(call: Call): Promise<boolean> {
    return this.#inner.saveCall(call);
  }

  moveCall(id: string, move: CallMove): Promise<Call | undefined> {
    return this.#inner.moveCall(id, move);
  }

  sweep(now: number, keepUntil: Parameters<Store['sweep']>[1]): Promise<number> {
    return this.#inner.sweep(now, keepUntil);
  }
}
