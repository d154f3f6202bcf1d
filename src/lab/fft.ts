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
    this.#cos = Float64Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
    this.#sin = Float64Array.from({ length: size / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / size));
    this.#reversed = new Uint32Array(size);
    for (let i = 1; i < size; i++) {
      const half = this.#reversed[i >> 1] ?? 0;
      this.#reversed[i] = (half >> 1) | ((i & 1) << (bits - 1));
    }
  }

  /** In place. */
  forward(re: Float64Array, im: Float64Array): void {
    this.#reorder(re, im);
    for (let half = 1; half < this.size; half *= 2) this.#combine(re, im, half);
  }

  /** In place, scaled so that it undoes `forward`. */
  inverse(re: Float64Array, im: Float64Array): void {
    // Swapping the parts conjugates both ends of the transform, up to a factor that the second swap undoes.
    this.forward(im, re);
    for (let i = 0; i < this.size; i++) {
      re[i] = (re[i] ?? 0) / this.size;
      im[i] = (im[i] ?? 0) / this.size;
    }
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

  /** One stage of butterflies (Cooley and Tukey): transforms of `half` points become ones of twice that. */
  #combine(re: Float64Array, im: Float64Array, half: number): void {
    const stride = this.size / (2 * half);
    for (let start = 0; start < this.size; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const cos = this.#cos[k * stride] ?? 0;
        const sin = this.#sin[k * stride] ?? 0;
        const a = start + k;
        const b = a + half;
        const reB = (re[b] ?? 0) * cos - (im[b] ?? 0) * sin;
        const imB = (re[b] ?? 0) * sin + (im[b] ?? 0) * cos;
        const reA = re[a] ?? 0;
        const imA = im[a] ?? 0;
        re[a] = reA + reB;
        im[a] = imA + imB;
        re[b] = reA - reB;
        im[b] = imA - imB;
      }
    }
  }
}
