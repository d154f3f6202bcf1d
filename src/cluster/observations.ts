/** Since when a token has been seen as it is. */
interface Observation {
  /** Undefined: not there. */
  readonly beats: string | undefined;
  /** Ms of one's own monotonic clock. */
  readonly since: number;
}

/** A token that has stood still for too long. */
export interface Still {
  readonly token: string;
  readonly beats: string | undefined;
}

/** The times of one look, ms of one's own monotonic clock. What was seen was so at some moment between the two. */
export interface Look {
  readonly askedAt: number;
  readonly heardAt: number;
}

/**
 * Who has stood still, as one process sees it by its own clock. Only what it saw without a gap counts: whoever could
 * not look, since it was stopped or Redis was away, cannot tell who would have beaten meanwhile.
 */
export class Observations {
  readonly #patienceMs: number;
  readonly #gapMs: number;
  readonly #seen = new Map<string, Observation>();
  #lookedAt: number | undefined;

  /**
   * @param patienceMs how long a token may stand still
   * @param gapMs with more between two looks all begins anew
   */
  constructor({ patienceMs, gapMs }: { patienceMs: number; gapMs: number }) {
    this.#patienceMs = patienceMs;
    this.#gapMs = gapMs;
  }

  /** Takes in what a look has shown. Answers who has stood still for too long; until it is forgotten, each time. */
  see(beats: ReadonlyMap<string, string>, { askedAt, heardAt }: Look): readonly Still[] {
    const blind = this.#lookedAt === undefined || heardAt - this.#lookedAt > this.#gapMs;
    this.#lookedAt = heardAt;
    const still: Still[] = [];
    for (const token of new Set([...this.#seen.keys(), ...beats.keys()])) {
      const now = beats.get(token);
      const before = this.#seen.get(token);
      if (blind || before === undefined || before.beats !== now) {
        this.#seen.set(token, { beats: now, since: heardAt });
      } else if (askedAt - before.since >= this.#patienceMs) {
        still.push({ token, beats: now });
      }
    }
    return still;
  }

  /** Also looks out for a token that may not be there at all. */
  expect(token: string, now: number): void {
    if (!this.#seen.has(token)) this.#seen.set(token, { beats: undefined, since: now });
  }

  forget(token: string): void {
    this.#seen.delete(token);
  }

  /** How long each token has been seen as it is, ms. */
  stillMs(now: number): ReadonlyMap<string, number> {
    return new Map([...this.#seen].map(([token, { since }]) => [token, now - since]));
  }
}
