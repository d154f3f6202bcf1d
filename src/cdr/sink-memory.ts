import type { LedgerSpan } from '../store/cdr-ledger.ts';

/** Of a record what tells it from all others, and its number. */
export interface RowName {
  readonly seq: number;
  readonly callId: string;
  readonly attempt: number;
}

/**
 * Whose record a text is.
 *
 * @throws Error where it is no record; the text itself is not in the message
 */
export function rowName(record: string): RowName {
  const found = tryRowName(record);
  if (found === undefined) throw new Error('not a call detail record');
  return found;
}

export function tryRowName(record: string): RowName | undefined {
  try {
    const { seq, callId, attempt } = JSON.parse(record) as Partial<RowName>;
    const isWhole = Number.isSafeInteger(seq) && typeof callId === 'string' && Number.isSafeInteger(attempt);
    return isWhole ? ({ seq, callId, attempt } as RowName) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Which records lie in the newest files of a sink: in the one that is being written and in the last that was finished.
 * All records up to a number `complete` lie in older ones, or are given up.
 */
export class SinkMemory {
  #complete: number;
  #older: ReadonlyMap<string, number>;
  #newer = new Map<string, number>();

  private constructor(complete: number, older: ReadonlyMap<string, number>) {
    this.#complete = complete;
    this.#older = older;
  }

  /** Of a sink without files. */
  static empty(): SinkMemory {
    return new SinkMemory(0, new Map());
  }

  /** Where nothing is known but what lies in the last finished file: what came before it counts as written. */
  static ofLastFile(names: readonly RowName[]): SinkMemory {
    const older = new Map(names.map((name) => [rowKey(name), name.seq]));
    return new SinkMemory(beforeAll(older.values()), older);
  }

  /** Reads what `text` wrote; undefined where it is something else, or cut off. */
  static read(text: string): SinkMemory | undefined {
    const [header = '', ...lines] = text.split('\n');
    try {
      const { complete, rows } = JSON.parse(header) as { complete?: number; rows?: number };
      if (!Number.isSafeInteger(complete) || rows !== lines.length - 1 || lines.at(-1) !== '') {
        return undefined;
      }
      const names = lines.slice(0, -1).map((line) => JSON.parse(line) as [number, string, number]);
      const older = names.map(([seq, callId, attempt]) => [rowKey({ seq, callId, attempt }), seq] as const);
      return new SinkMemory(complete ?? 0, new Map(older));
    } catch {
      return undefined;
    }
  }

  has(name: RowName): boolean {
    const key = rowKey(name);
    return this.#newer.has(key) || this.#older.has(key);
  }

  /** A record lies in the file that is being written. */
  add(name: RowName): void {
    this.#newer.set(rowKey(name), name.seq);
  }

  /** What is to be remembered once the file that is being written is finished, as text. */
  text(): string {
    const rows = [...this.#newer].map(([key, seq]) => {
      const at = key.indexOf(' ');
      return `${JSON.stringify([seq, key.slice(at + 1), Number(key.slice(0, at))])}\n`;
    });
    return `${JSON.stringify({ complete: this.#nextComplete(), rows: rows.length })}\n${rows.join('')}`;
  }

  /** The file that was written is finished; the next one is empty. */
  turn(): void {
    this.#complete = this.#nextComplete();
    this.#older = this.#newer;
    this.#newer = new Map();
  }

  /** Numbers up to one that are in no file: of the only sink of a ledger, what it lacks. */
  missing(upTo: number): readonly LedgerSpan[] {
    const spans: LedgerSpan[] = [];
    let after = this.#complete;
    for (const seq of [...this.#seqs()].sort((a, b) => a - b)) {
      if (seq > upTo) break;
      if (seq > after + 1) spans.push({ after, upTo: seq - 1 });
      after = Math.max(after, seq);
    }
    if (after < upTo) spans.push({ after, upTo });
    return spans;
  }

  /** Without gaps from here on, as far as it goes; a gap before the present file will not be filled any more. */
  #nextComplete(): number {
    const first = this.missing(Number.MAX_SAFE_INTEGER)[0]?.after ?? this.#complete;
    return Math.max(first, beforeAll(this.#newer.values()));
  }

  *#seqs(): Generator<number> {
    yield* this.#older.values();
    yield* this.#newer.values();
  }
}

/** The same for the same attempt, and for no other. */
export function rowKey({ callId, attempt }: RowName): string {
  return `${attempt} ${callId}`;
}

/** The number before the lowest one; 0 where there is none. */
function beforeAll(seqs: Iterable<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const seq of seqs) least = Math.min(least, seq);
  return Number.isFinite(least) ? least - 1 : 0;
}
