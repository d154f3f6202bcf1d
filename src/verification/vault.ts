import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { Secret } from '../secret.ts';

export const MASTER_KEY_BYTES = 32;

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
/** 96 bits, what GCM is made for (NIST SP 800-38D §5.2.1.1); random, so far below 2^32 seals a key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Keeps codes: as a digest to compare with, and sealed until they have been said. All keys come from one
 * master key by HKDF (RFC 5869), each for one use.
 */
export class Vault {
  readonly #pepper: Buffer;
  readonly #sealKey: Buffer;
  readonly #fingerprintKey: Buffer;
  readonly #randomBytes: (n: number) => Uint8Array;

  /**
   * @param masterKey 32 bytes
   * @param randomBytes cryptographic randomness, for the nonces
   */
  constructor(masterKey: Uint8Array, randomBytes: (n: number) => Uint8Array) {
    if (masterKey.length !== MASTER_KEY_BYTES) {
      throw new RangeError(`a master key has ${MASTER_KEY_BYTES} bytes`);
    }
    this.#pepper = derive(masterKey, 'code digest');
    this.#sealKey = derive(masterKey, 'code seal');
    this.#fingerprintKey = derive(masterKey, 'request fingerprint');
    this.#randomBytes = randomBytes;
  }

  /** HMAC-SHA256(pepper, id and code), hex. Equal codes of two verifications have different digests. */
  digest(id: string, code: Secret): string {
    return createHmac('sha256', this.#pepper).update(`${id}:${code.reveal()}`).digest('hex');
  }

  /** AES-256-GCM of the code, bound to the verification's id; base64 of nonce, tag and ciphertext. */
  seal(id: string, code: Secret): string {
    const nonce = this.#randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#sealKey, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(id));
    const text = Buffer.concat([cipher.update(code.reveal(), 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64');
  }

  /** @throws Error where the text was sealed for another id or with another master key, or was changed */
  open(id: string, sealed: string): Secret {
    const bytes = Buffer.from(sealed, 'base64');
    const tagAt = NONCE_BYTES;
    const textAt = NONCE_BYTES + TAG_BYTES;
    try {
      const decipher = createDecipheriv(CIPHER, this.#sealKey, bytes.subarray(0, tagAt), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(id));
      decipher.setAuthTag(bytes.subarray(tagAt, textAt));
      return new Secret(decipher.update(bytes.subarray(textAt), undefined, 'utf8') + decipher.final('utf8'));
    } catch (cause) {
      throw new Error(`the sealed code of ${id} cannot be opened: was the master key replaced?`, { cause });
    }
  }

  /** HMAC-SHA256 of any text, hex: tells whether two requests are the same without keeping either. */
  fingerprint(text: string): string {
    return createHmac('sha256', this.#fingerprintKey).update(text).digest('hex');
  }
}

/** Whether two digests are equal, in a time that does not tell where they differ. */
export function digestsEqual(one: string, other: string): boolean {
  const left = Buffer.from(one);
  const right = Buffer.from(other);
  return left.length === right.length && timingSafeEqual(left, right);
}

function derive(masterKey: Uint8Array, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, Buffer.alloc(0), `voice-otp ${use} v1`, KEY_BYTES));
}
