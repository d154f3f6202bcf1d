import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resamplePatiently } from '../../../src/media/patient-resample.ts';
import type { Pcm } from '../../../src/media/pcm.ts';
import { sourceOf } from '../../../src/media/pcm-source.ts';
import { resample } from '../../../src/media/resample.ts';
import { seeded } from '../../support/telephone-line.ts';

const NEVER = new AbortController().signal;

function noise(length: number, sampleRate: number): Pcm {
  const random = seeded(length + sampleRate);
  return { sampleRate, samples: Int16Array.from({ length }, () => 65_536 * random() - 32_768) };
}

describe('patient resampling', () => {
  it('gives the samples that resampling in one go gives', async () => {
    const rate = fc.constantFrom(4000, 8000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000, 192_000);
    await fc.assert(
      fc.asyncProperty(rate, fc.constantFrom(8000, 16_000), fc.nat(60_000), async (from, to, length) => {
        const pcm = noise(length, from);
        const made = await resamplePatiently(sourceOf(pcm), to, NEVER);
        const wanted = resample(pcm, to).samples.slice();
        expect(Buffer.compare(Buffer.from(made.buffer), Buffer.from(wanted.buffer))).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('gives a buffer of its own, also at the rate that it has', async () => {
    const pcm = noise(5000, 8000);
    const made = await resamplePatiently(sourceOf(pcm), 8000, NEVER);
    expect(made).toEqual(pcm.samples);
    expect(made.buffer).not.toBe(pcm.samples.buffer);
  });

  it('reads a source in pieces that are not much longer than what is made of them', async () => {
    const pcm = noise(96_000, 48_000);
    const whole = sourceOf(pcm);
    const read: number[] = [];
    const source = {
      ...whole,
      read: (from: number, to: number) => {
        expect([from >= 0, to <= whole.length]).toEqual([true, true]);
        read.push(to - from);
        return whole.read(from, to);
      },
    };
    await resamplePatiently(source, 8000, NEVER);
    expect(read).toHaveLength(4);
    expect(Math.max(...read)).toBeLessThan(24_000 + 300);
  });

  it('leaves turns to others, and ends when it is to stop', async () => {
    const source = sourceOf(noise(480_000, 48_000));
    let turns = 0;
    const made = resamplePatiently(source, 8000, NEVER);
    while ((await Promise.race([made, nextTurn('a turn')])) === 'a turn') turns++;
    expect(turns).toBeGreaterThanOrEqual(10);
    const stop = new AbortController();
    const stopped = resamplePatiently(source, 8000, stop.signal);
    stop.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
  });

  it.each([0, 8000.5, 1e9])('refuses a rate of %d', async (rate) => {
    await expect(resamplePatiently(sourceOf(noise(10, 8000)), rate, NEVER)).rejects.toThrow(RangeError);
    const strange = { ...sourceOf(noise(10, 8000)), sampleRate: rate };
    await expect(resamplePatiently(strange, 8000, NEVER)).rejects.toThrow(RangeError);
  });
});
