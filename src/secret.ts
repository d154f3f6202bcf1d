const REDACTED = '[redacted]';

/**
 * A text that must not reach a log, a trace, an error message or a store in plain form: a one-time code, a
 * SIP password, a key. Whatever prints it (template, JSON, inspect, a logger) gets `[redacted]`;
 * `reveal()` is called only where the text is hashed, sealed, rendered to audio or put into a digest.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself. Every call site is a place to review. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return REDACTED;
  }
}
