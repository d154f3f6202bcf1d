import { describe, expect, it } from 'vitest';
import { alphabetOf, septetsOf } from '../../../src/sms/alphabet.ts';
import { measure } from '../../../src/sms/measure.ts';

/** 3GPP TS 23.038 §6.2.1 by code, written down once more by code point. */
const BY_CODE: Readonly<Record<number, number>> = {
  0x00: 0x40,
  0x01: 0xa3,
  0x02: 0x24,
  0x03: 0xa5,
  0x04: 0xe8,
  0x05: 0xe9,
  0x06: 0xf9,
  0x07: 0xec,
  0x08: 0xf2,
  0x09: 0xc7,
  0x0a: 0x0a,
  0x0b: 0xd8,
  0x0c: 0xf8,
  0x0d: 0x0d,
  0x0e: 0xc5,
  0x0f: 0xe5,
  0x10: 0x394,
  0x11: 0x5f,
  0x12: 0x3a6,
  0x13: 0x393,
  0x14: 0x39b,
  0x15: 0x3a9,
  0x16: 0x3a0,
  0x17: 0x3a8,
  0x18: 0x3a3,
  0x19: 0x398,
  0x1a: 0x39e,
  0x1c: 0xc6,
  0x1d: 0xe6,
  0x1e: 0xdf,
  0x1f: 0xc9,
  0x24: 0xa4,
  0x40: 0xa1,
  0x5b: 0xc4,
  0x5c: 0xd6,
  0x5d: 0xd1,
  0x5e: 0xdc,
  0x5f: 0xa7,
  0x60: 0xbf,
  0x7b: 0xe4,
  0x7c: 0xf6,
  0x7d: 0xf1,
  0x7e: 0xfc,
  0x7f: 0xe0,
};

describe('the alphabets of text messages', () => {
  it('knows the 127 characters of the default table, each as one septet', () => {
    // All other codes are those of ASCII.
    const codes = Array.from({ length: 128 }, (_, code) => code).filter((code) => code !== 0x1b);
    const table = codes.map((code) => String.fromCodePoint(BY_CODE[code] ?? code));
    expect(new Set(table).size).toBe(127);
    expect(table.filter((character) => septetsOf(character) !== 1)).toEqual([]);
    const known = Array.from({ length: 0x3000 }, (_, point) => String.fromCodePoint(point)).filter(
      (character) => septetsOf(character) === 1,
    );
    expect(new Set(known)).toEqual(new Set(table));
  });

  it('knows the extension table, each as two septets', () => {
    const known = Array.from({ length: 0x3000 }, (_, point) => String.fromCodePoint(point)).filter(
      (character) => septetsOf(character) === 2,
    );
    expect(new Set(known)).toEqual(new Set(['\f', '^', '{', '}', '\\', '[', '~', ']', '|', '€']));
  });

  it.each(['ç', 'ê', '`', '\t', 'α', '\u00a0', '“', '😀', '码'])(
    'has no %j in the seven bits',
    (character) => {
      expect(septetsOf(character)).toBeUndefined();
      expect(alphabetOf(`493817 ${character}`)).toBe('ucs2');
    },
  );
});

describe('the length of a text message', () => {
  it.each([
    ['nothing', '', 0, 0],
    ['one', 'a', 1, 1],
    ['a full one', 'a'.repeat(160), 160, 1],
    ['one more than a full one', 'a'.repeat(161), 161, 2],
    ['two full ones', 'a'.repeat(306), 306, 2],
    ['one more than two full ones', 'a'.repeat(307), 307, 3],
    ['a full one with an extension', `${'a'.repeat(158)}€`, 160, 1],
    ['an extension that does not fit any more', `${'a'.repeat(159)}€`, 161, 2],
    // 152 and an escape: the pair moves on, and so the second has one unit less.
    ['a pair at the end of the first', `${'a'.repeat(152)}€${'a'.repeat(151)}`, 305, 2],
    ['the same, and one more', `${'a'.repeat(152)}€${'a'.repeat(152)}`, 306, 3],
  ])('counts septets: %s', (_name, text, units, segments) => {
    expect(measure(text)).toMatchObject({ alphabet: 'gsm7', units, segments });
  });

  it.each([
    ['a full one', 'ж'.repeat(70), 70, 1],
    ['one more than a full one', 'ж'.repeat(71), 71, 2],
    ['two full ones', 'ж'.repeat(134), 134, 2],
    ['one more than two full ones', 'ж'.repeat(135), 135, 3],
    ['emoji, two units each', '😀'.repeat(35), 70, 1],
    ['one emoji more', '😀'.repeat(36), 72, 2],
    // 67 is odd: a pair is not parted.
    ['as many emoji as fit into two', '😀'.repeat(66), 132, 2],
    ['one emoji more than fit into two', '😀'.repeat(67), 134, 3],
    ['one character that makes all of it UCS-2', `${'a'.repeat(69)}ç`, 70, 1],
    ['extensions are one unit then', `${'€'.repeat(70)}ç`, 71, 2],
  ])('counts 16-bit units: %s', (_name, text, units, segments) => {
    expect(measure(text)).toMatchObject({ alphabet: 'ucs2', units, segments });
  });

  it('tells how long it is on the wire', () => {
    expect(measure('ä€😀').bytes).toBe(2 + 3 + 4);
  });
});
