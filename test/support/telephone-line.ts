import { decodePcma, decodePcmu, encodePcma, encodePcmu } from '../../src/media/g711.ts';
import { resample } from '../../src/media/resample.ts';

const SAMPLE_RATE = 8000;
const PACKET = 160;
/** Level of the speech in our sound sets: −20 dBFS. */
const SPEECH_RMS = 3277;

/** Numbers from 0 to 1, the same ones for the same seed (Park and Miller). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function clamp(value: number): number {
  return Math.max(-32_768, Math.min(32_767, Math.round(value)));
}

export function silence(ms: number): Int16Array {
  return new Int16Array((ms * SAMPLE_RATE) / 1000);
}

export function joined(...parts: readonly Int16Array[]): Int16Array {
  return Int16Array.from(parts.flatMap((part) => Array.from(part)));
}

export function throughMuLaw(samples: Int16Array): Int16Array {
  return decodePcmu(encodePcmu(samples));
}

export function throughALaw(samples: Int16Array): Int16Array {
  return decodePcma(encodePcma(samples));
}

export function louder(samples: Int16Array, db: number): Int16Array {
  return samples.map((sample) => clamp(sample * 10 ** (db / 20)));
}

/** Adds white noise; the ratio is to the level of our speech. */
export function noisy(samples: Int16Array, snrDb: number, random: () => number): Int16Array {
  const rms = SPEECH_RMS * 10 ** (-snrDb / 20);
  return samples.map((sample) => {
    const normal = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    return clamp(sample + rms * normal);
  });
}

/** Zeroes packets of 20 ms. */
export function lossy(samples: Int16Array, share: number, random: () => number): Int16Array {
  const result = samples.slice();
  for (let at = 0; at < result.length; at += PACKET) {
    if (random() < share) result.fill(0, at, at + PACKET);
  }
  return result;
}

/** What a softphone does whose sound card runs at 48 kHz, with its samples half a sample beside ours. */
export function throughSoftphone(samples: Int16Array): Int16Array {
  const wide = resample({ sampleRate: SAMPLE_RATE, samples }, 48_000);
  return resample({ sampleRate: 48_000, samples: wide.samples.subarray(3) }, SAMPLE_RATE).samples;
}

export function tone(hz: number, ms: number): Int16Array {
  return silence(ms).map((_, i) => clamp(10_000 * Math.sin((2 * Math.PI * hz * i) / SAMPLE_RATE)));
}
