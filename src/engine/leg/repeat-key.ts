import type { RepeatTerms } from '../engine.ts';

/** The key of one call that says the prompt once more, and how often it still may. */
export class RepeatKey {
  readonly #terms: RepeatTerms;
  #repeats = 0;

  constructor(terms: RepeatTerms) {
    this.#terms = terms;
  }

  is(key: string): boolean {
    return key === this.#terms.key;
  }

  /** Takes a key; true where the prompt is to be said once more. */
  press(key: string): boolean {
    if (!this.is(key) || this.#repeats >= this.#terms.times) return false;
    this.#repeats++;
    return true;
  }
}
