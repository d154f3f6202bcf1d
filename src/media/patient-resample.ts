import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PcmSource } from './pcm-source.ts';
import { resampledLength, resampledPiece } from './resample.ts';

/** Samples that are made without a pause: half a second at 8 kHz, some milliseconds of work from 48 kHz. */
const PIECE_SAMPLES = 4000;

/**
 * The samples that `resample` would give, in a buffer of their own, with a turn for other work after each 4000 of
 * them: a minute in one go would hold up all calls. The source must not change in the meantime.
 *
 * @throws the signal's reason, after the piece during which it aborts, and RangeError for a rate as `resample`
 */
export async function resamplePatiently(
  source: PcmSource,
  sampleRate: number,
  signal: AbortSignal,
): Promise<Int16Array> {
  const samples = new Int16Array(resampledLength(source, sampleRate));
  for (let begin = 0; begin < samples.length; begin += PIECE_SAMPLES) {
    const end = Math.min(begin + PIECE_SAMPLES, samples.length);
    samples.set(resampledPiece(source, sampleRate, begin, end), begin);
    await nextTurn();
    signal.throwIfAborted();
  }
  return samples;
}
