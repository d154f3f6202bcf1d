import { basename } from 'node:path';

const NODE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const ANY_OPEN = /^cdrs-(.+)-\d{8}T\d{9}Z\.ndjson\.open$/;
const STAMP = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z$/;
/** What the name of a file that is being written ends in. */
export const OPEN = '.open';

/**
 * Names of the files of one node: `cdrs-<node>-<UTC time of its beginning>.ndjson`, with `.open` after it while it is
 * being written. In the order of their names they are in that of their beginning, also where the clock is set back.
 */
export class SinkNames {
  readonly #node: string;
  readonly #pattern: RegExp;
  #latest = 0;

  /** @throws RangeError for a name that says more than a name */
  constructor(node: string) {
    if (!NODE.test(node)) {
      throw new RangeError(`a node is named by 1–64 letters, digits, dots, dashes and underscores: ${node}`);
    }
    this.#node = node;
    this.#pattern = new RegExp(`^cdrs-${node.replaceAll('.', '\\.')}-(\\d{8}T\\d{9}Z)\\.ndjson(\\.open)?$`);
  }

  get lock(): string {
    return `cdrs-${this.#node}.lock`;
  }

  /** What lies in the file that was finished last. */
  get note(): string {
    return `cdrs-${this.#node}.last`;
  }

  /** Those of this node, the oldest first. */
  among(names: readonly string[]): {
    readonly finished: readonly string[];
    readonly open: readonly string[];
  } {
    const ours = names.filter((name) => this.#pattern.test(name)).sort();
    for (const name of ours) this.#latest = Math.max(this.#latest, this.begunAt(name) ?? 0);
    return {
      finished: ours.filter((name) => !name.endsWith(OPEN)),
      open: ours.filter((name) => name.endsWith(OPEN)),
    };
  }

  /** Of a file that begins now, after all others. */
  next(now: number): string {
    this.#latest = Math.max(now, this.#latest + 1);
    const stamp = new Date(this.#latest).toISOString().replaceAll(/[-:.]/g, '');
    return `cdrs-${this.#node}-${stamp}.ndjson${OPEN}`;
  }

  /** The last name of a file that is being written. */
  finished(path: string): string {
    return basename(path, OPEN);
  }

  /** Epoch milliseconds; undefined of what is no file of this node. */
  begunAt(name: string): number | undefined {
    const stamp = STAMP.exec(this.#pattern.exec(name)?.[1] ?? '');
    if (stamp === null) return undefined;
    const [, year, month, day, hour, minute, second, ms] = stamp.map(Number);
    return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second, ms);
  }
}

/** Of which nodes there are files that are being written, or were when their process ended. */
export function nodesWriting(names: readonly string[]): readonly string[] {
  const nodes = names.map((name) => ANY_OPEN.exec(name)?.[1] ?? '').filter((node) => NODE.test(node));
  return [...new Set(nodes)];
}
