interface Task<T> {
  readonly result: Promise<T>;
  readonly stop: AbortController;
  waiting: number;
}

/** Work that is under way once for all who want the same; it ends when nobody wants it any more. */
export class SharedWork<T> {
  readonly #tasks = new Map<string, Task<T>>();

  /**
   * Begins the work of this key, or joins it.
   *
   * @param signal of this one who waits; rejects with its reason. Who has none waits to the end
   * @param work gets a signal that is aborted when all have left
   */
  async do(
    key: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const task = this.#tasks.get(key) ?? this.#begin(key, work);
    task.waiting++;
    return signal === undefined ? task.result : this.#wait(key, task, signal);
  }

  #wait(key: string, task: Task<T>, signal: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason);
        if (--task.waiting > 0) return;
        this.#forget(key, task);
        task.stop.abort(signal.reason);
      };
      const settled = (): void => signal.removeEventListener('abort', leave);
      signal.addEventListener('abort', leave, { once: true });
      task.result.then(resolve, reject).finally(settled);
    });
  }

  #begin(key: string, work: (signal: AbortSignal) => Promise<T>): Task<T> {
    const stop = new AbortController();
    const task: Task<T> = {
      result: work(stop.signal).finally(() => this.#forget(key, task)),
      stop,
      waiting: 0,
    };
    this.#tasks.set(key, task);
    return task;
  }

  #forget(key: string, task: Task<T>): void {
    // Whoever came after an abort may have begun anew.
    if (this.#tasks.get(key) === task) this.#tasks.delete(key);
  }
}
