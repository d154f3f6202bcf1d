import type { TimerSet } from '../../sip/timer-set.ts';
import type { FlashTerms, LegEnd } from '../engine.ts';

/**
 * How long a flash call rings: two timers, and what a 181 does to it. An answer, a refusal and an abort are those of
 * any call; whoever ends the leg stops the timers.
 */
export class FlashRing {
  readonly #terms: FlashTerms;
  readonly #timers: Pick<TimerSet<'attempt' | 'hold'>, 'start'>;
  readonly #giveUp: (end: LegEnd) => void;
  #rang = false;

  /** @param giveUp wants the call to end before its answer, by CANCEL */
  constructor(
    terms: FlashTerms,
    timers: Pick<TimerSet<'attempt' | 'hold'>, 'start'>,
    giveUp: (end: LegEnd) => void,
  ) {
    this.#terms = terms;
    this.#timers = timers;
    this.#giveUp = giveUp;
  }

  /** The INVITE leaves: the limit of the whole attempt runs. A phone that rings then has rung, if not for its ring hold. */
  begun(): void {
    this.#timers.start('attempt', this.#terms.maxRingMs, () =>
      this.#giveUp({ kind: this.#rang ? 'rang' : 'no_ring' }),
    );
  }

  /** A provisional response other than 100. A 183 is nothing here: networks send it before a phone rings. */
  provisional(status: number): void {
    // RFC 3261 §21.1.3: another phone would ring.
    if (status === 181) this.#giveUp({ kind: 'diverted' });
    else if (status === 180 && !this.#rang) {
      this.#rang = true;
      this.#timers.start('hold', this.#terms.ringHoldMs, () => this.#giveUp({ kind: 'rang' }));
    }
  }
}
