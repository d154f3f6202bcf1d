import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePcma, decodePcmu } from '../../../src/media/g711.ts';
import { formatWav, parseWav, readWavHeader, WavError, wavSource } from '../../../src/media/wav.ts';

interface Fields {
  tag?: number;
  channels?: number;
  sampleRate?: number;
  bits?: number;
  blockAlign?: number;
  data?: readonly number[];
  dataSize?: number;
  riffSize?: number;
  before?: readonly number[];
  fmtTail?: readonly number[];
}

const u16 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const ascii = (text: string): number[] => Array.from(text, (char) => char.charCodeAt(0));

function wav(fields: Fields = {}): Uint8Array {
  const {
    tag = 1,
    channels = 1,
    sampleRate = 8000,
    bits = 16,
    data = [],
    before = [],
    fmtTail = [],
  } = fields;
  const blockAlign = fields.blockAlign ?? (channels * bits) / 8;
  const fmt = [
    ...u16(tag),
    ...u16(channels),
    ...u32(sampleRate),
    ...u32(sampleRate * blockAlign),
    ...u16(blockAlign),
    ...u16(bits),
    ...fmtTail,
  ];
  const body = [
    ...ascii('WAVE'),
    ...before,
    ...ascii('fmt '),
    ...u32(fmt.length),
    ...fmt,
    ...ascii('data'),
    ...u32(fields.dataSize ?? data.length),
    ...data,
  ];
  return Uint8Array.from([...ascii('RIFF'), ...u32(fields.riffSize ?? body.length), ...body]);
}

const GUID_TAIL = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
const extensible = (tag: number, bits: number): number[] => [
  ...u16(22),
  ...u16(bits),
  ...u32(4),
  ...u16(tag),
  ...GUID_TAIL,
];
const float = (value: number): number[] => [...new Uint8Array(Float32Array.of(value).buffer)];
const parsed = (fields: Fields): number[] => Array.from(parseWav(wav(fields)).samples);

describe('parseWav', () => {
  it.each<[string, Fields, number[]]>([
    ['8 bit', { bits: 8, data: [0, 128, 255] }, [-32_768, 0, 32_512]],
    ['16 bit', { data: [0, 0x80, 0xff, 0x7f, 1, 0] }, [-32_768, 32_767, 1]],
    ['24 bit', { bits: 24, data: [0xff, 0, 0x80, 0, 1, 0] }, [-32_768, 1]],
    ['32 bit', { bits: 32, data: [9, 9, 0xff, 0x7f, 0, 0, 0xfe, 0xff] }, [32_767, -2]],
    [
      'float',
      { tag: 3, bits: 32, data: [1, -1, 0.5, 7, Number.NaN].flatMap(float) },
      [32_767, -32_767, 16_384, 32_767, 0],
    ],
    ['A-law', { tag: 6, bits: 8, data: [0, 0x55, 0xd5] }, [...decodePcma(Uint8Array.of(0, 0x55, 0xd5))]],
    ['µ-law', { tag: 7, bits: 8, data: [0, 0x7f, 0xff] }, [...decodePcmu(Uint8Array.of(0, 0x7f, 0xff))]],
    ['µ-law with an extension size', { tag: 7, bits: 8, fmtTail: [0, 0], data: [0xff] }, [0]],
    ['extensible 16 bit', { tag: 0xfffe, fmtTail: extensible(1, 16), data: [1, 0] }, [1]],
    ['extensible float', { tag: 0xfffe, bits: 32, fmtTail: extensible(3, 32), data: float(-1) }, [-32_767]],
    ['stereo', { channels: 2, data: [10, 0, 20, 0, 0xff, 0x7f, 0xff, 0x7f] }, [15, 32_767]],
    ['stereo µ-law', { tag: 7, bits: 8, channels: 2, data: [0x80, 0x00] }, [0]],
    ['an odd chunk before', { before: [...ascii('LIST'), ...u32(3), 1, 2, 3, 0], data: [7, 0] }, [7]],
    ['a streamed recording, length 0', { dataSize: 0, riffSize: 0xffffffff, data: [7, 0] }, [7]],
    [
      'a streamed recording, length ffffffff',
      { dataSize: 0xffffffff, riffSize: 0, data: [7, 0, 8, 0] },
      [7, 8],
    ],
    ['a data chunk that is really empty', { before: [], data: [] }, []],
    ['data that is cut off in a sample', { dataSize: 1000, data: [7, 0, 8] }, [7]],
    ['stereo that is cut off in a frame', { channels: 2, data: [7, 0, 9, 0, 8, 0] }, [8]],
  ])('reads %s', (_, fields, samples) => {
    expect(parsed(fields)).toEqual(samples);
  });

  it('stops at the end of the data chunk', () => {
    const bytes = Uint8Array.from([...wav({ data: [7, 0] }), ...ascii('LIST'), ...u32(4), 1, 2, 3, 4]);
    expect(Array.from(parseWav(bytes).samples)).toEqual([7]);
    const empty = Uint8Array.from([...wav({ riffSize: 48 }), ...ascii('LIST'), ...u32(4), 1, 2, 3, 4]);
    expect(parseWav(empty).samples).toHaveLength(0);
  });

  it('reads a view into a larger buffer', () => {
    const file = wav({ data: [7, 0] });
    const larger = new Uint8Array(file.length + 20).fill(0xee);
    larger.set(file, 13);
    expect(Array.from(parseWav(larger.subarray(13, 13 + file.length)).samples)).toEqual([7]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /not a RIFF/],
    ['text', Uint8Array.from(ascii('RIFFED is not a format')), /not a RIFF/],
    ['an MP3', Uint8Array.from([...ascii('ID3'), ...Array.from({ length: 50 }, () => 0)]), /not a RIFF/],
    ['a header alone', wav().subarray(0, 12), /no fmt chunk/],
    ['a file cut off in its format', wav().subarray(0, 30), /fmt chunk is too short/],
    ['a file cut off before its data', wav().subarray(0, 36), /no data chunk/],
    [
      'data before the format',
      Uint8Array.from([...wav().subarray(0, 12), ...ascii('data'), ...u32(0)]),
      /before/,
    ],
    ['an unknown format', wav({ tag: 85 }), /format 85 with 16 bits/],
    ['12 bits', wav({ bits: 12, blockAlign: 2 }), /12 bits/],
    ['64-bit float', wav({ tag: 3, bits: 64 }), /64 bits/],
    ['µ-law of 16 bits', wav({ tag: 7 }), /format 7/],
    ['no channel', wav({ channels: 0 }), /0 channels/],
    ['6 channels', wav({ channels: 6 }), /6 channels/],
    ['65535 channels', wav({ channels: 65_535, blockAlign: 4 }), /65535 channels/],
    ['no sample rate', wav({ sampleRate: 0 }), /0 Hz/],
    ['a huge sample rate', wav({ sampleRate: 0xffffffff }), /4294967295 Hz/],
    ['a wrong block size', wav({ blockAlign: 3 }), /block of 3/],
    ['a block size of 0', wav({ blockAlign: 0 }), /block of 0/],
    ['a short extensible format', wav({ tag: 0xfffe, fmtTail: [0, 0] }), /extensible/],
    [
      'an unknown sub-format',
      wav({ tag: 0xfffe, fmtTail: extensible(1, 16).with(21, 0) }),
      /unknown sub-format/,
    ],
    ['a chunk longer than the file', wav({ before: [...ascii('junk'), ...u32(0xfffffff0)] }), /no fmt chunk/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseWav(bytes)).toThrow(WavError);
    expect(() => parseWav(bytes)).toThrow(message);
  });

  it('gives samples or a WavError for any bytes, and never more samples than bytes', () => {
    const base = Array.from(wav({ data: [1, 2, 3, 4, 5, 6, 7, 8] }));
    const mutation = fc.tuple(fc.nat(base.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 6 }), fc.nat(base.length), (changes, length) => {
        const bytes = Uint8Array.from(base);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          expect(parseWav(bytes.subarray(0, length)).samples.length).toBeLessThanOrEqual(length);
        } catch (error) {
          expect(error).toBeInstanceOf(WavError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a header', () => {
  it('tells how the sound is written, how much of it is there, and how much there should be', () => {
    const data = [1, 0, 2, 0, 3, 0, 4, 0, 5];
    const header = readWavHeader(wav({ channels: 2, sampleRate: 11_025, data, dataSize: 100 }));
    expect({ ...header, data: [...header.data] }).toEqual({
      tag: 1,
      channels: 2,
      sampleRate: 11_025,
      bits: 16,
      data,
      frames: 2,
      declaredBytes: 100,
    });
    expect(readWavHeader(wav({ tag: 0xfffe, fmtTail: extensible(1, 16) })).tag).toBe(1);
  });

  it.each<[string, Fields]>([
    ['8 bit', { bits: 8 }],
    ['16 bit', {}],
    ['24 bit', { bits: 24 }],
    ['µ-law', { tag: 7, bits: 8 }],
    ['A-law', { tag: 6, bits: 8 }],
  ])('leads to the sound in pieces: %s', (_, fields) => {
    const data = Array.from({ length: 241 }, (_value, i) => (i * 89) % 256);
    for (const channels of [1, 2]) {
      const bytes = wav({ ...fields, channels, data });
      const source = wavSource(readWavHeader(bytes));
      const half = source.length >> 1;
      const pieces = [
        ...source.read(0, half),
        ...source.read(half, half),
        ...source.read(half, source.length),
      ];
      expect(pieces).toEqual([...parseWav(bytes).samples]);
      expect(pieces).toHaveLength(source.length);
    }
  });
});

describe('formatWav', () => {
  it('writes what parseWav reads', () => {
    fc.assert(
      fc.property(fc.int16Array(), fc.constantFrom(8000, 16_000), (samples, sampleRate) => {
        const pcm = { sampleRate, samples };
        expect(parseWav(formatWav(pcm))).toEqual(pcm);
      }),
    );
  });

  it('writes the plain form of 44 bytes and the samples', () => {
    const bytes = formatWav({ sampleRate: 8000, samples: Int16Array.of(7, -1) });
    expect(bytes).toEqual(wav({ data: [7, 0, 0xff, 0xff] }));
  });
});
