import { AnswerDetector, type AnswerDetectorOptions } from '../../src/media/answer-detector.ts';
import { joined, noisy, seeded, silence, tone } from './telephone-line.ts';

const PACKET = 160;

/** Syllables of noise, six a second, each of another strength, at about -20 dBFS. */
export function speech(ms: number, seed = 1): Int16Array {
  const random = seeded(seed);
  return silence(ms).map((_, i) => {
    const syllable = Math.sin((Math.PI * 6 * i) / 8000) ** 2;
    return Math.round((2 * random() - 1) * 9000 * syllable);
  });
}

/** Tones at the same time, each at a share of one alone. */
export function mixed(ms: number, ...frequencies: readonly number[]): Int16Array {
  const parts = frequencies.map((hz) => tone(hz, ms));
  return silence(ms).map((_, i) => Math.round(parts.reduce((sum, part) => sum + (part[i] ?? 0) / 2, 0)));
}

/** A line that is not quite silent, -60 dBFS. */
export function room(...parts: readonly Int16Array[]): Int16Array {
  return noisy(joined(...parts), 40, seeded(7));
}

/** A detector that has heard it in packets of 20 ms. */
export function heard(audio: Int16Array, options: Partial<AnswerDetectorOptions> = {}): AnswerDetector {
  const detector = new AnswerDetector(options);
  for (const packet of packetsOf(audio)) detector.push(packet);
  return detector;
}

/** When the beeps ended that a detector told of, ms. */
export function beepEnds(audio: Int16Array): readonly number[] {
  const detector = new AnswerDetector();
  return packetsOf(audio)
    .flatMap((packet) => detector.push(packet))
    .flatMap(({ type, atMs }) => (type === 'tone_ended' ? [atMs] : []));
}

function packetsOf(audio: Int16Array): readonly Int16Array[] {
  const count = Math.ceil(audio.length / PACKET);
  return Array.from({ length: count }, (_, i) => audio.subarray(i * PACKET, (i + 1) * PACKET));
}
