export interface HostLanesOptions {
  /** At the same time, to all hosts. */
  readonly most: number;
  /** At the same time, to one host. */
  readonly mostOfHost: number;
  /** That wait for one host, of one client. */
  readonly longestLine: number;
  /** Does the work; it never rejects. Undefined: nothing was learnt about the host. */
  readonly work: (id: string) => Promise<'taken' | 'not_taken' | undefined>;
}

interface Host {
  waiting: number;
  running: number;
  /** In a row. */
  failures: number;
}

interface Client {
  /** What waits, by host, in the order of their turns; none is empty. */
  readonly lines: Map<string, string[]>;
  running: number;
  /** Of these, how many are for hosts that had failed before. */
  doubtful: number;
}

/** From so many failures in a row on a host has one request at a time: more of them would only keep others waiting. */
const FEW_FAILURES = 3;
/** Of all places, for hosts whose last request failed: where many of them stall at once, others still have the rest. */
const FAILING_SHARE = 0.5;
/** How many places a client may have for each that it leaves free. */
const PLACES_FOR_A_FREE_ONE = 3;
/** Hosts: clients may name any number of them. */
const MOST_REMEMBERED = 1000;

/**
 * Work for hosts, of which any may be slow: each has few places of its own. Clients with something to do take turns, and so
 * do the hosts of each. However many hosts a client names, it leaves places free: a quarter of them where it is alone, and
 * the last one always for somebody who has none.
 */
export class HostLanes {
  readonly #options: HostLanesOptions;
  readonly #hosts = new Map<string, Host>();
  /** In the order of their turns. */
  readonly #clients = new Map<string | null, Client>();
  readonly #works = new Set<Promise<void>>();
  /** Of these, how many are for hosts that had failed before. */
  #doubtful = 0;
  #closed = false;

  constructor(options: HostLanesOptions) {
    this.#options = options;
  }

  /**
   * False where the line is full, or nothing is taken any more.
   *
   * @param clientId null: it is nobody's in particular, and may have every place
   */
  add(host: string, id: string, clientId: string | null = null): boolean {
    const client = this.#clients.get(clientId) ?? { lines: new Map(), running: 0, doubtful: 0 };
    const line = client.lines.get(host) ?? [];
    if (this.#closed || line.length >= this.#options.longestLine) return false;
    const lane = this.#hosts.get(host) ?? { waiting: 0, running: 0, failures: 0 };
    this.#clients.set(clientId, client);
    this.#hosts.set(host, lane);
    client.lines.set(host, line);
    line.push(id);
    lane.waiting += 1;
    this.#go();
    return true;
  }

  /** Begins nothing more. @returns what had not begun */
  close(): readonly string[] {
    this.#closed = true;
    const lines = [...this.#clients.values()].flatMap((client) => [...client.lines.values()]);
    for (const { lines: own } of this.#clients.values()) own.clear();
    return lines.flat();
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#works.size > 0) await Promise.all(this.#works);
  }

  #go(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) this.#begin(...next);
  }

  #begin(clientId: string | null, client: Client, host: string, lane: Host): void {
    const id = this.#shift(clientId, client, host);
    if (id === undefined) return;
    const doubts = lane.failures > 0 ? 1 : 0;
    lane.waiting -= 1;
    lane.running += 1;
    client.running += 1;
    client.doubtful += doubts;
    this.#doubtful += doubts;
    const work: Promise<void> = this.#options.work(id).then((came) => {
      this.#works.delete(work);
      lane.running -= 1;
      client.running -= 1;
      client.doubtful -= doubts;
      this.#doubtful -= doubts;
      if (came !== undefined) lane.failures = came === 'taken' ? 0 : lane.failures + 1;
      const isIdle = lane.running === 0 && lane.waiting === 0;
      if (isIdle && (lane.failures === 0 || this.#hosts.size > MOST_REMEMBERED)) this.#hosts.delete(host);
      if (client.running === 0 && client.lines.size === 0) this.#clients.delete(clientId);
      this.#go();
    });
    this.#works.add(work);
  }

  /** Takes the first of a line; line and client go to the end of theirs. */
  #shift(clientId: string | null, client: Client, host: string): string | undefined {
    const line = client.lines.get(host) ?? [];
    const id = line.shift();
    client.lines.delete(host);
    if (line.length > 0) client.lines.set(host, line);
    this.#clients.delete(clientId);
    this.#clients.set(clientId, client);
    return id;
  }

  #next(): [clientId: string | null, client: Client, host: string, lane: Host] | undefined {
    const { most, mostOfHost } = this.#options;
    const free = most - this.#works.size;
    if (free <= 0) return undefined;
    const doubtfulFree = Math.max(1, Math.ceil(most * FAILING_SHARE)) - this.#doubtful;
    for (const [clientId, client] of this.#clients) {
      if (!mayHaveMore(clientId, client.running, free)) continue;
      const trustsOnly = !mayHaveMore(clientId, client.doubtful, doubtfulFree);
      for (const host of client.lines.keys()) {
        const lane = this.#hosts.get(host);
        if (lane === undefined || (trustsOnly && lane.failures > 0)) continue;
        if (lane.running < (lane.failures >= FEW_FAILURES ? 1 : mostOfHost)) {
          return [clientId, client, host, lane];
        }
      }
    }
    return undefined;
  }
}

/** Whether a client that has so many places may have one of those that are free. */
function mayHaveMore(clientId: string | null, own: number, free: number): boolean {
  return clientId === null ? free > 0 : own <= PLACES_FOR_A_FREE_ONE * (free - 1);
}
