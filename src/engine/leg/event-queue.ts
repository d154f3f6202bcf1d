/** Hands what callbacks push to one reader that asks for it, in order. */
export class EventQueue<T> {
  readonly #waiting: T[] = [];
  #reader: ((item: T) => void) | undefined;

  push(item: T): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) this.#waiting.push(item);
    else reader(item);
  }

  /** The next item; one reader at a time. */
  next(): Promise<T> {
    const item = this.#waiting.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => {
      this.#reader = resolve;
    });
  }
}
