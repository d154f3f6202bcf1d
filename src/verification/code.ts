import { Secret } from '../secret.ts';

export const MIN_CODE_LENGTH = 4;
export const MAX_CODE_LENGTH = 10;

/** 256 is no multiple of ten: bytes from here on would make the digits 0–5 more frequent, and are thrown away. */
const FIRST_BIASED_BYTE = 250;

const CODE = /^[0-9]{4,10}$/;

/**
 * A code of `length` (4–10) decimal digits, each as likely as any other (NIST SP 800-63B).
 *
 * @param randomBytes cryptographic randomness: `n` bytes, anew at each call
 * @throws RangeError for another length
 */
export function generateCode(length: number, randomBytes: (n: number) => Uint8Array): Secret {
  if (!Number.isInteger(length) || length < MIN_CODE_LENGTH || length > MAX_CODE_LENGTH) {
    throw new RangeError(`a code has ${MIN_CODE_LENGTH} to ${MAX_CODE_LENGTH} digits`);
  }
  let digits = '';
  while (digits.length < length) {
    for (const byte of randomBytes(length - digits.length)) {
      if (byte < FIRST_BIASED_BYTE) {
        digits += byte % 10;
      }
    }
  }
  return new Secret(digits);
}

/** A code that somebody else made or typed: 4–10 ASCII digits and nothing else. Undefined for any other text. */
export function readCode(text: string): Secret | undefined {
  return CODE.test(text) ? new Secret(text) : undefined;
}
