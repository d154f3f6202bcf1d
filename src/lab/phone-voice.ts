import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { resample } from '../media/resample.ts';
import { parseWav } from '../media/wav.ts';
import type { PhoneSound } from './behaviour.ts';

const SAMPLE_RATE = 8000;
const SAMPLES_A_MS = SAMPLE_RATE / 1000;
const CLIPS = new URL('../../sounds/en-US/slt/', import.meta.url);
/** As loud as a clip. */
const TONE_AMPLITUDE = 6000;

/** What one phone says, at 8000 Hz, from the answer on. */
export class PhoneVoice {
  readonly #samples: Int16Array;
  /** Where the last tone ends, in samples; undefined where there is none. */
  readonly toneEnd: number | undefined;

  private constructor(samples: Int16Array, toneEnd: number | undefined) {
    this.#samples = samples;
    this.toneEnd = toneEnd;
  }

  /** Rejects where there is no such clip. */
  static async of(sounds: readonly PhoneSound[]): Promise<PhoneVoice> {
    const pieces = await Promise.all(sounds.map(samplesOf));
    const samples = new Int16Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    let toneEnd: number | undefined;
    for (const [i, piece] of pieces.entries()) {
      samples.set(piece, at);
      at += piece.length;
      if ('toneHz' in (sounds[i] ?? {})) toneEnd = at;
    }
    return new PhoneVoice(samples, toneEnd);
  }

  /** Samples from there on; silence when all is said. */
  read(from: number, count: number): Int16Array {
    const samples = new Int16Array(count);
    samples.set(this.#samples.subarray(from, from + count));
    return samples;
  }
}

async function samplesOf(sound: PhoneSound): Promise<Int16Array> {
  if ('silenceMs' in sound) return new Int16Array(sound.silenceMs * SAMPLES_A_MS);
  if ('toneHz' in sound) {
    return Int16Array.from(
      { length: sound.forMs * SAMPLES_A_MS },
      (_, i) => TONE_AMPLITUDE * Math.sin((2 * Math.PI * sound.toneHz * i) / SAMPLE_RATE),
    );
  }
  const wav = parseWav(await readFile(fileURLToPath(new URL(`${sound.clip}.wav`, CLIPS))));
  return resample(wav, SAMPLE_RATE).samples;
}
