import { describe, expect, it } from 'vitest';
import { Fft } from '../../../src/lab/fft.ts';
import { seeded } from '../../support/telephone-line.ts';

/** The definition, slow. */
function transform(re: Float64Array, im: Float64Array): [number[], number[]] {
  const size = re.length;
  const sums = Array.from({ length: size }, (_, k) => {
    let sumRe = 0;
    let sumIm = 0;
    for (let n = 0; n < size; n++) {
      const angle = (-2 * Math.PI * k * n) / size;
      sumRe += (re[n] ?? 0) * Math.cos(angle) - (im[n] ?? 0) * Math.sin(angle);
      sumIm += (re[n] ?? 0) * Math.sin(angle) + (im[n] ?? 0) * Math.cos(angle);
    }
    return [sumRe, sumIm] as const;
  });
  return [sums.map(([sum]) => sum), sums.map(([, sum]) => sum)];
}

function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Number.NaN))), 0);
}

describe('Fft', () => {
  it.each([2, 4, 8, 64, 256])('transforms %i points as the definition says, and back', (size) => {
    const random = seeded(size);
    const re = Float64Array.from({ length: size }, () => random() - 0.5);
    const im = Float64Array.from({ length: size }, () => random() - 0.5);
    const [expectedRe, expectedIm] = transform(re, im);
    const fft = new Fft(size);
    const gotRe = re.slice();
    const gotIm = im.slice();
    fft.forward(gotRe, gotIm);
    expect(farthest(gotRe, expectedRe)).toBeLessThan(1e-10);
    expect(farthest(gotIm, expectedIm)).toBeLessThan(1e-10);
    fft.inverse(gotRe, gotIm);
    const once = (value: number): number => value / size;
    expect(farthest(gotRe.map(once), re)).toBeLessThan(1e-12);
    expect(farthest(gotIm.map(once), im)).toBeLessThan(1e-12);
  });

  it.each([0, 1, 3, 100, -4, 2 ** 23, Number.NaN])('refuses %d points', (size) => {
    expect(() => new Fft(size)).toThrow(RangeError);
  });
});
