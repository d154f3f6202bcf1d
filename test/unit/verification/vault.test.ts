import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/secret.ts';
import { digestsEqual, Vault } from '../../../src/verification/vault.ts';

const masterKey = Buffer.alloc(32, 7);
const vault = new Vault(masterKey, randomBytes);
const code = new Secret('493817');

describe('Vault', () => {
  it('gives the same digest for the same code of the same verification, in every process', () => {
    expect(vault.digest('ver_a', code)).toMatch(/^[0-9a-f]{64}$/);
    expect(new Vault(masterKey, randomBytes).digest('ver_a', code)).toBe(vault.digest('ver_a', code));
  });

  it('gives another digest for another id, another code, another key', () => {
    const digest = vault.digest('ver_a', code);
    expect(vault.digest('ver_b', code)).not.toBe(digest);
    expect(vault.digest('ver_a', new Secret('493818'))).not.toBe(digest);
    expect(new Vault(Buffer.alloc(32, 8), randomBytes).digest('ver_a', code)).not.toBe(digest);
  });

  it('opens what it sealed, and never seals alike', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{4,10}$/), (digits) => {
        const sealed = vault.seal('ver_a', new Secret(digits));
        expect(vault.open('ver_a', sealed).reveal()).toBe(digits);
        expect(vault.seal('ver_a', new Secret(digits))).not.toBe(sealed);
      }),
    );
  });

  it('does not open what was sealed for another verification or with another key', () => {
    const sealed = vault.seal('ver_a', code);
    expect(() => vault.open('ver_b', sealed)).toThrow(/cannot be opened/);
    expect(() => new Vault(Buffer.alloc(32, 8), randomBytes).open('ver_a', sealed)).toThrow(
      /cannot be opened/,
    );
  });

  it('does not open what was changed in any byte, cut or made up', () => {
    const sealed = Buffer.from(vault.seal('ver_a', code), 'base64');
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(() => vault.open('ver_a', changed.toString('base64'))).toThrow(/cannot be opened/);
    }
    for (const text of ['', 'AAAA', sealed.subarray(0, 20).toString('base64'), 'not base64 at all']) {
      expect(() => vault.open('ver_a', text)).toThrow(/cannot be opened/);
    }
  });

  it('keeps the code out of digest, sealed text and errors', () => {
    const sealed = vault.seal('ver_a', code);
    expect(vault.digest('ver_a', code)).not.toContain('493817');
    expect(Buffer.from(sealed, 'base64').toString('latin1')).not.toContain('493817');
  });

  it('refuses a master key of another length', () => {
    expect(() => new Vault(Buffer.alloc(31), randomBytes)).toThrow(RangeError);
  });

  it('takes fingerprints that are no digests of codes', () => {
    expect(vault.fingerprint('ver_a:493817')).not.toBe(vault.digest('ver_a', code));
  });
});

describe('digestsEqual', () => {
  it.each([
    ['ab', 'ab', true],
    ['ab', 'ac', false],
    ['ab', 'abc', false],
    ['', '', true],
    ['', 'a', false],
  ])('%j and %j: %s', (one, other, equal) => {
    expect(digestsEqual(one, other)).toBe(equal);
  });
});
