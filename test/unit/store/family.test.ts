import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAMILIES, familyOf, familyOfKey, inFamily, randomFamily } from '../../../src/store/family.ts';

describe('familyOf', () => {
  it('is the last two digits of an id as services make it', () => {
    expect(familyOf('ver_0123456789abcdef0123456789abcd07')).toBe('07');
    expect(familyOf('call_ff')).toBe('ff');
    expect(familyOf('call_a_1f')).toBe('1f');
  });

  it('is one for a verification and its call, whatever they are called, and one of all', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(familyOf(`ver_${name}`)).toBe(familyOf(`call_${name}`));
        expect(FAMILIES).toContain(familyOf(`ver_${name}`));
        expect(FAMILIES).toContain(familyOf(name));
      }),
    );
  });

  it('takes capital letters and what has no prefix for no digits', () => {
    expect(familyOf('ver_FF')).toBe(familyOfKey('FF'));
    expect(familyOf('ff')).toBe(familyOfKey('ff'));
    expect(familyOf('ver_')).toBe(familyOfKey(''));
  });
});

describe('familyOfKey', () => {
  it('is the first byte of SHA-256, and uses all families', () => {
    expect(familyOfKey('shop 1')).toBe(createHash('sha256').update('shop 1').digest('hex').slice(0, 2));
    expect(familyOfKey('größe ☎')).toBe(createHash('sha256').update('größe ☎').digest('hex').slice(0, 2));
    const used = new Set(Array.from({ length: 5000 }, (_, index) => familyOfKey(`shop ${index}`)));
    expect([...used].sort()).toEqual(FAMILIES);
  });
});

describe('inFamily', () => {
  it('makes an id of the family of a key, as long as before', () => {
    const id = 'ver_0123456789abcdef0123456789abcdef';
    fc.assert(
      fc.property(fc.string(), (key) => {
        const made = inFamily(id, familyOfKey(key));
        expect(familyOf(made)).toBe(familyOfKey(key));
        expect([made.length, made.slice(0, -2)]).toEqual([id.length, id.slice(0, -2)]);
      }),
    );
    expect(() => inFamily(id, 'xy')).toThrow(RangeError);
  });
});

it('makes a random family of one random byte', () => {
  expect([0, 9, 255].map((byte) => randomFamily((count) => new Uint8Array(count).fill(byte)))).toEqual([
    '00',
    '09',
    'ff',
  ]);
});
