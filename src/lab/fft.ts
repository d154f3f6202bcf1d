/** Fourier transform of complex signals whose length is one power of two; tables are made once. */
export class Fft {
  readonly size: number;
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;
  readonly #reversed: Uint32Array;

  /** @throws {RangeError} where `size` is not a power of two, 2 to 2^22. */
  constructor(size: number) {
    const bits = Math.log2(size);
    if (!Number.isInteger(bits) || bits < 1 || bits > 22) throw new RangeError('not a size for a transform');
    this.size = size;
    this.#cos = Float64Array.from({ length: size }, (_, i) => Math.cos((2 * Math.PI * i) / size));
    this.#sin = Float64Array.from({ length: size }, (_, i) => -Math.sin((2 * Math.PI * i) / size));
    this.#reversed = new Uint32Array(size);
    for (let i = 1; i < size; i++) {
      const half = this.#reversed[i >> 1] ?? 0;
      this.#reversed[i] = (half >> 1) | ((i & 1) << (bits - 1));
    }
  }

  /** In place. */
  forward(re: Float64Array, im: Float64Array): void {
    this.#reorder(re, im);
    let points = 1;
    if (Math.log2(this.size) % 2 === 1) {
      combinePairs(re, im);
      points = 2;
    }
    for (; points < this.size; points *= 4) this.#combineFours(re, im, points);
  }

  /** In place, not scaled: after `forward` it gives `size` times what there was. */
  inverse(re: Float64Array, im: Float64Array): void {
    // Swapping the parts conjugates both ends of the transform, up to a factor that the second swap undoes.
    this.forward(im, re);
  }

  #reorder(re: Float64Array, im: Float64Array): void {
    for (let i = 0; i < this.size; i++) {
      const j = this.#reversed[i] ?? 0;
      if (j <= i) continue;
      const re0 = re[i] ?? 0;
      const im0 = im[i] ?? 0;
      re[i] = re[j] ?? 0;
      im[i] = im[j] ?? 0;
      re[j] = re0;
      im[j] = im0;
    }
  }

  /**
   * Two stages of butterflies in one pass (Cooley and Tukey, radix 4), since memory is what takes the time: transforms
   * of `points` become ones of four times that. By the reversed order of bits the second quarter holds what a radix of
   * four alone would have third.
   */
  #combineFours(re: Float64Array, im: Float64Array, points: number): void {
    const cos = this.#cos;
    const sin = this.#sin;
    const stride = this.size / (4 * points);
    for (let start = 0; start < this.size; start += 4 * points) {
      for (let k = 0; k < points; k++) {
        const a = start + k;
        const c = a + points;
        const b = c + points;
        const d = b + points;
        const reC = turnedRe(re[c] ?? 0, im[c] ?? 0, cos[2 * k * stride] ?? 0, sin[2 * k * stride] ?? 0);
        const imC = turnedIm(re[c] ?? 0, im[c] ?? 0, cos[2 * k * stride] ?? 0, sin[2 * k * stride] ?? 0);
        const reB = turnedRe(re[b] ?? 0, im[b] ?? 0, cos[k * stride] ?? 0, sin[k * stride] ?? 0);
        const imB = turnedIm(re[b] ?? 0, im[b] ?? 0, cos[k * stride] ?? 0, sin[k * stride] ?? 0);
        const reD = turnedRe(re[d] ?? 0, im[d] ?? 0, cos[3 * k * stride] ?? 0, sin[3 * k * stride] ?? 0);
        const imD = turnedIm(re[d] ?? 0, im[d] ?? 0, cos[3 * k * stride] ?? 0, sin[3 * k * stride] ?? 0);
        const reAC = (re[a] ?? 0) + reC;
        const imAC = (im[a] ?? 0) + imC;
        const reAlessC = (re[a] ?? 0) - reC;
        const imAlessC = (im[a] ?? 0) - imC;
        re[a] = reAC + reB + reD;
        im[a] = imAC + imB + imD;
        re[c] = reAlessC + (imB - imD);
        im[c] = imAlessC - (reB - reD);
        re[b] = reAC - (reB + reD);
        im[b] = imAC - (imB + imD);
        re[d] = reAlessC - (imB - imD);
        im[d] = imAlessC + (reB - reD);
      }
    }
  }
}

/** The first stage of butterflies: transforms of one point become ones of two. */
function combinePairs(re: Float64Array, im: Float64Array): void {
  for (let a = 0; a < re.length; a += 2) {
    const reB = re[a + 1] ?? 0;
    const imB = im[a + 1] ?? 0;
    re[a + 1] = (re[a] ?? 0) - reB;
    im[a + 1] = (im[a] ?? 0) - imB;
    re[a] = (re[a] ?? 0) + reB;
    im[a] = (im[a] ?? 0) + imB;
  }
}

function turnedRe(re: number, im: number, cos: number, sin: number): number {
  return re * cos - im * sin;
}

function turnedIm(re: number, im: number, cos: number, sin: number): number {
  return re * sin + im * cos;
}
