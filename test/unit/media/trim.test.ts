import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, faded, speechLevels, trimmed } from '../../../src/media/trim.ts';
import { seeded } from '../../support/telephone-line.ts';

const RATE = 16_000;

function tone(ms: number, amplitude = 8000): Int16Array {
  return Int16Array.from({ length: (RATE * ms) / 1000 }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * 440 * i) / RATE)),
  );
}

function noise(ms: number, amplitude: number): Int16Array {
  const random = seeded(4711);
  return Int16Array.from({ length: (RATE * ms) / 1000 }, () => Math.round((2 * random() - 1) * amplitude));
}

function clip(...parts: readonly Int16Array[]): { sampleRate: number; samples: Int16Array } {
  return { sampleRate: RATE, samples: Int16Array.from(parts.flatMap((part) => [...part])) };
}

const silence = (ms: number): Int16Array => new Int16Array((RATE * ms) / 1000);
const ms = (samples: number): number => (samples * 1000) / RATE;

describe('cut', () => {
  it.each([
    [500, 700],
    [40, 40],
    [10, 0],
    [0, 0],
    [0, 300],
  ])('leaves 40 ms around speech that had %i ms before and %i after it', (before, after) => {
    const { samples } = cut(clip(silence(before), tone(300), silence(after)));
    expect(ms(samples.length)).toBe(380);
    expect(samples.subarray(0, 640).every((sample) => sample === 0)).toBe(true);
    expect(samples.subarray(-640).every((sample) => sample === 0)).toBe(true);
    // The sound in between is untouched, but for its edge where the recording began or ended in it.
    const inside = samples.subarray(640 + 80, -640 - 80);
    expect(Buffer.from(inside.slice().buffer)).toEqual(Buffer.from(tone(300).slice(80, -80).buffer));
  });

  it('keeps the pauses between words', () => {
    const { samples } = cut(clip(silence(200), tone(100), silence(900), tone(100), silence(200)));
    expect(ms(samples.length)).toBe(1180);
  });

  it('keeps a soft beginning that is 30 dB below the rest', () => {
    const { samples } = cut(clip(silence(200), tone(80, 250), tone(200), silence(200)));
    expect(ms(samples.length)).toBe(360);
  });

  it('cuts the noise of a room, with what is heard of it left in the margins', () => {
    const speech = tone(300).map((sample, i) => sample + (noise(300, 120)[i] ?? 0));
    const { samples } = cut(clip(noise(800, 120), speech, noise(600, 120)));
    expect(ms(samples.length)).toBe(380);
  });

  it('cuts a click that is far from the speech, and not the last sound of a word', () => {
    const click = tone(10, 12_000);
    expect(ms(cut(clip(click, silence(400), tone(300), silence(400), click)).samples.length)).toBe(380);
    expect(ms(cut(clip(tone(300), silence(100), click)).samples.length)).toBe(490);
  });

  it('makes nothing of silence, and something of a very short sound', () => {
    expect(cut(clip(silence(500))).samples.length).toBe(0);
    expect(cut(clip()).samples.length).toBe(0);
    expect(ms(cut(clip(silence(100), tone(10), silence(100))).samples.length)).toBe(90);
  });

  it('does the same at every level and rate, and once is enough', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 30_000 }), fc.nat(50), fc.nat(50), (level, before, after) => {
        const once = cut(clip(silence(before * 10), tone(200, level), silence(after * 10)));
        expect(ms(once.samples.length)).toBe(280);
        expect(cut(once).samples).toEqual(once.samples);
      }),
      { numRuns: 30 },
    );
    for (const rate of [8000, 11_025, 22_050, 44_100, 48_000]) {
      const samples = Int16Array.from({ length: rate }, (_, i) =>
        i > rate / 4 && i < rate / 2 ? (i % 40) * 500 - 9000 : 0,
      );
      expect(Math.abs((cut({ sampleRate: rate, samples }).samples.length / rate) * 1000 - 330)).toBeLessThan(
        25,
      );
    }
  });
});

describe('fades', () => {
  it('rise and fall over 20 ms and leave the rest and the input alone', () => {
    const loud = clip(new Int16Array(RATE).fill(10_000));
    const { samples } = faded(loud);
    expect([samples[0], samples[160], samples[319], samples[320]]).toEqual([0, 5000, 9969, 10_000]);
    expect([samples.at(-1), samples.at(-161), samples.at(-321)]).toEqual([0, 5000, 10_000]);
    expect(loud.samples.every((sample) => sample === 10_000)).toBe(true);
  });

  it('meet in the middle of a clip that is shorter than both', () => {
    const { samples } = faded(clip(new Int16Array(100).fill(10_000)));
    expect(Math.max(...samples)).toBeLessThanOrEqual(10_000);
    expect([samples[0], samples.at(-1)]).toEqual([0, 0]);
    expect(faded(clip()).samples.length).toBe(0);
  });

  it('come with trimming', () => {
    const { samples } = trimmed(clip(noise(300, 100), tone(300), noise(300, 100)));
    expect([samples[0], samples.at(-1)]).toEqual([0, 0]);
    expect(ms(samples.length)).toBe(380);
  });
});

describe('speechLevels', () => {
  it('leaves out pauses', () => {
    const levels = speechLevels(clip(silence(500), tone(300), silence(500), tone(200, 4000)));
    expect(levels.length).toBe(50);
    expect(speechLevels(clip(silence(100))).length).toBe(0);
  });
});
