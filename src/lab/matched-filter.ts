import { Fft } from './fft.ts';

/** A wave that is looked for. */
export interface Wave {
  /** Its energy is 1. */
  readonly wave: Float64Array;
}

/** Two waves that share an inverse transform: the real part of the result is the first one's correlation. */
interface Pair<Template extends Wave> {
  readonly templates: readonly Template[];
  readonly re: Float64Array;
  readonly im: Float64Array;
}

interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/**
 * Hears of the correlation of a wave with a signal: at index i, up to `count`, that with the part of the signal that
 * begins at `start` + i. The array is used again after that.
 */
export type Scan<Template> = (
  template: Template,
  correlation: Float64Array,
  start: number,
  count: number,
) => void;

/** Correlates signals with waves of about one length. */
export class MatchedFilter<Template extends Wave> {
  readonly #longest: number;
  readonly #fft: Fft;
  readonly #pairs: readonly Pair<Template>[];

  constructor(templates: readonly Template[]) {
    this.#longest = Math.max(...templates.map(({ wave }) => wave.length));
    this.#fft = new Fft(sizeFor(this.#longest));
    this.#pairs = templates.flatMap((template, i) => {
      const second = templates[i + 1];
      if (i % 2 === 1) return [];
      return [toPair(second === undefined ? [template] : [template, second], this.#fft)];
    });
  }

  /** One filter for all waves that are transformed in blocks of the same size: short ones are not looked for in long blocks. */
  static of<Template extends Wave>(templates: readonly Template[]): MatchedFilter<Template>[] {
    const sizes = new Set(templates.map(({ wave }) => sizeFor(wave.length)));
    return [...sizes].map(
      (size) => new MatchedFilter(templates.filter(({ wave }) => sizeFor(wave.length) === size)),
    );
  }

  /** Block by block (overlap-save), so that the size of the transform does not grow with the signal. */
  correlate(signal: Float64Array, scan: Scan<Template>): void {
    const { size } = this.#fft;
    const step = size - this.#longest;
    const spectrum = { re: new Float64Array(size), im: new Float64Array(size) };
    const product = { re: new Float64Array(size), im: new Float64Array(size) };
    for (let start = 0; start + this.#longest <= signal.length; start += step) {
      spectrum.re.fill(0);
      spectrum.im.fill(0);
      spectrum.re.set(signal.subarray(start, start + size));
      this.#fft.forward(spectrum.re, spectrum.im);
      for (const pair of this.#pairs) {
        multiply(spectrum, pair, product);
        this.#fft.inverse(product.re, product.im);
        for (const [i, template] of pair.templates.entries()) {
          scan(template, i === 0 ? product.re : product.im, start, step);
        }
      }
    }
  }
}

/** Points of a transform: a third of a block at most is of no use. */
function sizeFor(length: number): number {
  return 2 ** Math.ceil(Math.log2(3 * length));
}

/** The spectra by which a signal's spectrum is multiplied: conjugated, which makes a convolution a correlation. */
function toPair<Template extends Wave>(templates: readonly Template[], fft: Fft): Pair<Template> {
  const re = new Float64Array(fft.size);
  const im = new Float64Array(fft.size);
  // conj(A) + i·conj(B) is the conjugate of A − i·B, the spectrum of a − i·b.
  // The inverse transform does not scale what it gives.
  re.set(templates[0]?.wave.map((value) => value / fft.size) ?? []);
  im.set(templates[1]?.wave.map((value) => -value / fft.size) ?? []);
  fft.forward(re, im);
  return { templates, re, im: im.map((value) => -value) };
}

function multiply(a: Complex, b: Complex, product: Complex): void {
  for (let i = 0; i < product.re.length; i++) {
    const reA = a.re[i] ?? 0;
    const imA = a.im[i] ?? 0;
    const reB = b.re[i] ?? 0;
    const imB = b.im[i] ?? 0;
    product.re[i] = reA * reB - imA * imB;
    product.im[i] = reA * imB + imA * reB;
  }
}
