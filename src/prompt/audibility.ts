import type { SpeechPart } from '../media/speech.ts';
import { CLIP_RATE } from './clip.ts';

/** Samples of a frame: 10 ms. */
const FRAME = CLIP_RATE / 100;
/** Between the lowest and the highest sample of a frame, of 65,536: less than this is not heard in a telephone. */
const SILENT_RANGE = 200;
/** A shorter sound is a click. */
const LEAST_FRAMES = 3;

/** Whether there is anything to be heard, at 8000 samples a second: neither silence nor a click. */
export function isHeard(parts: readonly SpeechPart[]): boolean {
  return parts.some((part) => typeof part !== 'number' && framesHeard(part) >= LEAST_FRAMES);
}

/** No more than are needed. */
function framesHeard(samples: Int16Array): number {
  let heard = 0;
  for (let at = 0; at + FRAME <= samples.length && heard < LEAST_FRAMES; at += FRAME) {
    let [lowest, highest] = [32_767, -32_768];
    for (let i = at; i < at + FRAME; i++) {
      const sample = samples[i] ?? 0;
      if (sample < lowest) lowest = sample;
      if (sample > highest) highest = sample;
    }
    if (highest - lowest >= SILENT_RANGE) heard++;
  }
  return heard;
}
