import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generateCode, readCode } from '../../../src/verification/code.ts';

describe('generateCode', () => {
  it('has the length that was asked for, and digits only', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 10 }), (length) => {
        expect(generateCode(length, randomBytes).reveal()).toMatch(new RegExp(`^[0-9]{${length}}$`));
      }),
    );
  });

  it.each([3, 11, 0, -1, 4.5, Number.NaN])('refuses a length of %s', (length) => {
    expect(() => generateCode(length, randomBytes)).toThrow(RangeError);
  });

  it('throws away bytes that would favour the small digits', () => {
    const bytes = [250, 251, 252, 253, 254, 255, 249, 0, 10, 19];
    const source = (n: number): Uint8Array => Uint8Array.from(bytes.splice(0, n));
    expect(generateCode(4, source).reveal()).toBe('9009');
  });

  it('makes every digit equally often out of evenly spread bytes', () => {
    let next = 0;
    const source = (n: number): Uint8Array => Uint8Array.from({ length: n }, () => next++ % 256);
    const counts = new Map<string, number>();
    for (let code = 0; code < 250; code += 1) {
      for (const digit of generateCode(10, source).reveal()) {
        counts.set(digit, (counts.get(digit) ?? 0) + 1);
      }
    }
    expect([...counts.values()]).toEqual(Array.from({ length: 10 }, () => 250));
  });

  it('makes every character of the other alphabet equally often, and none that is taken for another', () => {
    let next = 0;
    const source = (n: number): Uint8Array => Uint8Array.from({ length: n }, () => next++ % 256);
    const counts = new Map<string, number>();
    for (let code = 0; code < 128; code += 1) {
      for (const character of generateCode(4, source, 'alphanumeric').reveal()) {
        counts.set(character, (counts.get(character) ?? 0) + 1);
      }
    }
    expect([...counts.values()]).toEqual(Array.from({ length: 32 }, () => 16));
    expect(['0', 'O', '1', 'I'].filter((character) => counts.has(character))).toEqual([]);
  });

  it('prints as nothing but [redacted]', () => {
    expect(String(generateCode(6, randomBytes))).toBe('[redacted]');
  });
});

describe('readCode', () => {
  it.each(['0000', '1234', '0123456789'])('reads %s', (text) => {
    expect(readCode(text)?.reveal()).toBe(text);
  });

  it.each(['', '123', '12345678901', '12a4', ' 1234', '1234\n', '１２３４', '-1234', '1e10', '12.4'])(
    'refuses %j',
    (text) => {
      expect(readCode(text)).toBeUndefined();
    },
  );

  it('reads letters of either case where they may be there', () => {
    expect(readCode('k7Qx', 'alphanumeric')?.reveal()).toBe('K7QX');
    for (const text of ['K7Q', 'K7QX K7QX', 'K7QÄ', 'ſſſſ', 'k7ıx', 'K7QXK7QXK7Q']) {
      expect(readCode(text, 'alphanumeric')).toBeUndefined();
    }
  });
});
