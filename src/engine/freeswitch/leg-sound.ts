import { join } from 'node:path';
import type { Said } from '../leg/leg-speech.ts';
import type { MediaEndpoint } from './media-endpoint.ts';
import type { SaidFiles } from './said-files.ts';
import type { Allocated } from './servers.ts';

export interface LegSoundOptions {
  readonly files: SaidFiles;
  /** Until FreeSWITCH may send there; rejects with an Error where nothing can be played there any more. */
  readonly untilHeard: (allocated: Allocated) => Promise<void>;
  /** Length of the packets that are sent, milliseconds. */
  readonly packetMs: () => number;
  /** What was said last is said to its end; not where something else was to be said instead, nor after `close`. */
  readonly onFinished: () => void;
}

/** What FreeSWITCH plays without an end. */
const SILENCE = 'silence_stream://-1';

/** What FreeSWITCH plays, or has played last. */
interface Played {
  readonly said: Said;
  readonly endpoint: MediaEndpoint;
  readonly sinceMs: number;
  /** That the endpoint had sent before; undefined where it could not be asked. */
  readonly packetsBefore: Promise<number | undefined>;
}

/** What is said in one leg, on one endpoint after the other if need be, and how much of the prompt has gone out. */
export class LegSound {
  readonly #options: LegSoundOptions;
  #said: Said = 'prompt';
  /** Counts what was to be said so far; the last of those that were said to their end. */
  #turn = 0;
  #finishedTurn: number | undefined;
  #played: Played | undefined;
  #speaks = false;
  #promptSentMs = 0;
  #closed = false;
  /** Wakes who waits for the phone to listen, or for something to do. */
  #wake: () => void = () => {};

  constructor(options: LegSoundOptions) {
    this.#options = options;
  }

  /** What is said, or was last. */
  get said(): Said {
    return this.#said;
  }

  /** Something is being said now. */
  get speaks(): boolean {
    return this.#speaks;
  }

  /** All that was to be said so far is said. */
  get isQuiet(): boolean {
    return this.#finishedTurn === this.#turn;
  }

  /** Before anything is said: what is to be first. */
  first(what: Said): void {
    this.#said = what;
  }

  /** This is to be said from its beginning, in place of what is being said. */
  next(what: Said): void {
    this.#said = what;
    this.#turn++;
  }

  /** Something has changed, for who waits. */
  wake(): void {
    this.#wake();
  }

  /** Until something has changed. */
  awake(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Says what is to be said, to its end or until it is stopped. Rejects with an Error. */
  async say(allocated: Allocated): Promise<void> {
    const { files, untilHeard, onFinished } = this.#options;
    const { endpoint, server } = allocated;
    await untilHeard(allocated);
    const [turn, said] = [this.#turn, this.#said];
    this.#played = this.#playedOn(endpoint, said);
    if (said === 'nothing') {
      this.#finishedTurn = turn;
      return;
    }
    const file = files.of(said);
    if (file === undefined) throw new Error('there is nothing to be said');
    const { path, name } = file;
    this.#speaks = true;
    await endpoint
      .play(server.promptFolder === undefined ? path : join(server.promptFolder, name))
      .finally(() => {
        this.#speaks = false;
      });
    if (turn !== this.#turn) return;
    this.#finishedTurn = turn;
    if (said === 'prompt') this.#promptSentMs = file.durationMs;
    if (!this.#closed) onFinished();
  }

  /**
   * Sends silence until there is something to do, or nothing where FreeSWITCH cannot. What is said next begins some
   * 40 ms later then. Never rejects.
   *
   * @param needless whether nobody needs another endpoint when this one goes
   */
  async hum(allocated: Allocated, needless: () => boolean): Promise<void> {
    const { endpoint } = allocated;
    try {
      await this.#options.untilHeard(allocated);
      if (this.isQuiet) await endpoint.play(SILENCE);
    } catch {
      // A loss is told in another way; where nobody needs another endpoint, there is nothing to do.
    }
    const moves = !endpoint.alive && !needless();
    if (this.isQuiet && !this.#closed && !moves) await this.awake();
  }

  /** The endpoint is gone: what it was saying has gone out as far as its time tells. */
  async broken(endpoint: MediaEndpoint): Promise<void> {
    if (this.#played?.endpoint === endpoint) await this.#measure(this.#played, undefined);
  }

  /** Nothing more is said; the milliseconds of the prompt that went out, and what FreeSWITCH counted. Never rejects. */
  async close(
    endpoint: MediaEndpoint,
  ): Promise<{ promptSentMs: number; counts: Awaited<ReturnType<MediaEndpoint['counts']>> }> {
    this.#closed = true;
    const nowMs = performance.now();
    const counts = this.#played === undefined ? undefined : await endpoint.counts();
    if (this.#played?.endpoint === endpoint) await this.#measure(this.#played, counts?.sent, nowMs);
    return { promptSentMs: Math.round(this.#promptSentMs), counts };
  }

  /** FreeSWITCH answers in order: what it counts now, while it sends nothing, is where the next sound begins. */
  #playedOn(endpoint: MediaEndpoint, said: Said): Played {
    const before = this.#played;
    const sinceMs = performance.now();
    if (before?.endpoint !== endpoint) return { said, endpoint, sinceMs, packetsBefore: Promise.resolve(0) };
    const packetsBefore = endpoint.counts().then((counts) => counts?.sent);
    void packetsBefore.then((sent) => this.#measure(before, sent, sinceMs));
    return { said, endpoint, sinceMs, packetsBefore };
  }

  /**
   * Notes how much of the prompt has gone out, if that is what this was.
   *
   * @param sent packets that the endpoint had sent when it was over; undefined where it cannot be asked any more: the
   *   time that it had is all that is known then
   */
  async #measure(played: Played, sent: number | undefined, nowMs = performance.now()): Promise<void> {
    if (played.said !== 'prompt') return;
    const before = await played.packetsBefore;
    const known = sent !== undefined && before !== undefined;
    const sentMs = known ? (sent - before) * this.#options.packetMs() : nowMs - played.sinceMs;
    const durationMs = this.#options.files.of('prompt')?.durationMs ?? 0;
    this.#promptSentMs = Math.max(this.#promptSentMs, Math.min(durationMs, sentMs));
  }
}
