/** Work under names: what has the same name is done one after the other, in the order in which it came. */
export class InTurn<T> {
  /** The last of each name that is not done. */
  readonly #last = new Map<string, Promise<T>>();

  /** @throws what `work` throws; it says nothing to whoever comes next */
  async do(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)?.catch(() => undefined) ?? Promise.resolve();
    const mine = before.then(work);
    this.#last.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }
}
