/** One host: what of it is the same for all clients. */
export interface Host {
  readonly name: string;
  /** What waits for it, of all clients; none is empty. */
  readonly lines: Set<Line>;
  running: number;
  /** In a row. */
  failures: number;
}

/** What waits for one host, of one client. */
export interface Line {
  readonly host: Host;
  /** Of the same client. */
  readonly among: HostLines;
  readonly waiting: string[];
  /** The lower the sooner; each turn has another number. */
  turn: number;
}

/**
 * The lines of one client. Those for hosts that fail are kept apart, so that none of them is looked at where only others
 * may have a place: there may be thousands.
 */
export class HostLines {
  readonly #byHost = new Map<Host, Line>();
  readonly #trusted = new Turns();
  readonly #failing = new Turns();
  #waiting = 0;

  /** All that waits in them. */
  get waiting(): number {
    return this.#waiting;
  }

  of(host: Host): Line | undefined {
    return this.#byHost.get(host);
  }

  /** @param turn of the line, where it is new */
  push(host: Host, id: string, turn: number): void {
    const line = this.#byHost.get(host) ?? { host, among: this, waiting: [], turn };
    line.waiting.push(id);
    this.#waiting += 1;
    if (line.waiting.length > 1) return;
    this.#byHost.set(host, line);
    host.lines.add(line);
    this.#kindOf(host).add(line);
  }

  /** The first of a line, which comes to another turn then. */
  shift(line: Line, turn: number): string | undefined {
    const { host, waiting } = line;
    const id = waiting.shift();
    this.#waiting -= 1;
    this.#kindOf(host).delete(line);
    line.turn = turn;
    if (waiting.length > 0) {
      this.#kindOf(host).add(line);
    } else {
      this.#byHost.delete(host);
      host.lines.delete(line);
    }
    return id;
  }

  /** The line whose turn it is, of those whose host has a place. */
  next(hasPlace: (host: Host) => boolean, trustsOnly: boolean): Line | undefined {
    const trusted = this.#trusted.first(hasPlace);
    const failing = trustsOnly ? undefined : this.#failing.first(hasPlace);
    if (trusted === undefined || failing === undefined) return trusted ?? failing;
    return trusted.turn < failing.turn ? trusted : failing;
  }

  /** Empties all of them. @returns what waited, in the order of the lines */
  clear(): readonly string[] {
    const ids = [...this.#byHost.values()]
      .toSorted((a, b) => a.turn - b.turn)
      .flatMap(({ waiting }) => waiting);
    for (const line of this.#byHost.values()) {
      this.#kindOf(line.host).delete(line);
      line.host.lines.delete(line);
    }
    this.#byHost.clear();
    this.#waiting = 0;
    return ids;
  }

  /** Notes on a host what came of a request. The lines of all clients for it keep their turns. */
  static note(host: Host, came: 'taken' | 'not_taken'): void {
    const failures = came === 'taken' ? 0 : host.failures + 1;
    const differs = failures > 0 !== host.failures > 0;
    if (differs) for (const line of host.lines) line.among.#kindOf(host).delete(line);
    host.failures = failures;
    if (differs) for (const line of host.lines) line.among.#kindOf(host).add(line);
  }

  #kindOf({ failures }: Host): Turns {
    return failures > 0 ? this.#failing : this.#trusted;
  }
}

/** Lines in the order of their turns. */
class Turns {
  readonly #lines: Line[] = [];

  add(line: Line): void {
    const last = this.#lines.at(-1);
    if (last === undefined || last.turn < line.turn) this.#lines.push(line);
    else this.#lines.splice(this.#placeOf(line.turn), 0, line);
  }

  delete({ turn }: Line): void {
    this.#lines.splice(this.#placeOf(turn), 1);
  }

  first(hasPlace: (host: Host) => boolean): Line | undefined {
    return this.#lines.find(({ host }) => hasPlace(host));
  }

  /** How many lines have a turn before this one. */
  #placeOf(turn: number): number {
    let low = 0;
    let high = this.#lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#lines[middle]?.turn ?? turn) < turn) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
