import type { SayAs } from '../prompt/playlist.ts';
import { Secret } from '../secret.ts';

export const MIN_CODE_LENGTH = 4;
export const MAX_CODE_LENGTH = 10;

/** What the characters of a code are taken from. */
export type CodeAlphabet = 'digits' | 'alphanumeric';

/** Of letters and digits those that are not taken for one another when they are written down (no 0 and O, 1 and I). */
const CHARACTERS = { digits: '0123456789', alphanumeric: '23456789ABCDEFGHJKLMNPQRSTUVWXYZ' } as const;

const FORMS = { digits: /^[0-9]{4,10}$/, alphanumeric: /^[0-9A-Z]{4,10}$/ } as const;

/** Only spelled out in words are letters understood. */
export function alphabetOf(sayAs: SayAs): CodeAlphabet {
  return sayAs === 'nato' ? 'alphanumeric' : 'digits';
}

/**
 * A code of `length` (4–10) characters, each as likely as any other (NIST SP 800-63B).
 *
 * @param randomBytes cryptographic randomness: `n` bytes, anew at each call
 * @throws RangeError for another length
 */
export function generateCode(
  length: number,
  randomBytes: (n: number) => Uint8Array,
  alphabet: CodeAlphabet = 'digits',
): Secret {
  if (!Number.isInteger(length) || length < MIN_CODE_LENGTH || length > MAX_CODE_LENGTH) {
    throw new RangeError(`a code has ${MIN_CODE_LENGTH} to ${MAX_CODE_LENGTH} characters`);
  }
  const characters = CHARACTERS[alphabet];
  // 256 is no multiple of ten: bytes from here on would make some digits more frequent, and are thrown away.
  const firstBiasedByte = 256 - (256 % characters.length);
  let code = '';
  while (code.length < length) {
    for (const byte of randomBytes(length - code.length)) {
      if (byte < firstBiasedByte) {
        code += characters[byte % characters.length] ?? '';
      }
    }
  }
  return new Secret(code);
}

/**
 * A code that somebody else made or typed: 4–10 ASCII digits, or digits and letters of either case, and nothing
 * else. Undefined for any other text.
 */
export function readCode(text: string, alphabet: CodeAlphabet = 'digits'): Secret | undefined {
  // Not by the rules of all languages: some have letters whose capitals are ASCII.
  const capitals = text.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase());
  return FORMS[alphabet].test(capitals) ? new Secret(capitals) : undefined;
}
