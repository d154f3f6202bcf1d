import type { Codec } from '../engine/engine.ts';

/** Static RTP payload types (RFC 3551 §6). */
export const PAYLOAD_TYPES = { PCMU: 0, PCMA: 8 } as const satisfies Record<Codec, number>;

/** RTP clock and sample rate of both codecs, Hz (RFC 3551 §4.5.14). */
export const G711_CLOCK_RATE = 8000;

/** The byte that decodes to the quietest level. */
export const SILENCE_BYTES = { PCMU: 0xff, PCMA: 0xd5 } as const satisfies Record<Codec, number>;

/** Bias of µ-law in the 14-bit scale, so that every segment begins at a power of two. */
const MU_BIAS = 33;
const MU_LIMIT = 0x1fff;

/** G.711 §3.2: 14-bit magnitude; negative numbers in one's complement, so both signs have equal steps. */
function compressMu(sample: number): number {
  const magnitude = Math.min(((sample < 0 ? ~sample : sample) >> 2) + MU_BIAS, MU_LIMIT);
  const segment = 32 - Math.clz32(magnitude >> 6);
  const step = (magnitude >> (segment + 1)) & 0x0f;
  const code = ((7 - segment) << 4) | (0x0f - step);
  return sample < 0 ? code : code | 0x80;
}

function expandMu(byte: number): number {
  const inverted = ~byte;
  const segment = (inverted >> 4) & 0x07;
  const step = 8 << segment;
  const magnitude = (0x80 << segment) + step * (inverted & 0x0f) + step / 2 - 4 * MU_BIAS;
  return byte < 0x80 ? -magnitude : magnitude;
}

/** G.711 §3.1: 12-bit magnitude, even bits inverted on the line. */
function compressA(sample: number): number {
  const magnitude = (sample < 0 ? ~sample : sample) >> 4;
  const shift = Math.max(0, 27 - Math.clz32(magnitude));
  const code = shift === 0 ? magnitude : ((shift + 1) << 4) | ((magnitude >> shift) & 0x0f);
  // Segment 1 begins at 16 and has the steps of segment 0: `magnitude` already says so.
  return (sample < 0 ? code : code | 0x80) ^ 0x55;
}

function expandA(byte: number): number {
  const code = (byte ^ 0x55) & 0x7f;
  const segment = code >> 4;
  const base = ((code & 0x0f) << 4) + 8;
  const magnitude = segment === 0 ? base : (base + 0x100) << (segment - 1);
  return byte < 0x80 ? -magnitude : magnitude;
}

function encodeTable(compress: (sample: number) => number): Uint8Array {
  const table = new Uint8Array(65_536);
  for (let index = 0; index < table.length; index++) table[index] = compress((index << 16) >> 16);
  return table;
}

function decodeTable(expand: (byte: number) => number): Int16Array {
  return Int16Array.from({ length: 256 }, (_, byte) => expand(byte));
}

const MU_ENCODE = encodeTable(compressMu);
const MU_DECODE = decodeTable(expandMu);
const A_ENCODE = encodeTable(compressA);
const A_DECODE = decodeTable(expandA);

function encodeWith(table: Uint8Array, samples: Int16Array): Uint8Array {
  const bytes = new Uint8Array(samples.length);
  for (let index = 0; index < samples.length; index++) {
    bytes[index] = table[(samples[index] ?? 0) & 0xffff] ?? 0;
  }
  return bytes;
}

function decodeWith(table: Int16Array, bytes: Uint8Array): Int16Array {
  const samples = new Int16Array(bytes.length);
  for (let index = 0; index < bytes.length; index++) samples[index] = table[bytes[index] ?? 0] ?? 0;
  return samples;
}

/** Linear samples at 8000 Hz to µ-law (ITU-T G.711), one byte a sample. */
export function encodePcmu(samples: Int16Array): Uint8Array {
  return encodeWith(MU_ENCODE, samples);
}

/** Linear samples at 8000 Hz to A-law (ITU-T G.711), one byte a sample. */
export function encodePcma(samples: Int16Array): Uint8Array {
  return encodeWith(A_ENCODE, samples);
}

export function decodePcmu(bytes: Uint8Array): Int16Array {
  return decodeWith(MU_DECODE, bytes);
}

export function decodePcma(bytes: Uint8Array): Int16Array {
  return decodeWith(A_DECODE, bytes);
}
