import { type Host, HostLines, type Line } from './host-lines.ts';

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

interface Client {
  readonly lines: HostLines;
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
/** Hosts that failed last, and for which nothing waits: clients may name any number of them. */
const MOST_REMEMBERED = 1000;
/** Where more than this waits of one client, each of its hosts has one in its line only: they may be thousands. */
const MANY_WAITING = 2000;
/** Of one client, for all its hosts. */
const MOST_WAITING = 10_000;

/**
 * Work for hosts, of which any may be slow: each has few places of its own. Clients with something to do take turns, and so
 * do the hosts of each. However many hosts a client names, it leaves places free: a quarter of them where it is alone, and
 * the last one always for somebody who has none.
 */
export class HostLanes {
  readonly #options: HostLanesOptions;
  /** For which something waits or is under way. */
  readonly #hosts = new Map<string, Host>();
  /** How often others failed in a row, the latest last. */
  readonly #failed = new Map<string, number>();
  /** In the order of their turns. */
  readonly #clients = new Map<string | null, Client>();
  readonly #works = new Set<Promise<void>>();
  /** Of these, how many are for hosts that had failed before. */
  #doubtful = 0;
  #turns = 0;
  #closed = false;

  constructor(options: HostLanesOptions) {
    this.#options = options;
  }

  /**
   * False where the line is full, or the client has too much that waits, or nothing is taken any more.
   *
   * @param clientId null: it is nobody's in particular, and may have every place
   */
  add(name: string, id: string, clientId: string | null = null): boolean {
    const client = this.#clients.get(clientId) ?? { lines: new HostLines(), running: 0, doubtful: 0 };
    const host = this.#hosts.get(name) ?? {
      name,
      lines: new Set(),
      running: 0,
      failures: this.#failed.get(name) ?? 0,
    };
    if (this.#closed || !this.#hasRoom(client.lines, host)) return false;
    this.#clients.set(clientId, client);
    this.#hosts.set(name, host);
    this.#failed.delete(name);
    client.lines.push(host, id, this.#turn());
    this.#go();
    return true;
  }

  /** Begins nothing more. @returns what had not begun */
  close(): readonly string[] {
    this.#closed = true;
    return [...this.#clients.values()].flatMap(({ lines }) => lines.clear());
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#works.size > 0) await Promise.all(this.#works);
  }

  #hasRoom(lines: HostLines, host: Host): boolean {
    const { longestLine } = this.#options;
    if (lines.waiting >= MOST_WAITING) return false;
    const length = lines.of(host)?.waiting.length ?? 0;
    return length < (lines.waiting < MANY_WAITING ? longestLine : 1);
  }

  #turn(): number {
    this.#turns += 1;
    return this.#turns;
  }

  #go(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) this.#begin(...next);
  }

  #begin(clientId: string | null, client: Client, line: Line): void {
    const { host } = line;
    const id = client.lines.shift(line, this.#turn());
    if (id === undefined) return;
    // To the end of the line of clients.
    this.#clients.delete(clientId);
    this.#clients.set(clientId, client);
    const doubts = host.failures > 0 ? 1 : 0;
    host.running += 1;
    client.running += 1;
    client.doubtful += doubts;
    this.#doubtful += doubts;
    const work: Promise<void> = this.#options.work(id).then((came) => {
      this.#works.delete(work);
      host.running -= 1;
      client.running -= 1;
      client.doubtful -= doubts;
      this.#doubtful -= doubts;
      if (came !== undefined) HostLines.note(host, came);
      if (host.running === 0 && host.lines.size === 0) this.#leave(host);
      if (client.running === 0 && client.lines.waiting === 0) this.#clients.delete(clientId);
      this.#go();
    });
    this.#works.add(work);
  }

  /** Nothing is to be done for it: what is remembered is whether it failed. */
  #leave({ name, failures }: Host): void {
    this.#hosts.delete(name);
    if (failures === 0) return;
    this.#failed.set(name, failures);
    if (this.#failed.size <= MOST_REMEMBERED) return;
    for (const oldest of this.#failed.keys()) {
      this.#failed.delete(oldest);
      return;
    }
  }

  #next(): [clientId: string | null, client: Client, line: Line] | undefined {
    const { most, mostOfHost } = this.#options;
    const free = most - this.#works.size;
    if (free <= 0) return undefined;
    const doubtfulFree = Math.max(1, Math.ceil(most * FAILING_SHARE)) - this.#doubtful;
    const hasPlace = ({ running, failures }: Host): boolean =>
      running < (failures >= FEW_FAILURES ? 1 : mostOfHost);
    for (const [clientId, client] of this.#clients) {
      if (!mayHaveMore(clientId, client.running, free)) continue;
      const trustsOnly = !mayHaveMore(clientId, client.doubtful, doubtfulFree);
      const line = client.lines.next(hasPlace, trustsOnly);
      if (line !== undefined) return [clientId, client, line];
    }
    return undefined;
  }
}

/** Whether a client that has so many places may have one of those that are free. */
function mayHaveMore(clientId: string | null, own: number, free: number): boolean {
  return clientId === null ? free > 0 : own <= PLACES_FOR_A_FREE_ONE * (free - 1);
}
