import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { finished, levelled, peakDbfs, speechDbfs } from '../../../src/media/loudness.ts';
import type { Pcm } from '../../../src/media/pcm.ts';
import { formatWav } from '../../../src/media/wav.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { seeded } from '../../support/telephone-line.ts';

const RATE = 16_000;

function tone(ms: number, amplitude: number): Int16Array {
  return Int16Array.from({ length: (RATE * ms) / 1000 }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * 400 * i) / RATE)),
  );
}

function clip(...parts: readonly Int16Array[]): Pcm {
  return { sampleRate: RATE, samples: Int16Array.from(parts.flatMap((part) => [...part])) };
}

const silence = (ms: number): Int16Array => new Int16Array((RATE * ms) / 1000);

/** Like speech in one thing: its peaks are 20 dB above its level. */
function peaky(seconds: number, level: number): Pcm {
  const random = seeded(99);
  const samples = Int16Array.from({ length: RATE * seconds }, (_, i) => {
    const pulse = i % 400 < 4 ? 12 : 0.6;
    return Math.max(-32_768, Math.min(32_767, Math.round((2 * random() - 1) * level * pulse)));
  });
  return { sampleRate: RATE, samples };
}

describe('measuring', () => {
  it('knows a full tone', () => {
    const full = clip(tone(500, 32_767));
    expect(peakDbfs(full)).toBeCloseTo(0, 2);
    expect(speechDbfs(full)).toBeCloseTo(-3.01, 2);
  });

  it('counts no pauses', () => {
    expect(speechDbfs(clip(silence(800), tone(200, 3000), silence(3000)))).toBeCloseTo(
      speechDbfs(clip(tone(200, 3000))),
      5,
    );
  });

  it('has no level for silence', () => {
    expect(speechDbfs(clip(silence(100)))).toBe(-Infinity);
    expect(peakDbfs(clip())).toBe(-Infinity);
  });
});

describeWithPeer('sox', 'measuring beside sox', () => {
  it('finds the same level and the same peak', () => {
    const folder = mkdtempSync(join(tmpdir(), 'loudness-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const pcm of [
      clip(tone(1000, 12_000)),
      peaky(1, 2000),
      levelled(peaky(1, 300)),
      levelled(clip(tone(700, 50))),
    ]) {
      const file = join(folder, 'clip.wav');
      writeFileSync(file, formatWav(pcm));
      const { stderr } = spawnSync('sox', [file, '-n', 'stat'], { encoding: 'utf8' });
      const figure = (name: string): number => {
        const line = stderr.split('\n').find((text) => text.replaceAll(/ +/g, ' ').startsWith(name));
        return Math.abs(Number(line?.split(':')[1]));
      };
      const decibels = (share: number): number => 20 * Math.log10(share);
      // sox prints six decimals of full scale.
      expect(Math.abs(speechDbfs(pcm) - decibels(figure('RMS amplitude')))).toBeLessThan(0.02);
      const peak = Math.max(figure('Maximum amplitude'), figure('Minimum amplitude'));
      expect(Math.abs(peakDbfs(pcm) - decibels(peak))).toBeLessThan(0.01);
    }
  });
});

describe('levelling', () => {
  it('brings any tone to -20 dBFS', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 32_767 }), (amplitude) => {
        const { samples } = levelled(clip(silence(100), tone(300, amplitude), silence(300)));
        expect(Math.abs(speechDbfs({ sampleRate: RATE, samples }) + 20)).toBeLessThan(0.1);
        expect(samples.length).toBe((RATE * 700) / 1000);
      }),
      { numRuns: 30 },
    );
  });

  it.each([100, 1000, 3000])('holds peaks down without losing the level (%i)', (level) => {
    const input = peaky(1, level);
    const output = levelled(input);
    expect(peakDbfs(output)).toBeLessThanOrEqual(-3);
    expect(Math.abs(speechDbfs(output) + 20)).toBeLessThan(0.5);
  });

  it('turns a peak down softly: the gain has no step', () => {
    const samples = tone(600, 1500);
    samples.set(tone(20, 30_000), 4800);
    const output = levelled({ sampleRate: RATE, samples }).samples;
    const gains = Array.from(samples.keys())
      .filter((i) => Math.abs(samples[i] ?? 0) > 1000)
      .map((i) => ({ i, gain: (output[i] ?? 0) / (samples[i] ?? 1) }));
    const steps = gains.slice(1).map(({ i, gain }, at) => {
      const before = gains[at] ?? { i, gain };
      return Math.abs(gain / before.gain - 1) / (i - before.i);
    });
    expect(Math.max(...steps)).toBeLessThan(0.02);
    expect(Math.min(...gains.map(({ gain }) => gain))).toBeGreaterThan(0);
  });

  it('leaves silence as it is and does not make a whisper of noise a shout', () => {
    const still = clip(silence(300));
    expect(levelled(still)).toBe(still);
    expect(peakDbfs(levelled(clip(tone(300, 4))))).toBeLessThan(-30);
  });
});

describe('finished', () => {
  it('is trimmed, level, and ends in silence', () => {
    const { samples, sampleRate } = finished(clip(silence(700), tone(400, 20_000), silence(900)));
    expect(samples.length).toBe((sampleRate * 480) / 1000);
    expect(Math.abs(speechDbfs({ sampleRate, samples }) + 20)).toBeLessThan(0.1);
    expect([samples[0], samples.at(-1)]).toEqual([0, 0]);
  });

  it('does not take the offset of a sound card for sound', () => {
    const shifted = clip(silence(700), tone(400, 8000), silence(900));
    const samples = shifted.samples.map((sample) => sample + 1500);
    const done = finished({ sampleRate: RATE, samples });
    expect(done.samples.length).toBe((RATE * 480) / 1000);
    const mean = done.samples.reduce((sum, sample) => sum + sample, 0) / done.samples.length;
    expect(Math.abs(mean)).toBeLessThan(30);
  });

  it('makes nothing of silence', () => {
    expect(finished(clip(silence(500))).samples.length).toBe(0);
    expect(finished(clip()).samples.length).toBe(0);
  });

  it('changes nothing more when it is done again', () => {
    const once = finished(peaky(1, 900));
    const twice = finished(once);
    expect(Math.abs(twice.samples.length - once.samples.length)).toBeLessThanOrEqual(RATE / 50);
    expect(Math.abs(speechDbfs(twice) - speechDbfs(once))).toBeLessThan(0.3);
  });
});
