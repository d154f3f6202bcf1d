export interface MediaRoomTerms {
  /** Calls that the media of this process carry at most. */
  readonly maxCarried: number;
  /** How many more calls of others may be carried, those left out about which it is just being asked. */
  readonly room: () => number;
}

/** How many calls of other processes this one may take: its own were counted when they were accepted. */
export class MediaRoom {
  readonly #terms: MediaRoomTerms;
  /** Permits that were not released. */
  #carried = 0;
  /** Calls of others that it is being asked about. */
  #asked = 0;

  constructor(terms: MediaRoomTerms) {
    this.#terms = terms;
  }

  /** Not below 0. */
  get forOthers(): number {
    const { maxCarried, room } = this.#terms;
    return Math.max(0, Math.min(room(), maxCarried - this.#carried) - this.#asked);
  }

  /** A permit is in hand, until what this answers is called, once. */
  carry(): () => void {
    this.#carried += 1;
    return () => {
      this.#carried -= 1;
    };
  }

  /** Counts a call of another process while it is not known whether it can be had. */
  async ask<T>(work: () => Promise<T>): Promise<T> {
    this.#asked += 1;
    try {
      return await work();
    } finally {
      this.#asked -= 1;
    }
  }
}
