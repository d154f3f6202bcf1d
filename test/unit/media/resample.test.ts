import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { resample } from '../../../src/media/resample.ts';
import { formatWav, parseWav } from '../../../src/media/wav.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { seeded } from '../../support/telephone-line.ts';

const AMPLITUDE = 10_000;

function tone(frequency: number, sampleRate: number, seconds = 0.5): Int16Array {
  return Int16Array.from({ length: Math.round(sampleRate * seconds) }, (_, index) =>
    Math.round(AMPLITUDE * Math.sin((2 * Math.PI * frequency * index) / sampleRate)),
  );
}

/** Without the ends, where the filter still fills. */
function middle(samples: Int16Array): Int16Array {
  return samples.subarray(Math.floor(samples.length / 4), Math.floor((samples.length * 3) / 4));
}

function decibels(samples: Int16Array): number {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return 10 * Math.log10(power / (AMPLITUDE ** 2 / 2) + 1e-12);
}

const RATES = [
  { from: 16_000, to: 8000 },
  { from: 44_100, to: 8000 },
  { from: 48_000, to: 8000 },
  { from: 44_100, to: 16_000 },
  { from: 48_000, to: 16_000 },
  { from: 22_050, to: 16_000 },
  { from: 8000, to: 16_000 },
];

describe.each(RATES)('from $from to $to Hz', ({ from, to }) => {
  const lower = Math.min(from, to);

  it.each([300, 1000, 0.4 * lower])('keeps %i Hz as it was', (frequency) => {
    const { samples } = resample({ sampleRate: from, samples: tone(frequency, from) }, to);
    const wanted = tone(frequency, to);
    expect(samples.length).toBe(wanted.length);
    const error = middle(samples).map((sample, index) => sample - (middle(wanted)[index] ?? 0));
    expect(decibels(error)).toBeLessThan(-50);
  });

  it.skipIf(from < to)('lets nothing through that would fold back', () => {
    for (const frequency of [0.52 * to, 0.6 * to, 0.49 * from]) {
      const { samples } = resample({ sampleRate: from, samples: tone(frequency, from) }, to);
      expect(decibels(middle(samples))).toBeLessThan(-55);
    }
  });
});

describe('resample', () => {
  it('gives audio at the wanted rate back as it is', () => {
    const pcm = { sampleRate: 8000, samples: Int16Array.of(1, 2, 3) };
    expect(resample(pcm, 8000)).toBe(pcm);
  });

  it('clips instead of wrapping', () => {
    const square = Int16Array.from({ length: 4000 }, (_, index) => (index % 40 < 20 ? 32_767 : -32_768));
    const { samples } = resample({ sampleRate: 16_000, samples: square }, 8000);
    const wrapped = samples.findIndex((sample, index) => {
      const source = square[index * 2] ?? 0;
      return Math.abs(sample) > 30_000 && Math.sign(sample) !== Math.sign(source) && index % 20 > 3;
    });
    expect(wrapped).toBe(-1);
    expect(Math.max(...samples)).toBe(32_767);
  });

  it('has the right length for any input, and a level of nothing for silence', () => {
    const rate = fc.constantFrom(8000, 11_025, 16_000, 22_050, 44_100, 48_000);
    fc.assert(
      fc.property(rate, rate, fc.nat(2000), (from, to, length) => {
        const { samples, sampleRate } = resample({ sampleRate: from, samples: new Int16Array(length) }, to);
        expect(sampleRate).toBe(to);
        expect(Math.abs(samples.length - (length * to) / from)).toBeLessThanOrEqual(0.5);
        expect(samples.every((sample) => sample === 0)).toBe(true);
      }),
    );
  });

  it.each([0, -8000, 8000.5, Number.NaN, 1e9])('refuses a rate of %d', (rate) => {
    expect(() => resample({ sampleRate: 8000, samples: new Int16Array(4) }, rate)).toThrow(RangeError);
    expect(() => resample({ sampleRate: rate, samples: new Int16Array(4) }, 8000)).toThrow(RangeError);
  });
});

const TO_TELEPHONE = [48_000, 44_100, 22_050, 16_000, 11_025];

describe.each(TO_TELEPHONE)('from %i to 8000 Hz', (from) => {
  it.each([200, 700, 1500, 2500, 3100, 3400])('passes %i Hz within 0.1 dB', (frequency) => {
    const { samples } = resample({ sampleRate: from, samples: tone(frequency, from) }, 8000);
    expect(Math.abs(decibels(middle(samples)))).toBeLessThan(0.1);
  });

  it('keeps what would fold back 60 dB down', () => {
    for (const frequency of [4200, 4500, 5000, 5300]) {
      const { samples } = resample({ sampleRate: from, samples: tone(frequency, from) }, 8000);
      expect({ frequency, down: decibels(middle(samples)) < -60 }).toEqual({ frequency, down: true });
    }
  });
});

describeWithPeer('sox', 'resampling beside that of sox', () => {
  it.each(TO_TELEPHONE)('from %i to 8000 Hz differs by what is 60 dB below the sound', (from) => {
    const folder = mkdtempSync(join(tmpdir(), 'resample-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const pcm = { sampleRate: from, samples: manyTones(from) };
    writeFileSync(join(folder, 'in.wav'), formatWav(pcm));
    // Without dither, which is noise, and at sox's highest quality.
    const args = ['-D', join(folder, 'in.wav'), join(folder, 'out.wav'), 'rate', '-v', '8000'];
    expect(spawnSync('sox', args).status).toBe(0);
    const theirs = middle(parseWav(readFileSync(join(folder, 'out.wav'))).samples);
    const ours = middle(resample(pcm, 8000).samples);
    expect(theirs.length).toBe(ours.length);
    const error = ours.map((sample, index) => sample - (theirs[index] ?? 0));
    const snr = decibels(ours) - decibels(error);
    expect(snr).toBeGreaterThan(60);
  });
});

/** A hundred tones between 150 and 3400 Hz, in any phase: what a telephone carries of a voice. */
function manyTones(sampleRate: number): Int16Array {
  const random = seeded(8000);
  const tones = Array.from({ length: 100 }, (_, i) => ({
    hz: 150 + i * 32.8,
    phase: 2 * Math.PI * random(),
  }));
  return Int16Array.from({ length: sampleRate }, (_, index) =>
    Math.round(
      tones.reduce(
        (sum, { hz, phase }) => sum + 600 * Math.sin((2 * Math.PI * hz * index) / sampleRate + phase),
        0,
      ),
    ),
  );
}
