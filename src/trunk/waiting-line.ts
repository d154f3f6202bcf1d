/** Priorities are 0 to this. */
const LOWEST_PRIORITY = 9;

/** Somebody who waits; what it is that waits is up to the caller. */
export interface Waiter<T> {
  readonly item: T;
  readonly priority: number;
  /** In ms of a clock that is never set. */
  readonly deadline: number;
  /** Whether it still waits. */
  waits: boolean;
  before: Waiter<T> | undefined;
  after: Waiter<T> | undefined;
}

/** Those of one priority, in the order in which they came. */
interface Level<T> {
  first: Waiter<T> | undefined;
  last: Waiter<T> | undefined;
}

/** Places of the heap that nobody waits in any more are cleared when they are more than those where somebody does. */
const FEW = 64;

/**
 * Those who wait, in the order of priority and of coming, and at the same time in that of their deadlines. Joining and
 * leaving take the logarithm of the number of those who wait, at most.
 */
export class WaitingLine<T> {
  readonly #levels: readonly Level<T>[] = Array.from({ length: LOWEST_PRIORITY + 1 }, () => ({
    first: undefined,
    last: undefined,
  }));
  /** A binary heap by deadline; those who left stay until they come up. */
  #heap: Waiter<T>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @throws RangeError for what is no priority, or no deadline */
  join(item: T, priority: number, deadline: number): Waiter<T> {
    const level = this.#levels[priority];
    if (level === undefined) throw new RangeError(`a priority is a whole number, 0 to ${LOWEST_PRIORITY}`);
    if (Number.isNaN(deadline)) throw new RangeError('a deadline is a number');
    const waiter: Waiter<T> = { item, priority, deadline, waits: true, before: level.last, after: undefined };
    if (level.last === undefined) level.first = waiter;
    else level.last.after = waiter;
    level.last = waiter;
    this.#size += 1;
    this.#push(waiter);
    return waiter;
  }

  /** Whoever does not wait any more is let be. */
  leave(waiter: Waiter<T>): void {
    if (!waiter.waits) return;
    waiter.waits = false;
    const { before, after } = waiter;
    const level = this.#levels[waiter.priority];
    if (before !== undefined) before.after = after;
    else if (level !== undefined) level.first = after;
    if (after !== undefined) after.before = before;
    else if (level !== undefined) level.last = before;
    waiter.before = undefined;
    waiter.after = undefined;
    this.#size -= 1;
    if (this.#heap.length > FEW && this.#heap.length > 2 * this.#size) this.#clear();
  }

  /** Whose turn it is. */
  first(): Waiter<T> | undefined {
    return this.#levels.find(({ first }) => first !== undefined)?.first;
  }

  /** Whose time is over first. */
  mostUrgent(): Waiter<T> | undefined {
    while (this.#heap[0]?.waits === false) this.#pop();
    return this.#heap[0];
  }

  #clear(): void {
    const waiting = this.#heap.filter(({ waits }) => waits);
    // Sorted values are a heap.
    this.#heap = waiting.toSorted((a, b) => a.deadline - b.deadline);
  }

  #push(waiter: Waiter<T>): void {
    const heap = this.#heap;
    let at = heap.push(waiter) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#deadlineAt(parent) <= waiter.deadline) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const child = this.#deadlineAt(left + 1) < this.#deadlineAt(left) ? left + 1 : left;
      if (this.#deadlineAt(child) >= last.deadline) return;
      this.#swap(at, child);
      at = child;
    }
  }

  #deadlineAt(index: number): number {
    return this.#heap[index]?.deadline ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return;
    this.#heap[a] = other;
    this.#heap[b] = one;
  }
}
