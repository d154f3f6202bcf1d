const SAMPLE_RATE = 8000;
/** Below it lies the pitch, which one voice has in common for all its words; telephone channels cut it too. */
const LOW_HZ = 300;
/** Above it a shift by half a sample turns the phase so far that the same sound no longer matches itself. */
const HIGH_HZ = 2800;
/** Odd, so that the filter delays by a whole number of samples, which `speechBand` takes back. */
const TAPS = 101;

const BAND_PASS = bandPass();

/** Windowed-sinc filter with a Hann window. */
function bandPass(): Float64Array {
  const middle = (TAPS - 1) / 2;
  return Float64Array.from({ length: TAPS }, (_, i) => {
    const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 1)) / (TAPS + 1));
    return window * (lowPass(HIGH_HZ, i - middle) - lowPass(LOW_HZ, i - middle));
  });
}

function lowPass(hz: number, i: number): number {
  const cycles = (2 * hz) / SAMPLE_RATE;
  return i === 0 ? cycles : Math.sin(Math.PI * cycles * i) / (Math.PI * i);
}

/**
 * What speech is told apart by: the band from 300 to 2800 Hz of audio at 8 kHz, in time with it, with `before`
 * and `after` samples of silence around it. Anything constant in the input is gone.
 */
export function speechBand(samples: Int16Array, before: number, after: number): Float64Array {
  const delay = (TAPS - 1) / 2;
  const result = new Float64Array(before + samples.length + after);
  const first = Math.max(0, before - delay);
  const last = Math.min(result.length, before + samples.length + delay);
  for (let i = first; i < last; i++) {
    const newest = i - before + delay;
    const from = Math.max(0, newest - samples.length + 1);
    const to = Math.min(TAPS - 1, newest);
    let sum = 0;
    for (let tap = from; tap <= to; tap++) sum += (BAND_PASS[tap] ?? 0) * (samples[newest - tap] ?? 0);
    result[i] = sum;
  }
  return result;
}
