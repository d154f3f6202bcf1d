import { createHash } from 'node:crypto';

/** The last two digits of an id, as services make it. */
const LAST_DIGITS = /_.*([0-9a-f]{2})$/s;
const DIGITS = /^[0-9a-f]{2}$/;

/** All of them, `00` to `ff`, in their order. */
export const FAMILIES: readonly string[] = Array.from({ length: 256 }, (_, byte) => hex(byte));

/**
 * What is decided together is kept together: a verification, its call and the request that asked for them are of one
 * family, which their ids say. A store of several servers keeps each family on one of them.
 *
 * @returns the last two hexadecimal digits of an id, `00` to `ff`. Of an id that does not end so it is one that depends
 *   on all that follows its prefix, so that `ver_a` and `call_a` are of one family too.
 */
export function familyOf(id: string): string {
  return LAST_DIGITS.exec(id)?.[1] ?? familyOfKey(id.slice(id.indexOf('_') + 1));
}

/** The family of an idempotent request, by the text of its key: whoever repeats it finds it by that alone. */
export function familyOfKey(text: string): string {
  return hex(createHash('sha256').update(text, 'utf8').digest()[0] ?? 0);
}

/** A family for what no key asks for. @param randomBytes answers so many random bytes */
export function randomFamily(randomBytes: (count: number) => Uint8Array): string {
  return hex(randomBytes(1)[0] ?? 0);
}

/** The id with its last two digits in place of others: of this family. @throws RangeError for what is no family */
export function inFamily(id: string, family: string): string {
  if (!DIGITS.test(family)) throw new RangeError(`${family} is no family`);
  return `${id.slice(0, -2)}${family}`;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
