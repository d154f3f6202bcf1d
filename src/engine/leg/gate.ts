import type { GateTerms } from '../engine.ts';

/**
 * The gate of one call: which keys open it, and how often it asks. It keeps no time and plays nothing; `LegSpeech`
 * does.
 */
export class Gate {
  readonly #terms: Pick<GateTerms, 'keys' | 'asks'>;
  /** The last keys, as many as are needed. */
  #pressed = '';
  #asked = 1;
  #open = false;

  constructor(terms: Pick<GateTerms, 'keys' | 'asks'>) {
    this.#terms = terms;
  }

  get open(): boolean {
    return this.#open;
  }

  /**
   * Takes a key as long as it is shut. `opens`: it was the last of those that were missing; `begins`: with it the last
   * keys are a right beginning.
   */
  press(key: string): 'opens' | 'begins' | 'nothing' {
    if (this.#open) return 'nothing';
    const wanted = this.#terms.keys.reveal();
    this.#pressed = (this.#pressed + key).slice(-wanted.length);
    if (this.#pressed === wanted) {
      this.#pressed = '';
      this.#open = true;
      return 'opens';
    }
    const begun = Array.from(this.#pressed, (_, at) => this.#pressed.slice(at));
    return begun.some((keys) => wanted.startsWith(keys)) ? 'begins' : 'nothing';
  }

  /** The wait after an `ask` was in vain: whether to ask once more. Keys that were pressed before still count. */
  waited(): 'ask' | 'shut' {
    if (this.#asked >= this.#terms.asks) return 'shut';
    this.#asked++;
    return 'ask';
  }
}
