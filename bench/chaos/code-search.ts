import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CODE_LENGTH } from './codes.ts';

/** Files are read in pieces of so many bytes. */
const PIECE = 4 * 2 ** 20;
const PREFIX = 3;
const MAX_FOUND = 20;

/**
 * Finds texts of ten letters and digits in any bytes, in capitals or small letters, thousands of them at once.
 *
 * One with a letter is found wherever it stands: by chance it does not come about (36^10 possible ones). One of digits
 * alone is found where it stands by itself, without a digit before or after it: within the longer numbers that files
 * are full of, such as times, chance would find some of them.
 */
export class CodeSearch {
  readonly #codes: ReadonlySet<string>;
  /** Whether a code begins with these three characters: most places are passed over with one look. */
  readonly #begins = new Uint8Array(2 ** 18);

  constructor(codes: Iterable<string>) {
    this.#codes = new Set(Array.from(codes, (code) => code.toUpperCase()));
    for (const code of this.#codes) {
      if (code.length !== CODE_LENGTH) throw new RangeError(`a code of ${code.length} characters`);
      this.#begins[placeOf(Buffer.from(code, 'latin1'), 0)] = 1;
    }
  }

  /** Codes that are in these bytes; an edge counts as no digit. */
  inBytes(bytes: Uint8Array): readonly string[] {
    return this.#scan(bytes, 0, bytes.length - CODE_LENGTH);
  }

  inText(text: string): readonly string[] {
    return this.inBytes(Buffer.from(text, 'utf8'));
  }

  async inFile(path: string): Promise<readonly string[]> {
    const found = new Set<string>();
    let bytes: Uint8Array = Buffer.alloc(0);
    let from = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: PIECE }) as AsyncIterable<Buffer>) {
      bytes = Buffer.concat([bytes, chunk]);
      // The last place waits for the byte that follows it.
      const last = bytes.length - CODE_LENGTH - 1;
      if (last < from) continue;
      for (const code of this.#scan(bytes, from, last)) found.add(code);
      // With the byte before the place that is the next.
      bytes = bytes.subarray(last);
      from = 1;
    }
    for (const code of this.#scan(bytes, from, bytes.length - CODE_LENGTH)) found.add(code);
    return [...found];
  }

  /** Places from the first to the last, both included. */
  #scan(bytes: Uint8Array, first: number, last: number): readonly string[] {
    const found = new Set<string>();
    for (let at = first; at <= last; at++) {
      if (this.#begins[placeOf(bytes, at)] === 0) continue;
      const text = Buffer.from(bytes.subarray(at, at + CODE_LENGTH))
        .toString('latin1')
        .toUpperCase();
      if (!this.#codes.has(text)) continue;
      const alone = !isDigit(bytes[at - 1]) && !isDigit(bytes[at + CODE_LENGTH]);
      if (alone || /[A-Z]/.test(text)) found.add(text);
      if (found.size >= MAX_FOUND) break;
    }
    return [...found];
  }

  /** Names and contents of all files below a folder: `path: code`. */
  async inFolder(folder: string): Promise<{ readonly files: number; readonly found: readonly string[] }> {
    const found: string[] = [];
    let files = 0;
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      found.push(...this.inText(entry.name).map((code) => `the name of ${entry.name}: ${code}`));
      if (!entry.isFile()) continue;
      files += 1;
      const codes = await this.inFile(join(entry.parentPath, entry.name));
      found.push(...codes.map((code) => `${entry.name}: ${code}`));
    }
    return { files, found };
  }
}

/** Six bits of each of three characters; small letters and capitals are the same. */
function placeOf(bytes: Uint8Array, at: number): number {
  let place = 0;
  for (let i = at; i < at + PREFIX; i++) {
    const byte = bytes[i] ?? 0;
    place = (place << 6) | ((byte >= 0x61 ? byte - 0x20 : byte) & 0x3f);
  }
  return place;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
