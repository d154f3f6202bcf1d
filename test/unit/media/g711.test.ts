import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePcma, decodePcmu, encodePcma, encodePcmu, SILENCE_BYTES } from '../../../src/media/g711.ts';

const LAWS = [
  { name: 'µ-law', encode: encodePcmu, decode: decodePcmu, silence: SILENCE_BYTES.PCMU, largest: 32_124 },
  { name: 'A-law', encode: encodePcma, decode: decodePcma, silence: SILENCE_BYTES.PCMA, largest: 32_256 },
];

const every16Bit = Int16Array.from({ length: 65_536 }, (_, index) => index - 32_768);
const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);

describe.each(LAWS)('$name', ({ encode, decode, silence, largest }) => {
  it('gives back every level that a byte can mean', () => {
    const levels = decode(everyByte);
    expect(decode(encode(levels))).toEqual(levels);
  });

  it('clips at the largest level of both signs', () => {
    const levels = decode(encode(Int16Array.of(32_767, -32_768)));
    expect([...levels]).toEqual([largest, -largest]);
  });

  it('is monotonous over all samples', () => {
    const levels = decode(encode(every16Bit));
    const falls = levels.findIndex((level, index) => index > 0 && level < (levels[index - 1] ?? level));
    expect(falls).toBe(-1);
  });

  it('has a silence byte that means the quietest level', () => {
    expect(Math.abs(decode(Uint8Array.of(silence))[0] ?? 99)).toBeLessThanOrEqual(8);
    expect(encode(Int16Array.of(0))[0]).toBe(silence);
  });

  it('keeps any signal within the quantisation error of its segment', () => {
    fc.assert(
      fc.property(fc.int16Array({ minLength: 1, maxLength: 400 }), (samples) => {
        const heard = decode(encode(samples));
        expect(heard.length).toBe(samples.length);
        for (const [index, sample] of samples.entries()) {
          expect(Math.abs((heard[index] ?? 0) - sample)).toBeLessThanOrEqual(Math.abs(sample) / 16 + 16);
        }
      }),
    );
  });
});

describe('the tables of ITU-T G.711', () => {
  // Decision values of tables 1a and 2a: the last line of each segment, as 16-bit samples.
  it.each([
    [0, 0xff],
    [4, 0xfe],
    [-1, 0x7f],
    [-5, 0x7e],
    [124, 0xef],
    [380, 0xdf],
    [892, 0xcf],
    [1916, 0xbf],
    [3964, 0xaf],
    [8060, 0x9f],
    [16_252, 0x8f],
    [32_767, 0x80],
    [-32_768, 0x00],
  ])('encodes %i to µ-law %i', (sample, byte) => {
    expect(encodePcmu(Int16Array.of(sample))[0]).toBe(byte);
  });

  it.each([
    [0, 0xd5],
    [-1, 0x55],
    [15, 0xd5],
    [16, 0xd4],
    [256, 0xc5],
    [512, 0xf5],
    [1024, 0xe5],
    [2048, 0x95],
    [4096, 0x85],
    [8192, 0xb5],
    [16_384, 0xa5],
    [32_767, 0xaa],
    [-32_768, 0x2a],
  ])('encodes %i to A-law %i', (sample, byte) => {
    expect(encodePcma(Int16Array.of(sample))[0]).toBe(byte);
  });

  it.each([
    [0x00, -32_124],
    [0x80, 32_124],
    [0x7f, 0],
    [0xff, 0],
    [0xef, 132],
    [0x8f, 16_764],
  ])('decodes µ-law %i to %i', (byte, sample) => {
    expect(decodePcmu(Uint8Array.of(byte))[0]).toBe(sample);
  });

  it.each([
    [0x55, -8],
    [0xd5, 8],
    [0x2a, -32_256],
    [0xaa, 32_256],
    [0xc5, 264],
  ])('decodes A-law %i to %i', (byte, sample) => {
    expect(decodePcma(Uint8Array.of(byte))[0]).toBe(sample);
  });
});
