import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createKey, findClient } from '../../../src/clients/keys.ts';

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

describe('findClient', () => {
  const shop = createKey('shop', randomBytes);
  const bank = createKey('bank', randomBytes);
  const keys = [shop, bank].map(({ id, hash }) => ({ id, hash }));

  it('finds the client of each key', () => {
    expect(findClient(keys, shop.key)).toBe('shop');
    expect(findClient(keys, bank.key)).toBe('bank');
  });

  it.each([
    ['nothing', ''],
    ['another key', createKey('x', randomBytes).key],
    ['the hash itself', shop.hash],
    ['a key with a character more', `${shop.key}A`],
    ['a key in capitals', shop.key.toUpperCase()],
    ['half a key', shop.key.slice(0, 20)],
  ])('finds nobody for %s', (_what, presented) => {
    expect(findClient(keys, presented)).toBeUndefined();
  });

  it('finds nobody where there are no keys or the hash is no hash', () => {
    expect(findClient([], shop.key)).toBeUndefined();
    expect(findClient([{ id: 'shop', hash: 'sha256:' }], shop.key)).toBeUndefined();
  });
});
