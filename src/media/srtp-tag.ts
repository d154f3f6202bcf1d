import { hash } from 'node:crypto';

const SHA1_BLOCK_BYTES = 64;
const SHA1_BYTES = 20;
const FIRST_BYTES = 2048;

/**
 * HMAC-SHA1 (RFC 2104) with one key for many short messages. It is put together from two one-shot hashes, since an Hmac
 * object for each packet takes twice as long as both.
 */
export class SrtpTag {
  /** The inner pad and the message. */
  #inner = Buffer.alloc(FIRST_BYTES);
  /** The outer pad and the inner hash. */
  readonly #outer = Buffer.alloc(SHA1_BLOCK_BYTES + SHA1_BYTES);
  readonly #tag = Buffer.alloc(SHA1_BYTES);

  /** @param key at most 64 bytes */
  constructor(key: Uint8Array) {
    for (let i = 0; i < SHA1_BLOCK_BYTES; i++) {
      this.#inner[i] = (key[i] ?? 0) ^ 0x36;
      this.#outer[i] = (key[i] ?? 0) ^ 0x5c;
    }
  }

  /** Of the first `length` bytes and a number of 32 bits behind them. Overwritten by the next call. */
  of(bytes: Uint8Array, length: number, number: number): Uint8Array {
    const end = SHA1_BLOCK_BYTES + length;
    this.#reserve(end + 4);
    this.#inner.set(bytes.length === length ? bytes : bytes.subarray(0, length), SHA1_BLOCK_BYTES);
    this.#inner.writeUInt32BE(number >>> 0, end);
    return this.#finish(end + 4);
  }

  /** Of the first `length` bytes alone. Overwritten by the next call. */
  ofAlone(bytes: Uint8Array, length: number): Uint8Array {
    const end = SHA1_BLOCK_BYTES + length;
    this.#reserve(end);
    this.#inner.set(bytes.subarray(0, length), SHA1_BLOCK_BYTES);
    return this.#finish(end);
  }

  #reserve(size: number): void {
    if (this.#inner.length >= size) return;
    const larger = Buffer.alloc(size);
    this.#inner.copy(larger, 0, 0, SHA1_BLOCK_BYTES);
    this.#inner = larger;
  }

  /** Hashes go through hexadecimal text: Node makes that faster than a buffer. */
  #finish(end: number): Uint8Array {
    this.#outer.write(hash('sha1', this.#inner.subarray(0, end)), SHA1_BLOCK_BYTES, 'hex');
    this.#tag.write(hash('sha1', this.#outer), 0, 'hex');
    return this.#tag;
  }
}

/** Whether the bytes at a place are the beginning of a tag; in a time that says nothing of where they differ. */
export function isTagAt(bytes: Uint8Array, at: number, tag: Uint8Array, length: number): boolean {
  let differing = 0;
  for (let i = 0; i < length; i++) differing |= (bytes[at + i] ?? 0) ^ (tag[i] ?? 0);
  return differing === 0;
}
