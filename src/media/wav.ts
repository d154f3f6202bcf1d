import { decodePcma, decodePcmu } from './g711.ts';
import type { Pcm } from './pcm.ts';
import type { PcmSource } from './pcm-source.ts';

/** A file that is not a WAV file, or one of a kind that is not supported. The message is for people. */
export class WavError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WavError';
  }
}

/** How the samples of a WAV file are written. */
interface WavFormat {
  /** 1: integers, 3: float, 6: A-law, 7: µ-law; of an extensible format that of its sub-format. */
  readonly tag: number;
  /** 1 or 2. */
  readonly channels: number;
  /** 4000–192,000 Hz. */
  readonly sampleRate: number;
  /** Of a sample. */
  readonly bits: number;
}

/** What stands before the sound of a WAV file, and the bytes of the sound. */
export interface WavHeader extends WavFormat {
  /** The data chunk, as far as it is there. */
  readonly data: Uint8Array;
  /** Whole frames in `data`: a sample of each channel. */
  readonly frames: number;
  /** Length of the data chunk as it was written down: whatever that is, in a file that was written to a pipe. */
  readonly declaredBytes: number;
}

const ID_RIFF = 0x5249_4646;
const ID_WAVE = 0x5741_5645;
const ID_FMT = 0x666d_7420;
const ID_DATA = 0x6461_7461;

const TAG_PCM = 1;
const TAG_FLOAT = 3;
const TAG_ALAW = 6;
const TAG_MULAW = 7;
const TAG_EXTENSIBLE = 0xfffe;
/** The last 14 bytes of a sub-format GUID whose first two are a plain format tag. */
const SUBFORMAT_TAIL = '000000001000800000aa00389b71';

const MIN_RATE = 4000;
const MAX_RATE = 192_000;

/** The encodings that are read, by format tag and bits a sample; each turns the data chunk into samples. */
const DECODERS: Readonly<Record<string, (data: Uint8Array) => Int16Array>> = {
  [`${TAG_PCM}/8`]: (data) => decode(data, 1, (view, at) => (view.getUint8(at) - 128) << 8),
  [`${TAG_PCM}/16`]: (data) => decode(data, 2, (view, at) => view.getInt16(at, true)),
  [`${TAG_PCM}/24`]: (data) => decode(data, 3, (view, at) => view.getInt16(at + 1, true)),
  [`${TAG_PCM}/32`]: (data) => decode(data, 4, (view, at) => view.getInt16(at + 2, true)),
  [`${TAG_FLOAT}/32`]: (data) => decode(data, 4, (view, at) => fromFloat(view.getFloat32(at, true))),
  [`${TAG_ALAW}/8`]: decodePcma,
  [`${TAG_MULAW}/8`]: decodePcmu,
};

/**
 * Reads a RIFF WAV file: integers of 8, 16, 24 or 32 bits, 32-bit float, A-law or µ-law, plain or
 * WAVE_FORMAT_EXTENSIBLE; stereo is mixed down. A cut-off file, and one whose header was written before its
 * length was known, gives what is there. The sample rate is the file's own, 4000–192,000 Hz. Memory is bounded by the size of `bytes`, whatever the header says.
 *
 * @throws {WavError} for anything else.
 */
export function parseWav(bytes: Uint8Array): Pcm {
  const source = wavSource(readWavHeader(bytes));
  return { sampleRate: source.sampleRate, samples: source.read(0, source.length) };
}

/**
 * Reads all but the sound: what `parseWav` takes is taken, and nothing else.
 *
 * @throws {WavError} for anything else
 */
export function readWavHeader(bytes: Uint8Array): WavHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(0) !== ID_RIFF || view.getUint32(8) !== ID_WAVE) {
    throw new WavError('not a RIFF WAV file');
  }
  let format: WavFormat | undefined;
  let at = 12;
  while (at + 8 <= bytes.length) {
    const id = view.getUint32(at);
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    if (id === ID_FMT) {
      format = readFormat(view, start, Math.min(size, bytes.length - start));
    } else if (id === ID_DATA) {
      if (format === undefined) throw new WavError('the data chunk comes before the fmt chunk');
      const data = bytes.subarray(start, isStreamed(view, size) ? bytes.length : start + size);
      // The last frame of a cut-off file may be incomplete.
      const frames = Math.floor(data.length / frameBytes(format));
      return { ...format, data, frames, declaredBytes: size };
    }
    // Chunks are padded to an even length.
    at = start + size + (size % 2);
  }
  throw new WavError(`there is no ${format === undefined ? 'fmt' : 'data'} chunk`);
}

/** The sound of a WAV file. A piece of it is decoded when it is read; stereo is mixed down. */
export function wavSource(header: WavHeader): PcmSource {
  const { channels, sampleRate, data, frames } = header;
  const decoder = DECODERS[encodingOf(header)];
  if (decoder === undefined) throw new Error('the header names an encoding that no header has');
  const bytes = frameBytes(header);
  const read = (from: number, to: number): Int16Array => {
    const samples = decoder(data.subarray(from * bytes, to * bytes));
    return channels === 2 ? mixDown(samples) : samples;
  };
  return { sampleRate, length: frames, read };
}

/** A WAV file with 16-bit mono samples and nothing but the fmt and data chunks. */
export function formatWav(pcm: Pcm): Uint8Array {
  const { samples, sampleRate } = pcm;
  const bytes = new Uint8Array(44 + samples.length * 2);
  const view = new DataView(bytes.buffer);
  const put = (at: number, id: string): void => {
    for (let i = 0; i < 4; i++) bytes[at + i] = id.charCodeAt(i);
  };
  put(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  put(8, 'WAVE');
  put(12, 'fmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, TAG_PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, sampleRate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  put(36, 'data');
  view.setUint32(40, samples.length * 2, true);
  // An iterator would take ten times as long, and a prompt has a hundred thousand samples.
  for (let i = 0; i < samples.length; i++) view.setInt16(44 + i * 2, samples[i] ?? 0, true);
  return bytes;
}

function encodingOf({ tag, bits }: WavFormat): string {
  return `${tag}/${bits}`;
}

function frameBytes({ channels, bits }: WavFormat): number {
  return (channels * bits) / 8;
}

/**
 * A recorder that writes to a pipe cannot know the length and leaves 0 or the largest number. A length of 0 in
 * a file whose own length fits its header is a chunk that is really empty.
 */
function isStreamed(view: DataView, dataSize: number): boolean {
  return dataSize === 0xffffffff || (dataSize === 0 && view.getUint32(4, true) !== view.byteLength - 8);
}

function readFormat(view: DataView, start: number, size: number): WavFormat {
  if (size < 16) throw new WavError('the fmt chunk is too short');
  const channels = view.getUint16(start + 2, true);
  const sampleRate = view.getUint32(start + 4, true);
  const blockAlign = view.getUint16(start + 12, true);
  const bits = view.getUint16(start + 14, true);
  let tag = view.getUint16(start, true);
  if (tag === TAG_EXTENSIBLE) {
    if (size < 40) throw new WavError('the extensible fmt chunk is too short');
    tag = view.getUint16(start + 24, true);
    let tail = '';
    for (let i = 26; i < 40; i++)
      tail += view
        .getUint8(start + i)
        .toString(16)
        .padStart(2, '0');
    if (tail !== SUBFORMAT_TAIL) throw new WavError('the extensible format names an unknown sub-format');
  }
  const format = { tag, channels, sampleRate, bits };
  if (DECODERS[encodingOf(format)] === undefined) {
    throw new WavError(`format ${tag} with ${bits} bits a sample is not supported`);
  }
  if (channels !== 1 && channels !== 2) throw new WavError(`${channels} channels are not supported`);
  if (sampleRate < MIN_RATE || sampleRate > MAX_RATE) {
    throw new WavError(`a sample rate of ${sampleRate} Hz is not supported`);
  }
  if (blockAlign !== frameBytes(format)) {
    throw new WavError(`a block of ${blockAlign} bytes does not fit ${channels} × ${bits} bits`);
  }
  return format;
}

function decode(
  data: Uint8Array,
  bytesPerSample: number,
  read: (view: DataView, at: number) => number,
): Int16Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const samples = new Int16Array(data.length / bytesPerSample);
  for (let i = 0; i < samples.length; i++) samples[i] = read(view, i * bytesPerSample);
  return samples;
}

function fromFloat(value: number): number {
  // Not-a-number becomes silence.
  return Math.round(Math.min(1, Math.max(-1, value || 0)) * 32767);
}

function mixDown(interleaved: Int16Array): Int16Array {
  const samples = new Int16Array(interleaved.length / 2);
  for (let i = 0; i < samples.length; i++) {
    samples[i] = ((interleaved[2 * i] ?? 0) + (interleaved[2 * i + 1] ?? 0)) >> 1;
  }
  return samples;
}
