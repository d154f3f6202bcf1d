/** Slots of one turn, 1 ms each: the least common multiple of the packet lengths 10, 20, 30, 40 and 60 ms. */
const TURN = 120;
/** Up to this many streams share few slots, so that a quiet process wakes up seldom. */
const FEW_STREAMS = 40;
const SOME_STREAMS = 200;

interface Place {
  readonly periodMs: number;
  readonly phase: number;
}

/** Which streams send in which millisecond: a stream of 20 ms packets stands in every 20th slot, spread evenly. */
export class PacingWheel<T> {
  readonly #slots: T[][] = Array.from({ length: TURN }, () => []);
  readonly #places = new Map<T, Place>();

  get size(): number {
    return this.#places.size;
  }

  items(): IterableIterator<T> {
    return this.#places.keys();
  }

  /** Puts a stream into the emptiest slots of its period (10, 20, 30, 40 or 60 ms). */
  add(item: T, periodMs: number): void {
    if (TURN % periodMs !== 0) throw new RangeError('The period does not divide the turn of the wheel.');
    this.remove(item);
    const step = this.size < FEW_STREAMS ? 5 : this.size < SOME_STREAMS ? 2 : 1;
    let phase = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let candidate = 0; candidate < periodMs; candidate += step) {
      const load = this.#loadOf({ periodMs, phase: candidate });
      if (load < least) {
        least = load;
        phase = candidate;
      }
    }
    const place = { periodMs, phase };
    this.#places.set(item, place);
    for (const slot of this.#slotsOf(place)) slot.push(item);
  }

  remove(item: T): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    this.#places.delete(item);
    for (const slot of this.#slotsOf(place)) slot.splice(slot.indexOf(item), 1);
  }

  /** The streams of a slot; any count of slots since the begin. */
  at(slot: number): readonly T[] {
    return this.#slots[slot % TURN] ?? [];
  }

  /** The first slot from `slot` on that has a stream; undefined when the wheel is empty. */
  next(slot: number): number | undefined {
    for (let later = slot; later < slot + TURN; later++) {
      if (this.at(later).length > 0) return later;
    }
    return undefined;
  }

  #slotsOf({ periodMs, phase }: Place): T[][] {
    const slots: T[][] = [];
    for (let slot = phase; slot < TURN; slot += periodMs) slots.push(this.#slots[slot] ?? []);
    return slots;
  }

  #loadOf(place: Place): number {
    return this.#slotsOf(place).reduce((sum, slot) => sum + slot.length, 0);
  }
}
