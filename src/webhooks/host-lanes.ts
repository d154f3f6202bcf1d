export interface HostLanesOptions {
  /** At the same time, to all hosts. */
  readonly most: number;
  /** At the same time, to one host. */
  readonly mostOfHost: number;
  /** That wait for one host. */
  readonly longestLine: number;
  /** Does the work; it never rejects. Undefined: nothing was learnt about the host. */
  readonly work: (id: string) => Promise<'taken' | 'not_taken' | undefined>;
}

interface Lane {
  readonly waiting: string[];
  running: number;
  /** In a row. */
  failures: number;
}

/** From so many failures in a row on a host has one request at a time: more of them would only keep others waiting. */
const FEW_FAILURES = 3;
/** Of all places, for hosts whose last request failed: where many of them stall at once, others still have the rest. */
const FAILING_SHARE = 0.5;
/** Hosts: clients may name any number of them. */
const MOST_REMEMBERED = 1000;

/**
 * Work for hosts, of which any may be slow: each has a line and few places of its own, and those with something to do take
 * turns.
 */
export class HostLanes {
  readonly #options: HostLanesOptions;
  /** In the order of their turns. */
  readonly #lanes = new Map<string, Lane>();
  readonly #works = new Set<Promise<void>>();
  /** Of these, how many are for hosts that had failed before. */
  #doubtful = 0;
  #closed = false;

  constructor(options: HostLanesOptions) {
    this.#options = options;
  }

  /** False where the line is full, or nothing is taken any more. */
  add(host: string, id: string): boolean {
    const lane = this.#lanes.get(host) ?? { waiting: [], running: 0, failures: 0 };
    if (this.#closed || lane.waiting.length >= this.#options.longestLine) return false;
    this.#lanes.set(host, lane);
    lane.waiting.push(id);
    this.#go();
    return true;
  }

  /** Begins nothing more. @returns what had not begun */
  close(): readonly string[] {
    this.#closed = true;
    return [...this.#lanes.values()].flatMap(({ waiting }) => waiting.splice(0));
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#works.size > 0) await Promise.all(this.#works);
  }

  #go(): void {
    for (let host = this.#next(); host !== undefined; host = this.#next()) {
      const lane = this.#lanes.get(host);
      const id = lane?.waiting.shift();
      if (lane === undefined || id === undefined) return;
      // To the end of the line of hosts.
      this.#lanes.delete(host);
      this.#lanes.set(host, lane);
      lane.running += 1;
      const doubts = lane.failures > 0 ? 1 : 0;
      this.#doubtful += doubts;
      const work: Promise<void> = this.#options.work(id).then((came) => {
        this.#works.delete(work);
        lane.running -= 1;
        this.#doubtful -= doubts;
        if (came !== undefined) lane.failures = came === 'taken' ? 0 : lane.failures + 1;
        const isIdle = lane.running === 0 && lane.waiting.length === 0;
        if (isIdle && (lane.failures === 0 || this.#lanes.size > MOST_REMEMBERED)) this.#lanes.delete(host);
        this.#go();
      });
      this.#works.add(work);
    }
  }

  #next(): string | undefined {
    const { most, mostOfHost } = this.#options;
    if (this.#works.size >= most) return undefined;
    const trustsOnly = this.#doubtful >= Math.max(1, most * FAILING_SHARE);
    for (const [host, { waiting, running, failures }] of this.#lanes) {
      if (trustsOnly && failures > 0) continue;
      if (waiting.length > 0 && running < (failures >= FEW_FAILURES ? 1 : mostOfHost)) return host;
    }
    return undefined;
  }
}
