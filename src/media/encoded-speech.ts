import type { Codec } from '../engine/engine.ts';
import { encodePcma, encodePcmu, G711_CLOCK_RATE } from './g711.ts';
import { resample } from './resample.ts';
import type { Speech } from './speech.ts';

/** Bytes of a codec, one a sample, or a number of bytes of silence. */
export type EncodedPart = Uint8Array | number;

const ENCODERS = { PCMU: encodePcmu, PCMA: encodePcma } as const;

/** What a sample of a clip at 8000 Hz takes in memory: two bytes, and one in each codec, kept as long as the clip. */
export const CLIP_BYTES_PER_SAMPLE = Int16Array.BYTES_PER_ELEMENT + Object.keys(ENCODERS).length;

/** Each clip is encoded once for each codec, for as long as somebody holds it. */
const encodings = new WeakMap<Int16Array, Map<Codec, Uint8Array>>();

/**
 * Speech in a codec. Parts that were encoded before are shared, between calls as between threads: their bytes
 * lie in shared memory, so that the RTP worker reads them where they are.
 */
export function encodeSpeech({ sampleRate, parts }: Speech, codec: Codec): readonly EncodedPart[] {
  const ratio = G711_CLOCK_RATE / sampleRate;
  return parts.map((part) =>
    typeof part === 'number' ? Math.round(part * ratio) : encodedClip(part, sampleRate, codec),
  );
}

function encodedClip(samples: Int16Array, sampleRate: number, codec: Codec): Uint8Array {
  const known = encodings.get(samples) ?? new Map<Codec, Uint8Array>();
  encodings.set(samples, known);
  const found = known.get(codec);
  if (found !== undefined) return found;
  const bytes = ENCODERS[codec](resample({ sampleRate, samples }, G711_CLOCK_RATE).samples);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  known.set(codec, shared);
  return shared;
}

/** Reads encoded speech from its begin to its end. */
export class SpeechReader {
  readonly length: number;
  readonly #parts: readonly EncodedPart[];
  #index = 0;
  /** Bytes of the current part that were read. */
  #offset = 0;
  #position = 0;

  /** `position`: where to begin, in bytes. */
  constructor(parts: readonly EncodedPart[], position = 0) {
    this.#parts = parts;
    this.length = parts.reduce<number>((sum, part) => sum + lengthOf(part), 0);
    this.#skip(Math.min(position, this.length));
  }

  /** Bytes that were read or skipped. */
  get position(): number {
    return this.#position;
  }

  /** Fills `into` from `at` on; what the speech is too short for becomes silence. */
  read(into: Uint8Array, at: number, silenceByte: number): void {
    let from = at;
    while (from < into.length) {
      const part = this.#parts[this.#index];
      if (part === undefined) {
        into.fill(silenceByte, from);
        return;
      }
      const count = Math.min(lengthOf(part) - this.#offset, into.length - from);
      if (typeof part === 'number') into.fill(silenceByte, from, from + count);
      else into.set(part.subarray(this.#offset, this.#offset + count), from);
      from += count;
      this.#skip(count);
    }
  }

  #skip(bytes: number): void {
    this.#position += bytes;
    this.#offset += bytes;
    for (;;) {
      const part = this.#parts[this.#index];
      if (part === undefined || this.#offset < lengthOf(part)) return;
      this.#offset -= lengthOf(part);
      this.#index++;
    }
  }
}

function lengthOf(part: EncodedPart): number {
  return typeof part === 'number' ? part : part.length;
}
