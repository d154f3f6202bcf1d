import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** One way in which a code could be written down. */
interface Form {
  readonly name: string;
  /** The code written so. */
  readonly sample: (code: string) => Buffer;
  /** Whether text, one character a byte, has the code written so. */
  readonly isIn: (text: string, code: string) => boolean;
}

const WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const wordsOf = (code: string): string[] => code.split('').map((digit) => WORDS[Number(digit)] ?? '');
const reversed = (code: string): string => code.split('').toReversed().join('');

/** Digits in order with up to so many other characters between two of them: `7 3 9`, `7.wav!3.wav`, `"7","3"`. */
const MAX_GAP = 12;
const inOrder = (digits: string): RegExp => new RegExp(digits.split('').join(`[^0-9]{0,${MAX_GAP}}`));

function written(name: string, sample: (code: string) => string): Form {
  return inSomeOrder(name, sample, (code) => code);
}

/** A form in which the digits of `order` stand as they are. */
function inSomeOrder(name: string, sample: (code: string) => string, order: (code: string) => string): Form {
  return {
    name,
    sample: (code) => Buffer.from(sample(code)),
    isIn: (text, code) => inOrder(order(code)).test(text),
  };
}

/** A form that is these very bytes. */
function exact(name: string, sample: (code: string) => Buffer): Form {
  return { name, sample, isIn: (text, code) => text.includes(sample(code).toString('latin1')) };
}

const each = (write: (digit: string) => string) => (code: string) =>
  Buffer.from(code.split('').map(write).join(''));
const hexOf = (digit: string): string => digit.charCodeAt(0).toString(16);

/** Base64 of a text in which the code starts at this place of a group of three bytes, without the neighbours' part. */
function base64At(offset: number): Form {
  return exact(`base64 at ${offset}`, (code) => {
    const text = Buffer.from('-'.repeat(offset) + code)
      .toString('base64')
      .replace(/=+$/, '');
    const first = offset === 0 ? 0 : offset + 1;
    const last = (offset + code.length) % 3 === 0 ? text.length : text.length - 1;
    return Buffer.from(text.slice(first, last));
  });
}

function hashed(algorithm: string): Form {
  return exact(`${algorithm} without a key`, (code) =>
    Buffer.from(createHash(algorithm).update(code).digest('hex')),
  );
}

export const FORMS: readonly Form[] = [
  written('plain', (code) => code),
  written('spaced', (code) => code.split('').join(' ')),
  written('with commas', (code) => code.split('').join(', ')),
  written('with dashes', (code) => code.split('').join('-')),
  written('in pairs', (code) => code.replace(/..(?=.)/g, '$& ')),
  written('as a list of strings', (code) => JSON.stringify(code.split(''))),
  written('as file names', (code) =>
    code
      .split('')
      .map((digit) => `sounds/${digit}.wav`)
      .join('!'),
  ),
  { ...written('in UTF-16', (code) => code), sample: (code) => Buffer.from(code, 'utf16le') },
  inSomeOrder('reversed', reversed, reversed),
  inSomeOrder('reversed and spaced', (code) => reversed(code).split('').join(' '), reversed),
  {
    name: 'in words',
    sample: (code) => Buffer.from(wordsOf(code).join(', ')),
    isIn: (text, code) => new RegExp(wordsOf(code).join('[^a-z]{0,12}'), 'i').test(text),
  },
  exact(
    'percent-encoded',
    each((digit) => `%${hexOf(digit)}`),
  ),
  exact(
    'as JSON escapes',
    each((digit) => `\\u00${hexOf(digit)}`),
  ),
  exact(
    'as HTML entities',
    each((digit) => `&#${digit.charCodeAt(0)};`),
  ),
  exact('in hexadecimal', each(hexOf)),
  ...[0, 1, 2].map(base64At),
  exact('as an integer of SQLite', (code) => {
    const bytes = Buffer.alloc(6);
    bytes.writeUIntBE(Number(code), 0, 6);
    return bytes;
  }),
  hashed('md5'),
  hashed('sha1'),
  hashed('sha256'),
];

/** A place where a code must not be. */
export interface Place {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Every form of every code that is in a place, as `place: form, number of the code`. */
export function findCodes(places: readonly Place[], codes: readonly string[]): string[] {
  return places.flatMap(({ name, bytes }) => {
    const text = bytes.toString('latin1');
    return codes.flatMap((code, i) =>
      FORMS.filter((form) => form.isIn(text, code)).map((form) => `${name}: ${form.name}, code ${i}`),
    );
  });
}

/** All files of a folder, by content, and their names as one more place. */
export async function placesIn(folder: string): Promise<Place[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const places = await Promise.all(
    files.map(async (file) => ({ name: relative(folder, file), bytes: await readFile(file) })),
  );
  return [{ name: 'file names', bytes: Buffer.from(entries.map(({ name }) => name).join('\n')) }, ...places];
}
