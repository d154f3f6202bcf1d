import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { identityOf } from '../store/own-folder.ts';
import { readLine } from './chain.ts';
import type { RowName } from './sink-memory.ts';
import { tryRowName } from './sink-memory.ts';

const READ_BYTES = 65_536;
/** A line that is longer is none of ours. */
const MAX_LINE_BYTES = 1_000_000;
const LINE_END = 0x0a;

/** A file of records that is being written: whole lines, each on disk before it is told. */
export class SinkFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #identity: string;
  #bytes: number;
  #isBroken = false;

  private constructor(path: string, handle: FileHandle, identity: string, bytes: number) {
    this.path = path;
    this.#handle = handle;
    this.#identity = identity;
    this.#bytes = bytes;
  }

  /** A new file, for its owner only. @throws where there is one of this name */
  static async create(path: string): Promise<SinkFile> {
    const handle = await open(path, 'wx+', 0o600);
    return new SinkFile(path, handle, await handleIdentity(handle), 0);
  }

  /**
   * Goes on with a file that an earlier process left. What a crash has torn at its end was never promised, and is cut
   * off; the rest is on disk afterwards.
   */
  static async resume(path: string): Promise<{ file: SinkFile; names: readonly RowName[] }> {
    const handle = await open(path, 'r+');
    try {
      const { names, end } = await namesIn(handle);
      await handle.truncate(end);
      await handle.sync();
      return { file: new SinkFile(path, handle, await handleIdentity(handle), end), names };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Resolves when these lines are on disk. Where it fails, none of them is in the file; should that be impossible too,
   * the file is to be resumed (`isThere`).
   */
  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text, 'utf8');
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(
          bytes,
          done,
          bytes.length - done,
          this.#bytes + done,
        );
        done += bytesWritten;
      }
      await this.#handle.datasync();
    } catch (error) {
      await this.#cut();
      throw error;
    }
    this.#bytes += bytes.length;
  }

  /** False where its name leads elsewhere, or its end could not be cut off. */
  async isThere(): Promise<boolean> {
    return !this.#isBroken && (await identityOf(this.path)) === this.#identity;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #cut(): Promise<void> {
    try {
      await this.#handle.truncate(this.#bytes);
    } catch {
      this.#isBroken = true;
    }
  }
}

/** Whose records lie in a file that is finished. */
export async function namesInFile(path: string): Promise<readonly RowName[]> {
  const handle = await open(path, 'r');
  try {
    return (await namesIn(handle)).names;
  } finally {
    await handle.close();
  }
}

/** @returns `end`: where the last whole record ends, bytes */
async function namesIn(handle: FileHandle): Promise<{ names: RowName[]; end: number }> {
  const names: RowName[] = [];
  let whole = 0;
  for await (const { text, end } of linesIn(handle)) {
    const { record } = readLine(text ?? '');
    if (!isWhole(record)) continue;
    whole = end;
    const name = tryRowName(record);
    if (name !== undefined) names.push(name);
  }
  return { names, end: whole };
}

/** Whatever a newer program may write, it is JSON. */
function isWhole(record: string): boolean {
  try {
    JSON.parse(record);
    return true;
  } catch {
    return false;
  }
}

/** Lines that have their end; without their text those that are too long. */
async function* linesIn(
  handle: FileHandle,
): AsyncGenerator<{ text: string | undefined; end: number }, void, undefined> {
  const buffer = Buffer.alloc(READ_BYTES);
  let parts: Buffer[] = [];
  let length = 0;
  for (let position = 0; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, position);
    if (bytesRead === 0) return;
    const chunk = buffer.subarray(0, bytesRead);
    let start = 0;
    for (let at = chunk.indexOf(LINE_END); at >= 0; at = chunk.indexOf(LINE_END, start)) {
      parts.push(chunk.subarray(start, at));
      length += at - start;
      const text = length > MAX_LINE_BYTES ? undefined : Buffer.concat(parts).toString('utf8');
      start = at + 1;
      yield { text, end: position + start };
      [parts, length] = [[], 0];
    }
    length += bytesRead - start;
    // The buffer is read into again.
    parts = length > MAX_LINE_BYTES ? [] : [...parts, Buffer.from(chunk.subarray(start))];
    position += bytesRead;
  }
}

async function handleIdentity(handle: FileHandle): Promise<string> {
  const { dev, ino } = await handle.stat();
  return `${dev} ${ino}`;
}
