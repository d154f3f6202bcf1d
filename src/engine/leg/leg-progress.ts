import { TimerSet } from '../../sip/timer-set.ts';
import type { CallEvent, FlashTerms, Leftover, LegEnd, LegTimeouts } from '../engine.ts';
import { EventQueue } from './event-queue.ts';
import { FlashRing } from './flash-ring.ts';
import { LegClock } from './leg-clock.ts';

type Untimed<Event> = Event extends unknown ? Omit<Event, 'at'> : never;

export interface LegProgressOptions {
  readonly timeouts: LegTimeouts;
  /** Of a flash call: it takes the place of `ringMs`. */
  readonly flash: FlashTerms | undefined;
  /** From which a later process could end the leg as it is now. */
  readonly leftover: () => Leftover;
  /** It took too long. */
  readonly giveUp: (end: LegEnd) => void;
}

/** What a leg tells, in order and with the time, and what it waits for until the answer. */
export class LegProgress {
  readonly timers = new TimerSet<
    'setup' | 'ring' | 'attempt' | 'hold' | 'max' | 'wait' | 'linger' | 'decide' | 'tone' | 'crossed'
  >();
  readonly #options: LegProgressOptions;
  readonly #clock = new LegClock();
  readonly #events = new EventQueue<CallEvent>();
  readonly #flash: FlashRing | undefined;
  #made = false;
  #rang = false;
  #earlyMedia = false;
  #silent = false;

  constructor(options: LegProgressOptions) {
    this.#options = options;
    const { flash, giveUp } = options;
    this.#flash = flash === undefined ? undefined : new FlashRing(flash, this.timers, giveUp);
  }

  /** Whether a provisional response other than 100 has come. */
  get made(): boolean {
    return this.#made;
  }

  now(): number {
    return this.#clock.now();
  }

  next(): Promise<CallEvent> {
    return this.#events.next();
  }

  /** Not after `ended`. */
  tell(event: Untimed<CallEvent>, at = this.now()): void {
    if (!this.#silent) this.#events.push({ ...event, at });
  }

  /** The end is decided: only `ended` follows. */
  silence(): void {
    this.#silent = true;
    this.timers.clear();
  }

  ended(event: Extract<CallEvent, { type: 'ended' }>): void {
    this.#events.push(event);
  }

  /** The INVITE leaves. */
  begun(): void {
    this.#flash?.begun();
  }

  /** A provisional response (RFC 3261 §21.1): the first one ends the wait for any, the first 180 begins the ringing. */
  provisional(response: { readonly status: number; readonly body: string }): void {
    const { status } = response;
    if (status === 100 || this.#silent) return;
    const { timeouts, leftover, giveUp } = this.#options;
    const firstRing = status === 180 && !this.#rang;
    if (!this.#made || firstRing) {
      this.timers.stop('setup');
      if (this.#flash === undefined)
        this.timers.start('ring', timeouts.ringMs, () => giveUp({ kind: 'ring_timeout' }));
    }
    this.#made = true;
    if (firstRing) {
      this.#rang = true;
      this.tell({ type: 'ringing', leftover: leftover() });
    } else if (status === 183 && response.body !== '') {
      if (!this.#earlyMedia) this.tell({ type: 'early_media' });
      this.#earlyMedia = true;
    } else if (status !== 180) this.tell({ type: 'progress', status });
    this.#flash?.provisional(status);
  }
}
