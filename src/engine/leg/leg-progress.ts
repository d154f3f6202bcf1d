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

/** As long as responses take through a network, and no longer than a callee may be kept waiting for the next trunk. */
const CROSSING_MS = 500;

/** What a leg tells, in order and with the time, and what it waits for until the answer. */
export class LegProgress {
  readonly timers = new TimerSet<
    | 'setup'
    | 'ring'
    | 'total'
    | 'attempt'
    | 'hold'
    | 'max'
    | 'wait'
    | 'linger'
    | 'decide'
    | 'tone'
    | 'crossed'
    | 'crossing'
  >();
  readonly #options: LegProgressOptions;
  readonly #clock = new LegClock();
  readonly #events = new EventQueue<CallEvent>();
  readonly #flash: FlashRing | undefined = undefined;
  #tried = false;
  #made = false;
  #rang = false;
  #earlyMedia = false;
  #silent = false;
  /** Sends the INVITE that is due. */
  #leave: (() => void) | undefined;
  readonly #setup: SetupTime;

  constructor(options: LegProgressOptions) {
    this.#options = options;
    const { flash, giveUp, timeouts } = options;
    this.#setup = new SetupTime(timeouts.setupMs, this.timers, () => giveUp({ kind: 'setup_timeout' }));
    if (flash !== undefined) {
      const maxRingMs = Math.min(flash.maxRingMs, timeouts.attemptMs ?? flash.maxRingMs);
      this.#flash = new FlashRing({ ...flash, maxRingMs }, this.timers, giveUp);
    }
  }

  /** Whether any provisional response has come, of those that the engine is told. */
  get tried(): boolean {
    return this.#tried;
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

  /** The INVITE leaves: the limits run from now on. */
  begun(): void {
    const { timeouts, giveUp } = this.#options;
    this.#setup.run();
    if (this.#flash === undefined && timeouts.attemptMs !== undefined)
      this.timers.start('total', timeouts.attemptMs, () =>
        giveUp({ kind: this.#made ? 'ring_timeout' : 'setup_timeout' }),
      );
    this.#flash?.begun();
  }

  /** One more INVITE is due, and is sent by `leave`: once, when the reader has asked for the event after `again`. */
  again(leave: () => void): void {
    if (this.#silent) return;
    this.#leave = leave;
    this.#setup.rest();
    this.tell({ type: 'again' });
  }

  /** The reader lets it leave. */
  repeat(): void {
    const leave = this.#leave;
    this.#leave = undefined;
    if (leave === undefined || this.#silent) return;
    if (!this.#made) this.#setup.run();
    leave();
  }

  /**
   * The trunk has the INVITE, has told nothing of the phone, and is told CANCEL: a 180 or an answer may be on its way
   * to us, and then no other trunk may be tried. Either ends the wait in its own way, and so does the 487.
   */
  awaitCrossing(over: () => void): void {
    this.timers.start('crossing', CROSSING_MS, over);
  }

  /** A provisional response (RFC 3261 §21.1): the first one ends the wait for any, the first 180 begins the ringing. */
  provisional(response: { readonly status: number; readonly body: string }): void {
    const { status } = response;
    this.#tried = true;
    if (status === 100 || this.#silent) return;
    const { timeouts, leftover, giveUp } = this.#options;
    const firstRing = status === 180 && !this.#rang;
    if (!this.#made || firstRing) {
      this.#setup.rest();
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

/** The wait for any response, as long as an INVITE is out. */
class SetupTime {
  readonly #timers: Pick<TimerSet<'setup'>, 'start' | 'stop'>;
  readonly #late: () => void;
  #leftMs: number;
  #since: number | undefined;

  constructor(ms: number, timers: Pick<TimerSet<'setup'>, 'start' | 'stop'>, late: () => void) {
    this.#leftMs = ms;
    this.#timers = timers;
    this.#late = late;
  }

  run(): void {
    this.#since = performance.now();
    this.#timers.start('setup', Math.max(1, this.#leftMs), this.#late);
  }

  rest(): void {
    this.#timers.stop('setup');
    if (this.#since !== undefined) this.#leftMs -= performance.now() - this.#since;
    this.#since = undefined;
  }
}
