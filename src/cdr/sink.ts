import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AppError } from '../errors.ts';
import type { LedgerRow, LedgerSpan } from '../store/cdr-ledger.ts';
import { FolderInUse, isMissing, OwnFolder } from '../store/own-folder.ts';
import { formatLine } from './chain.ts';
import { namesInFile, SinkFile } from './sink-file.ts';
import type { RowName } from './sink-memory.ts';
import { rowKey, rowName, SinkMemory } from './sink-memory.ts';
import { SinkNames } from './sink-names.ts';

export interface CdrSinkOptions {
  /** Made where it is missing. Nodes may share it. */
  readonly folder: string;
  /** Name of this node, the same after a restart: letters, digits, `.`, `_` and `-`, 1–64 of them. */
  readonly node: string;
  /** A file that would get larger is finished first. */
  readonly maxBytes: number;
  /** A file that is older is finished, also where nothing is written any more. */
  readonly maxMinutes: number;
  readonly now: () => number;
}

interface Append {
  readonly rows: readonly LedgerRow[];
  readonly names: readonly RowName[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Where records are written, as long as it is what it was. */
interface Place {
  readonly folder: OwnFolder;
  readonly memory: SinkMemory;
  file: SinkFile | undefined;
  /** When it was begun, epoch milliseconds. */
  begunAt: number;
}

const MINUTE_MS = 60_000;
/** How often the age of the file is looked at. */
const LOOK_MS = 10_000;
/** Of lines that are written at once. */
const MAX_BATCH_ROWS = 2000;

/**
 * Call detail records in files for billing: a line for each, as in an NDJSON export. The file that is being written
 * ends in `.open` and loses that when it is finished; nothing is changed afterwards, and finished files may be moved
 * away. A record is written once, however often it is given while it lies in one of the two newest files.
 */
export class CdrSink {
  readonly #options: CdrSinkOptions;
  readonly #names: SinkNames;
  readonly #clock: NodeJS.Timeout;
  #place: Place | undefined;
  #queue: Append[] = [];
  #working: Promise<void> | undefined;
  #closed = false;

  private constructor(options: CdrSinkOptions, place: Place, names: SinkNames) {
    this.#options = options;
    this.#place = place;
    this.#names = names;
    const lookMs = Math.min(options.maxMinutes * MINUTE_MS, LOOK_MS);
    this.#clock = setInterval(() => this.#work(), lookMs).unref();
  }

  /** @throws RangeError for a name that a file cannot have; FolderInUse; AppError store_unavailable */
  static async open(options: CdrSinkOptions): Promise<CdrSink> {
    const names = new SinkNames(options.node);
    try {
      return new CdrSink(options, await placeOf(options, names), names);
    } catch (error) {
      throw error instanceof FolderInUse ? error : unavailable(error);
    }
  }

  /**
   * Resolves when these records are on disk; those that come meanwhile share the next flush.
   *
   * @throws AppError store_unavailable: none of them counts as written, and they are to be given again
   */
  append(rows: readonly LedgerRow[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw unavailable(undefined);
      this.#queue.push({ rows, names: rows.map(({ record }) => rowName(record)), resolve, reject });
      this.#work();
    });
  }

  /**
   * Numbers up to one that this sink has not: what its ledger is to give it again after a crash, where there is no
   * other sink. @throws AppError store_unavailable
   */
  async missing(upTo: number): Promise<readonly LedgerSpan[]> {
    // In its turn: what is being written now is not missing.
    await this.append([]);
    return this.#place?.memory.missing(upTo) ?? [];
  }

  /** Writes what was given, and lets another process go on with the file. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#clock);
    await this.#working;
    await this.#leave();
  }

  #work(): void {
    this.#working ??= this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#finishOld();
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#write(batch);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        await this.#leaveIfLost();
        for (const { reject } of batch) reject(unavailable(error));
      }
    }
    this.#working = undefined;
  }

  #nextBatch(): readonly Append[] {
    let rows = 0;
    const fits = this.#queue.findIndex((append) => (rows += append.rows.length) > MAX_BATCH_ROWS);
    return this.#queue.splice(0, fits < 0 ? this.#queue.length : Math.max(1, fits));
  }

  async #write(batch: readonly Append[]): Promise<void> {
    this.#place ??= await placeOf(this.#options, this.#names);
    const place = this.#place;
    if (!(await isThere(place))) throw new Error('the folder or the file was moved or replaced');
    const fresh = new Map<string, { name: RowName; line: string }>();
    for (const { rows, names } of batch) {
      for (const [index, row] of rows.entries()) {
        const name = names[index];
        if (name === undefined || place.memory.has(name)) continue;
        const key = rowKey(name);
        if (!fresh.has(key)) fresh.set(key, { name, line: `${formatLine(row)}\n` });
      }
    }
    if (fresh.size === 0) return;
    // Who writes one ledger alone has its rows in their order, as an export has them.
    const inOrder = [...fresh.values()].sort((a, b) => a.name.seq - b.name.seq);
    const text = inOrder.map(({ line }) => line).join('');
    const file = await this.#fileFor(place, Buffer.byteLength(text));
    await file.write(text);
    for (const { name } of fresh.values()) place.memory.add(name);
    if (!(await file.isThere())) throw new Error('the file was moved or replaced');
  }

  async #fileFor(place: Place, bytes: number): Promise<SinkFile> {
    const { maxBytes, now } = this.#options;
    const { file } = place;
    const isFull = file !== undefined && file.bytes > 0 && file.bytes + bytes > maxBytes;
    if (isFull || this.#isOld(place)) await this.#finish(place);
    if (place.file !== undefined) return place.file;
    const begunAt = now();
    const next = await SinkFile.create(join(place.folder.path, this.#names.next(begunAt)));
    try {
      await place.folder.sync();
    } catch (error) {
      await next.close();
      await rm(next.path, { force: true });
      throw error;
    }
    [place.file, place.begunAt] = [next, begunAt];
    return next;
  }

  #isOld(place: Place): boolean {
    const now = this.#options.now();
    // A clock that was set back would keep the file open for as long.
    if (now < place.begunAt) place.begunAt = now;
    const { file, begunAt } = place;
    return file !== undefined && file.bytes > 0 && now - begunAt >= this.#options.maxMinutes * MINUTE_MS;
  }

  async #finishOld(): Promise<void> {
    const place = this.#place;
    if (place === undefined || !this.#isOld(place)) return;
    try {
      if (await isThere(place)) await this.#finish(place);
    } catch {
      // Whoever writes next meets the same, and hears of it.
      await this.#leaveIfLost();
    }
  }

  /** What the file holds is noted first: somebody may take the finished file away at once. */
  async #finish(place: Place): Promise<void> {
    const { folder, file, memory } = place;
    if (file === undefined) return;
    const note = join(folder.path, this.#names.note);
    await writeWhole(note, memory.text());
    await rename(file.path, join(folder.path, this.#names.finished(file.path)));
    place.file = undefined;
    memory.turn();
    await file.close();
    await folder.sync();
  }

  async #leaveIfLost(): Promise<void> {
    const place = this.#place;
    if (place === undefined) return;
    const isLost = !(await isThere(place).catch(() => false));
    if (isLost) await this.#leave();
  }

  async #leave(): Promise<void> {
    const place = this.#place;
    this.#place = undefined;
    await place?.file?.close().catch(() => undefined);
    place?.folder.close();
  }
}

async function isThere({ folder, file }: Place): Promise<boolean> {
  const [isOurs, isFile] = await Promise.all([folder.isOurs(), file?.isThere() ?? true]);
  return isOurs && isFile;
}

/** What an earlier process left, and where to go on. */
async function placeOf({ folder: path, now }: CdrSinkOptions, names: SinkNames): Promise<Place> {
  const folder = await OwnFolder.open(path, names.lock);
  let file: SinkFile | undefined;
  try {
    const { finished, open } = names.among(await readdir(path));
    const memory = await memoryOf(folder, finished, names);
    for (const [index, name] of open.entries()) {
      const resumed = await SinkFile.resume(join(path, name));
      ({ file } = resumed);
      for (const row of resumed.names) memory.add(row);
      // An empty one was made by a process that ended at once.
      const isEmpty = file.bytes === 0;
      if (index === open.length - 1 && !isEmpty) break;
      await file.close();
      if (isEmpty) await rm(file.path);
      else await rename(file.path, join(path, names.finished(file.path)));
      file = undefined;
    }
    await folder.sync();
    const begunAt = Math.min(now(), names.begunAt(basename(file?.path ?? '')) ?? now());
    return { folder, memory, file, begunAt };
  } catch (error) {
    await file?.close().catch(() => undefined);
    folder.close();
    throw error;
  }
}

async function memoryOf(
  folder: OwnFolder,
  finished: readonly string[],
  names: SinkNames,
): Promise<SinkMemory> {
  try {
    const noted = SinkMemory.read(await readFile(join(folder.path, names.note), 'utf8'));
    if (noted !== undefined) return noted;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const last = finished.at(-1);
  return last === undefined
    ? SinkMemory.empty()
    : SinkMemory.ofLastFile(await namesInFile(join(folder.path, last)));
}

/** All of it, or what was there before. */
async function writeWhole(path: string, text: string): Promise<void> {
  const part = `${path}.new`;
  try {
    await writeFile(part, text, { mode: 0o600, flush: true });
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    throw error;
  }
}

function unavailable(cause: unknown): AppError {
  return new AppError('store_unavailable', {
    message: 'Call detail records cannot be written.',
    cause,
  });
}
