import { createHash, timingSafeEqual } from 'node:crypto';

/** An API key as the configuration holds it: who presents it, and its SHA-256. */
export interface ApiKey {
  readonly id: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly hash: string;
  /** Whether it may read what is of all clients. */
  readonly operator?: boolean;
}

const KEY_BYTES = 32;
const HASH_PREFIX = 'sha256:';

/**
 * A new key for client `id`. `key` is shown once and belongs to the client, `hash` goes into the
 * configuration. The key has 256 random bits, so that a plain hash of it needs neither salt nor stretching.
 */
export function createKey(
  id: string,
  randomBytes: (size: number) => Uint8Array,
): ApiKey & { readonly key: string } {
  const key = `vok_${Buffer.from(randomBytes(KEY_BYTES)).toString('base64url')}`;
  return { id, key, hash: `${HASH_PREFIX}${digest(key).toString('hex')}` };
}

/**
 * The id of the client whose key was presented. Looks at every configured key, whichever fits, so that the
 * time tells neither how many keys there are before a fitting one nor how much of a key was right.
 */
export function findClient(keys: readonly ApiKey[], presented: string): string | undefined {
  const given = digest(presented);
  let found: string | undefined;
  for (const { id, hash } of keys) {
    const wanted = Buffer.from(hash.slice(HASH_PREFIX.length), 'hex');
    if (wanted.length === given.length && timingSafeEqual(wanted, given)) {
      found = id;
    }
  }
  return found;
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key, 'utf8').digest();
}
