import type { GateTerms } from '../engine.ts';

/**
 * The gate of one call: which keys open it, how often it asks, how often the prompt is said again. It keeps no time
 * and plays nothing; `LegSpeech` does.
 */
export class Gate {
  readonly #terms: GateTerms;
  /** The last keys, as many as are needed. */
  #pressed = '';
  #asked = 1;
  #repeats = 0;
  #open = false;

  constructor(terms: GateTerms) {
    this.#terms = terms;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Takes a key. `opens`: it was the last of those that were missing; `repeats`: the prompt is wanted once more. */
  press(key: string): 'opens' | 'repeats' | 'nothing' {
    const { keys, repeat } = this.#terms;
    if (this.#open) {
      if (key !== repeat?.key || this.#repeats >= repeat.times) return 'nothing';
      this.#repeats++;
      return 'repeats';
    }
    const wanted = keys.reveal();
    this.#pressed = (this.#pressed + key).slice(-wanted.length);
    if (this.#pressed !== wanted) return 'nothing';
    this.#pressed = '';
    this.#open = true;
    return 'opens';
  }

  /** The wait after an `ask` was in vain: whether to ask once more. Keys that were pressed before still count. */
  waited(): 'ask' | 'shut' {
    if (this.#asked >= this.#terms.asks) return 'shut';
    this.#asked++;
    return 'ask';
  }
}
