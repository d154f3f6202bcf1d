import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { ClientRegistry } from '../../../src/clients/registry.ts';
import { clientWith } from '../../support/client.ts';

const NOW = Date.UTC(2027, 0, 1);
const [first, second, bankKey] = [
  createKey('shop', randomBytes),
  createKey('shop', randomBytes),
  createKey('bank', randomBytes),
];
const shop = clientWith({
  id: 'shop',
  keys: [
    { hash: first.hash, expiresAt: NOW + 1000 },
    { hash: second.hash, expiresAt: null },
  ],
});
const bank = clientWith({ id: 'bank', keys: [{ hash: bankKey.hash, expiresAt: null }] });

function registry(now = () => NOW): ClientRegistry {
  return new ClientRegistry([shop, bank], now);
}

describe('ClientRegistry', () => {
  it('finds the client of each of its keys', () => {
    const found = [first, second, bankKey].map(({ key }) => registry().holderOf(key));
    expect(found).toEqual([shop, shop, bank]);
  });

  it.each([
    ['nothing', ''],
    ['another key', createKey('x', randomBytes).key],
    ['the hash itself', first.hash],
    ['a key with a character more', `${second.key}A`],
    ['a key in capitals', second.key.toUpperCase()],
    ['half a key', second.key.slice(0, 20)],
    ['a huge one', second.key.padEnd(100_000, 'x')],
  ])('finds nobody for %s', (_what, presented) => {
    expect(registry().holderOf(presented)).toBeUndefined();
  });

  it('takes of a name the keys of that client only', () => {
    expect(registry().holderOf(bankKey.key, 'bank')).toBe(bank);
    for (const id of ['shop', 'Bank', '', 'nobody']) {
      expect(registry().holderOf(bankKey.key, id)).toBeUndefined();
    }
  });

  it('looks at the clock each time: a key opens nothing from the moment on at which it expires', () => {
    let now = NOW + 999;
    const known = registry(() => now);
    expect(known.holderOf(first.key)).toBe(shop);
    now = NOW + 1000;
    expect(known.holderOf(first.key)).toBeUndefined();
    expect(known.holderOf(second.key)).toBe(shop);
  });

  it('knows clients by their ids', () => {
    expect(registry().get('bank')).toBe(bank);
    expect(registry().get('nobody')).toBeUndefined();
    expect(registry().get('__proto__')).toBeUndefined();
  });

  it('goes by the clients that replace them, at once', () => {
    const known = registry();
    const changed = clientWith({ id: 'bank', keys: bank.keys, scopes: ['calls'] });
    known.replace([changed]);
    expect(known.holderOf(first.key)).toBeUndefined();
    expect(known.get('shop')).toBeUndefined();
    expect(known.holderOf(bankKey.key)).toBe(changed);
  });

  it('is open where there are no clients at the start, and stays what it was', () => {
    const [open, closed] = [new ClientRegistry([], () => NOW), registry()];
    open.replace([shop]);
    closed.replace([]);
    expect([open.open, closed.open]).toEqual([true, false]);
    expect(closed.holderOf(first.key)).toBeUndefined();
  });
});
