import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createKey, digestIn, digestOf, KEY_HASH, sameDigest } from '../../../src/clients/keys.ts';

describe('createKey', () => {
  it('makes a key whose hash is the SHA-256 of its text', () => {
    const { id, key, hash } = createKey('shop', (size) => new Uint8Array(size).fill(0xff));
    expect(id).toBe('shop');
    expect(key).toBe(`vok_${'_'.repeat(42)}8`);
    expect(hash).toBe(`sha256:${createHash('sha256').update(key).digest('hex')}`);
  });

  it('draws 256 bits', () => {
    const sizes: number[] = [];
    createKey('shop', (size) => {
      sizes.push(size);
      return randomBytes(size);
    });
    expect(sizes).toEqual([32]);
  });
});

describe('what is compared', () => {
  const { key, hash } = createKey('shop', randomBytes);

  it('is the same of a key and of its hash, and of nothing else', () => {
    expect(hash).toMatch(KEY_HASH);
    expect(sameDigest(digestOf(key), digestIn(hash))).toBe(true);
    for (const other of ['', hash, `${key}A`, key.toUpperCase(), key.slice(0, 20)]) {
      expect(sameDigest(digestOf(other), digestIn(hash))).toBe(false);
    }
  });

  it.each(['', 'sha256:', 'sha256:zz', `${hash}00`])(
    'is never the same as a hash that is none: %s',
    (text) => {
      expect(sameDigest(digestOf(key), digestIn(text))).toBe(false);
    },
  );
});
