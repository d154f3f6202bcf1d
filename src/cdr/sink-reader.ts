import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { LedgerSpan } from '../store/cdr-ledger.ts';
import { isMissing } from '../store/own-folder.ts';
import type { ChainRow } from './chain.ts';
import { readLine } from './chain.ts';
import { OPEN } from './sink-names.ts';

const LINE_END = 0x0a;
const HEAD_BYTES = 64;
const HEAD = /^\{"v":\d+,"seq":(\d{1,15}),/;
/** A place is a file and an offset in it in one number: 8192 files of a terabyte. */
const FILE_SPAN = 2 ** 40;
const WINDOW_BYTES = 65_536;
/** A line that is longer is none of ours. */
const MAX_LINE_BYTES = 1_000_000;
const MAX_OPEN = 64;

/**
 * Files of records that together hold one chain, such as those of several nodes: read once to learn where each row
 * lies (16 bytes a row in memory), and then row by row in the order of their numbers.
 */
export class SinkReader {
  readonly #paths: string[] = [];
  readonly #seqs: number[] = [];
  readonly #places: number[] = [];
  /** By the place of the file in `#paths`. */
  readonly #open = new Map<number, OpenFile>();
  #order: Uint32Array | undefined;

  /**
   * Learns what a file holds. An unfinished line at the end of one that is being written is left out.
   *
   * @param chunks its bytes from the beginning
   */
  async add(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const base = this.#paths.push(path) * FILE_SPAN - FILE_SPAN;
    let last = 0;
    let lineAt = 0;
    let head = Buffer.alloc(0);
    let position = 0;
    const note = (): void => {
      const seq = HEAD.exec(head.toString('latin1'))?.[1];
      // What is no record comes after the one before it, and shows there.
      last = seq === undefined ? Math.floor(last) + 0.5 : Number(seq);
      this.#seqs.push(last);
      this.#places.push(base + lineAt);
    };
    for await (const chunk of chunks) {
      for (let start = 0; start < chunk.length; ) {
        const found = chunk.indexOf(LINE_END, start);
        const end = found < 0 ? chunk.length : found;
        if (head.length < HEAD_BYTES) {
          head = Buffer.concat([head, chunk.subarray(start, Math.min(end, start + HEAD_BYTES))]);
        }
        start = end + 1;
        if (found < 0) break;
        note();
        [lineAt, head] = [position + start, Buffer.alloc(0)];
      }
      position += chunk.length;
    }
    if (position > lineAt && !path.endsWith(OPEN)) note();
    this.#order = undefined;
  }

  /** Numbers between the first row and the last that no file has. */
  missing(): readonly LedgerSpan[] {
    const spans: LedgerSpan[] = [];
    let last: number | undefined;
    for (const index of this.#sorted()) {
      const seq = this.#seqs[index] ?? 0;
      if (!Number.isInteger(seq)) continue;
      if (last !== undefined && seq > last + 1) spans.push({ after: last, upTo: seq - 1 });
      last = seq;
    }
    return spans;
  }

  /** All rows in the order of their numbers; a row that several files hold, or one holds twice, once. */
  async *rows(): AsyncGenerator<ChainRow, void, undefined> {
    let before: { readonly seq: number; readonly line: string } | undefined;
    for (const index of this.#sorted()) {
      const seq = this.#seqs[index] ?? 0;
      const place = this.#places[index] ?? 0;
      const file = await this.#file(Math.floor(place / FILE_SPAN));
      const line = await file.lineAt(place % FILE_SPAN);
      if (before?.seq === seq && before.line === line) continue;
      before = { seq, line };
      yield readLine(line);
    }
  }

  async close(): Promise<void> {
    for (const file of this.#open.values()) await file.close();
    this.#open.clear();
  }

  #sorted(): Uint32Array {
    this.#order ??= Uint32Array.from(this.#seqs.keys()).sort(
      (a, b) =>
        (this.#seqs[a] ?? 0) - (this.#seqs[b] ?? 0) || (this.#places[a] ?? 0) - (this.#places[b] ?? 0),
    );
    return this.#order;
  }

  async #file(place: number): Promise<OpenFile> {
    const known = this.#open.get(place);
    if (known !== undefined) return known;
    const [oldest] = this.#open;
    if (oldest !== undefined && this.#open.size >= MAX_OPEN) {
      this.#open.delete(oldest[0]);
      await oldest[1].close();
    }
    const file = new OpenFile(await opened(this.#paths[place] ?? ''));
    this.#open.set(place, file);
    return file;
  }
}

/** A file that was being written may have been finished since. */
async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (!isMissing(error) || !path.endsWith(OPEN)) throw error;
    return open(path.slice(0, -OPEN.length), 'r');
  }
}

/** A file and the part of it that was read last. */
class OpenFile {
  readonly #handle: FileHandle;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Empty where it is too long to be one. */
  async lineAt(at: number): Promise<string> {
    for (let size = WINDOW_BYTES; ; size *= 4) {
      const from = at - this.#start;
      const end = from < 0 || from >= this.#bytes.length ? -1 : this.#bytes.indexOf(LINE_END, from);
      if (end >= 0) return this.#bytes.toString('utf8', from, end);
      if (size > MAX_LINE_BYTES * 4) return '';
      const buffer = Buffer.alloc(size);
      const { bytesRead } = await this.#handle.read(buffer, 0, size, at);
      [this.#start, this.#bytes] = [at, buffer.subarray(0, bytesRead)];
      // The end of the file ends a line too.
      if (bytesRead < size && !this.#bytes.includes(LINE_END)) return this.#bytes.toString('utf8');
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
