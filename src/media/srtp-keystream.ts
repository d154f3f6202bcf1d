import { type Cipher, createCipheriv } from 'node:crypto';

export const AES_BLOCK_BYTES = 16;
/** A datagram of the largest kind that Ethernet carries. */
const FIRST_BLOCKS = 94;
/** The counter of a packet's blocks has 16 bits (RFC 3711 §4.1.1). */
const MOST_BLOCKS = 0x1_0000;

/**
 * AES in counter mode as SRTP has it (RFC 3711 §4.1.1). A cipher object of that mode would have to be made for each
 * packet, which takes longer than all of the encryption; one that encrypts blocks one by one lasts as long as its key, and
 * is given the counters.
 */
export class SrtpKeystream {
  readonly #aes: Cipher;
  #blocks = Buffer.alloc(FIRST_BLOCKS * AES_BLOCK_BYTES);

  /** @param key 16 or 32 bytes */
  constructor(key: Uint8Array) {
    this.#aes = createCipheriv(key.length === 32 ? 'aes-256-ecb' : 'aes-128-ecb', key, null);
    this.#aes.setAutoPadding(false);
  }

  /**
   * Encrypts, or decrypts, in place what lies from `start` to before `end`.
   *
   * @param counter of the first block: 16 bytes that end with two zeros
   */
  apply(bytes: Uint8Array, start: number, end: number, counter: Uint8Array): void {
    const length = end - start;
    const count = Math.ceil(length / AES_BLOCK_BYTES);
    if (count === 0) return;
    if (count > MOST_BLOCKS) throw new RangeError('SRTP has no packets of such a length.');
    const size = count * AES_BLOCK_BYTES;
    if (this.#blocks.length < size) this.#blocks = Buffer.alloc(size);
    const blocks = this.#blocks;
    blocks.set(counter);
    // Doubling copies the counter to all blocks in a few steps.
    for (let filled = AES_BLOCK_BYTES; filled < size; filled *= 2) blocks.copyWithin(filled, 0, filled);
    for (let at = AES_BLOCK_BYTES, block = 1; at < size; at += AES_BLOCK_BYTES, block++) {
      blocks[at + 14] = block >>> 8;
      blocks[at + 15] = block;
    }
    const stream = this.#aes.update(blocks.subarray(0, size));
    for (let i = 0; i < length; i++) bytes[start + i] = (bytes[start + i] ?? 0) ^ (stream[i] ?? 0);
  }
}
