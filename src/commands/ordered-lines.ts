/** Longer than what happened at the same moment takes to arrive by different ways. */
const WINDOW_MS = 150;

/**
 * Lines about what happened at a time, told by several sources that are not equally fast: each is held back for a
 * moment, so that they come out in the order of their times.
 */
export class OrderedLines {
  readonly #write: (line: string) => void;
  #waiting: { readonly at: number; readonly line: string }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** @param at epoch milliseconds */
  add(at: number, line: string): void {
    this.#waiting.push({ at, line });
    this.#waiting.sort((one, other) => one.at - other.at);
    this.#timer ??= setTimeout(() => this.#due(), WINDOW_MS);
  }

  /** Writes all that is held back. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { line } of this.#waiting) this.#write(line);
    this.#waiting = [];
  }

  #due(): void {
    const until = Date.now() - WINDOW_MS;
    for (const { line } of this.#waiting.filter(({ at }) => at <= until)) this.#write(line);
    this.#waiting = this.#waiting.filter(({ at }) => at > until);
    this.#timer = this.#waiting.length === 0 ? undefined : setTimeout(() => this.#due(), WINDOW_MS);
  }
}
