/** The running timers of one transaction or dialog, by name; all of them go when it ends. */
export class TimerSet<Name extends string> {
  readonly #running = new Map<Name, NodeJS.Timeout>();

  /** Starts a timer; one of the same name that still runs is replaced. */
  start(name: Name, ms: number, fire: () => void): void {
    this.stop(name);
    const timer = setTimeout(() => {
      this.#running.delete(name);
      fire();
    }, ms);
    this.#running.set(name, timer);
  }

  stop(name: Name): void {
    clearTimeout(this.#running.get(name));
    this.#running.delete(name);
  }

  clear(): void {
    for (const timer of this.#running.values()) clearTimeout(timer);
    this.#running.clear();
  }
}
