import { createHash, timingSafeEqual } from 'node:crypto';

/** A key that was just made. `key` is shown once and belongs to the client, `hash` goes into the configuration. */
export interface NewKey {
  /** Of the client. */
  readonly id: string;
  readonly key: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly hash: string;
}

const KEY_BYTES = 32;
const HASH_PREFIX = 'sha256:';

/** What stands for a key in the configuration, as `createKey` makes it. */
export const KEY_HASH = /^sha256:[0-9a-f]{64}$/;

/** A new key for client `id`. It has 256 random bits, so that a plain hash of it needs neither salt nor stretching. */
export function createKey(id: string, randomBytes: (size: number) => Uint8Array): NewKey {
  const key = `vok_${Buffer.from(randomBytes(KEY_BYTES)).toString('base64url')}`;
  return { id, key, hash: `${HASH_PREFIX}${digestOf(key).toString('hex')}` };
}

/** What is compared of a key that was presented. */
export function digestOf(key: string): Buffer {
  return createHash('sha256').update(key, 'utf8').digest();
}

/** What is compared of a key as the configuration holds it. */
export function digestIn(hash: string): Buffer {
  return Buffer.from(hash.slice(HASH_PREFIX.length), 'hex');
}

/** In a time that does not tell how much of them is the same. What is no digest is like nothing. */
export function sameDigest(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
