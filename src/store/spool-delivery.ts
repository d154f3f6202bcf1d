import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from '../call/call.ts';
import type { CallLog } from '../call/log.ts';
import { isUnavailable } from '../call/persistence.ts';
import { AppError } from '../errors.ts';
import type { SpoolEntry, SpoolFolder } from './spool-folder.ts';
import type { Store } from './store.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/** An end that waits; kept in memory too, in case that somebody takes the folder away. */
interface Waiting {
  readonly entry: SpoolEntry;
  /** Resolves with the name of its file when that is on disk; rejects as `take` does. */
  readonly name: Promise<string>;
}

/** Brings ends of calls from the disk to the store, as soon as it is there, each until it has an answer. */
export class SpoolDelivery {
  readonly #store: Pick<Store, 'finishCall'>;
  readonly #folder: SpoolFolder;
  readonly #log: CallLog;
  readonly #atATime: number;
  /** By the id of the call. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #closing = new AbortController();
  #pause = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    store: Pick<Store, 'finishCall'>,
    folder: SpoolFolder,
    { log, atATime }: { readonly log: CallLog; readonly atATime: number },
  ) {
    this.#store = store;
    this.#folder = folder;
    this.#log = log;
    this.#atATime = atATime;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether the end of this call waits. */
  has(callId: string): boolean {
    return this.#waiting.has(callId);
  }

  /** Takes up what an earlier process left. */
  async begin(): Promise<void> {
    for (const name of await this.#folder.names()) {
      try {
        const entry = await this.#folder.read(name);
        this.#waiting.set(entry.call.id, { entry, name: Promise.resolve(name) });
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        await this.#reject(name, {}, error);
      }
    }
    if (this.#waiting.size > 0) {
      this.#log.warn(
        { waiting: this.#waiting.size },
        'ends of calls that an earlier process left are stored',
      );
    }
    this.#run();
  }

  /**
   * What is to be said of a call whose end waits: whether it is this one. Undefined: none waits.
   *
   * @throws AppError store_unavailable, later: that one could not be written either
   */
  answer(call: Call): Promise<boolean> | undefined {
    const waiting = this.#waiting.get(call.id);
    if (waiting === undefined) return undefined;
    const { node, endedAt } = waiting.entry.call;
    return waiting.name.then(() => node === call.node && endedAt === call.endedAt);
  }

  /**
   * Resolves when the entry is on disk.
   *
   * @param why the store did not take it: it, or the files of records beside it
   * @throws AppError store_unavailable
   */
  async take(entry: SpoolEntry, why: unknown): Promise<true> {
    if (this.#closing.signal.aborted) throw unavailable(undefined);
    const callId = entry.call.id;
    const name = this.#folder.put(entry).catch((error: unknown) => {
      this.#waiting.delete(callId);
      throw unavailable(error);
    });
    this.#waiting.set(callId, { entry, name });
    await name;
    this.#log.warn({ callId, err: why }, 'the end of a call waits on disk until the store is back');
    this.#run();
    return true;
  }

  /** The store is there: no more waiting. */
  hurry(): void {
    this.#pause.abort();
  }

  /** Lets what is on its way arrive, and leaves the rest on disk. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#pause.abort();
    await Promise.allSettled([...this.#waiting.values()].map(({ name }) => name));
    await this.#running;
    this.#folder.close();
  }

  #run(): void {
    if (this.#closing.signal.aborted || this.#waiting.size === 0) return;
    this.#running ??= this.#deliver();
  }

  async #deliver(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (this.#waiting.size > 0 && !this.#closing.signal.aborted) {
      this.#pause = new AbortController();
      if (await this.#round()) {
        pauseMs = FIRST_PAUSE_MS;
        continue;
      }
      await sleep(pauseMs, undefined, { signal: this.#pause.signal, ref: false }).catch(() => undefined);
      pauseMs = this.#pause.signal.aborted ? FIRST_PAUSE_MS : Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
    this.#running = undefined;
  }

  /** Tries each that waits now once; ends early where the store is away: false. */
  async #round(): Promise<boolean> {
    const due = [...this.#waiting.keys()];
    let isAway = false;
    const worker = async (): Promise<void> => {
      for (let id = due.shift(); id !== undefined; id = due.shift()) {
        if (isAway || this.#closing.signal.aborted) return;
        if (!(await this.#deliverOne(id))) isAway = true;
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#atATime, due.length) }, worker));
    return !isAway;
  }

  /** False where the store is away. Never rejects. */
  async #deliverOne(callId: string): Promise<boolean> {
    const waiting = this.#waiting.get(callId);
    // Whoever gave an end that cannot be written is told so, and it waits no more.
    const name = await waiting?.name.catch(() => undefined);
    if (waiting === undefined || name === undefined) return true;
    try {
      await this.#finish(waiting.entry);
    } catch (error) {
      if (isUnavailable(error)) return false;
      await this.#reject(name, { callId }, error);
      this.#waiting.delete(callId);
      return true;
    }
    await this.#forget(callId, name);
    return true;
  }

  async #finish({ call, failVerification, now }: SpoolEntry): Promise<void> {
    if (await this.#store.finishCall(call, failVerification, now)) {
      this.#log.info({ callId: call.id }, 'the end of a call that waited on disk is stored');
    } else {
      this.#log.warn(
        { callId: call.id },
        'the end of a call that waited on disk is dropped: the call is closed already, or another node has it',
      );
    }
  }

  /** A file that stays is delivered again by the next process, which changes nothing. */
  async #forget(callId: string, name: string): Promise<void> {
    try {
      await this.#folder.remove(name);
    } catch (error) {
      this.#log.error({ callId, err: error }, 'the end of a call was stored, and stays on disk');
    }
    this.#waiting.delete(callId);
  }

  async #reject(name: string, fields: Readonly<Record<string, unknown>>, error: unknown): Promise<void> {
    try {
      await this.#folder.reject(name);
      this.#log.error(
        { ...fields, file: name, err: error },
        'the end of a call cannot be stored, and is laid aside as rejected',
      );
    } catch (fault) {
      this.#log.error({ ...fields, file: name, err: fault }, 'the end of a call cannot be laid aside');
    }
  }
}

function unavailable(cause: unknown): AppError {
  return new AppError('store_unavailable', { cause });
}
