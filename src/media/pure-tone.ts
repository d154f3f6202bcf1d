const SAMPLE_RATE = 8000;
/** Samples of one look at the sound: 30 ms, enough to tell 425 Hz from 450 Hz. */
export const TONE_WINDOW = 240;
const HALF = TONE_WINDOW / 2;
/** Share of the power that the tone must have: noise may be 6 dB below it, a vowel has more than one harmonic. */
const PURITY = 0.8;
/** Harmonics pull the first guess aside; with this share of the power found there, a second look is worth it. */
const WORTH_A_ROUND = 0.3;
const ROUNDS = 2;
/** What exchanges send in pairs, Hz: dialling, ringing in two parts of the world, engaged (ITU-T E.180, supplement 2). */
const PAIRS: readonly (readonly [number, number])[] = [
  [350, 440],
  [440, 480],
  [400, 450],
  [480, 620],
];
/** All pairs lie below 620 Hz, where neighbours have 0.88 of the energy in common; what is far from that needs no look. */
const LOW_SHARE = 0.45;
/** A basis of what each pair can sound like, whatever the phases: four vectors of length 1 at right angles. */
const PAIR_BASES = PAIRS.map(basisOf);

/**
 * The frequency of a window that holds one steady tone and little else, Hz; undefined for any other sound.
 *
 * @param window 240 samples at 8000 Hz without a constant
 */
export function pureToneHz(window: Float64Array): number | undefined {
  const energy = energyOf(window);
  let radians = guessRadians(window);
  for (let round = 0; round < ROUNDS; round++) {
    if (radians === undefined || energy === 0) return undefined;
    const [re1, im1] = partOf(window, 0, radians);
    const [re2, im2] = partOf(window, HALF, radians);
    // Both halves in step: what is some hertz beside the tone costs hardly any of its power.
    const power = (2 * (Math.hypot(re1, im1) + Math.hypot(re2, im2)) ** 2) / TONE_WINDOW;
    if (power < energy * (round === ROUNDS - 1 ? PURITY : WORTH_A_ROUND)) return undefined;
    // How far the phase runs ahead from the first half to the second tells how far beside it is.
    radians += Math.atan2(im2 * re1 - re2 * im1, re2 * re1 + im2 * im1) / HALF;
  }
  return radians === undefined ? undefined : (radians * SAMPLE_RATE) / (2 * Math.PI);
}

/** Whether the window holds one of the pairs of tones that exchanges send, and little else. */
export function isTonePair(window: Float64Array): boolean {
  const energy = energyOf(window);
  if (energy === 0 || neighbours(window) < LOW_SHARE * energy) return false;
  const least = PURITY * energy;
  return PAIR_BASES.some(
    (basis) => basis.reduce((sum, vector) => sum + dot(window, vector) ** 2, 0) >= least,
  );
}

/** Pisarenko's estimate from two autocorrelations, which white noise does not pull aside; radians a sample. */
function guessRadians(window: Float64Array): number | undefined {
  let r1 = 0;
  let r2 = 0;
  for (let i = 2; i < TONE_WINDOW; i++) {
    const sample = window[i] ?? 0;
    r1 += sample * (window[i - 1] ?? 0);
    r2 += sample * (window[i - 2] ?? 0);
  }
  if (r1 === 0) return r2 < 0 ? Math.PI / 2 : undefined;
  const cosine = (r2 + Math.sqrt(r2 * r2 + 8 * r1 * r1)) / (4 * r1);
  return Math.abs(cosine) < 1 ? Math.acos(cosine) : undefined;
}

/** The component at a frequency of half a window, its phase counted from the beginning of the window. */
function partOf(window: Float64Array, from: number, radians: number): readonly [number, number] {
  const turnCos = Math.cos(radians);
  const turnSin = Math.sin(radians);
  let cos = Math.cos(radians * from);
  let sin = Math.sin(radians * from);
  let re = 0;
  let im = 0;
  for (let i = from; i < from + HALF; i++) {
    const sample = window[i] ?? 0;
    re += sample * cos;
    im -= sample * sin;
    const next = cos * turnCos - sin * turnSin;
    sin = sin * turnCos + cos * turnSin;
    cos = next;
  }
  return [re, im];
}

function basisOf(pair: readonly [number, number]): readonly Float64Array[] {
  const basis: Float64Array[] = [];
  for (const hz of pair) {
    for (const phase of [0, Math.PI / 2]) {
      const vector = Float64Array.from({ length: TONE_WINDOW }, (_, i) =>
        Math.cos((2 * Math.PI * hz * i) / SAMPLE_RATE + phase),
      );
      basis.push(atRightAngles(vector, basis));
    }
  }
  return basis;
}

/** What of the vector none of the others has (Gram and Schmidt), with length 1. */
function atRightAngles(vector: Float64Array, others: readonly Float64Array[]): Float64Array {
  let rest = vector;
  for (const other of others) {
    const share = dot(rest, other);
    rest = rest.map((value, i) => value - share * (other[i] ?? 0));
  }
  const length = Math.sqrt(energyOf(rest));
  return rest.map((value) => value / length);
}

/** Autocorrelation of samples side by side: close to the energy for low tones, close to zero for white noise. */
function neighbours(window: Float64Array): number {
  let sum = 0;
  for (let i = 1; i < TONE_WINDOW; i++) sum += (window[i] ?? 0) * (window[i - 1] ?? 0);
  return sum;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < TONE_WINDOW; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

function energyOf(window: Float64Array): number {
  return dot(window, window);
}
