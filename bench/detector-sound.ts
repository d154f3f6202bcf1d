import { decodePcma, decodePcmu, encodePcma, encodePcmu } from '../src/media/g711.ts';
import { resample } from '../src/media/resample.ts';

const RATE = 8000;
const PACKET = 160;
const FULL_SCALE = 32_768;

/** Numbers of a seed: the same ones every time. */
export class Dice {
  #state: number;

  constructor(seed: string) {
    // FNV-1a, then kept away from zero, which the generator could not leave.
    let hash = 0x811c9dc5;
    for (const character of seed) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
    this.#state = hash >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.share();
  }

  /** 0–1, without 1 (xorshift32). */
  share(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state / 2 ** 32;
  }

  between(lowest: number, highest: number): number {
    return lowest + (highest - lowest) * this.share();
  }

  one<T>(list: readonly T[]): T {
    const item = list[Math.floor(this.share() * list.length)];
    if (item === undefined) throw new RangeError('nothing to choose from');
    return item;
  }
}

/** What is heard on a line, put together from sounds that lie over one another. */
export class Track {
  #samples = new Float64Array(RATE * 16);
  #endMs = 0;

  /** Of the last sound that counts. */
  get endMs(): number {
    return this.#endMs;
  }

  /** Adds a sound, and gives the time at which it ends. */
  put(atMs: number, sound: Int16Array, gainDb = 0): number {
    this.#lay(atMs, sound, gainDb);
    this.#endMs = Math.max(this.#endMs, atMs + (sound.length * 1000) / RATE);
    return this.#endMs;
  }

  /** Repeats a sound from the beginning to the end of the track. */
  fill(sound: Int16Array, gainDb: number): void {
    const ms = (sound.length * 1000) / RATE;
    if (ms === 0) return;
    const lengthMs = (this.#samples.length * 1000) / RATE;
    for (let at = 0; at < lengthMs; at += ms) this.#lay(at, sound, gainDb, lengthMs);
  }

  /** At least 14 s, and 4 s more than the last sound. */
  finish(): void {
    this.#grow(Math.max(14_000, this.#endMs + 4000));
    this.#samples = this.#samples.subarray(0, samplesOf(Math.max(14_000, this.#endMs + 4000)));
  }

  samples(): Int16Array {
    return Int16Array.from(this.#samples, clamp);
  }

  #lay(atMs: number, sound: Int16Array, gainDb: number, lastMs = Infinity): void {
    this.#grow(Math.min(lastMs, atMs + (sound.length * 1000) / RATE));
    const gain = 10 ** (gainDb / 20);
    const at = samplesOf(atMs);
    const count = Math.min(sound.length, this.#samples.length - at);
    for (let i = 0; i < count; i++) {
      this.#samples[at + i] = (this.#samples[at + i] ?? 0) + gain * (sound[i] ?? 0);
    }
  }

  #grow(ms: number): void {
    const needed = samplesOf(ms);
    if (needed <= this.#samples.length) return;
    const larger = new Float64Array(2 * needed);
    larger.set(this.#samples);
    this.#samples = larger;
  }
}

function samplesOf(ms: number): number {
  return Math.ceil((ms * RATE) / 1000);
}

function clamp(value: number): number {
  return Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(value)));
}

/** Tones at the same time, each as loud as the others, with soft edges. */
export function tones(frequencies: readonly number[], ms: number, dbfs: number): Int16Array {
  const length = samplesOf(ms);
  const peak = (FULL_SCALE * Math.SQRT2 * 10 ** (dbfs / 20)) / Math.sqrt(frequencies.length);
  const edge = RATE / 200;
  return Int16Array.from({ length }, (_, i) => {
    const fade = Math.min(1, i / edge, (length - i) / edge);
    let sum = 0;
    for (const hz of frequencies) sum += Math.sin((2 * Math.PI * hz * i) / RATE);
    return clamp(fade * peak * sum);
  });
}

/** White noise at -20 dBFS; with `dull`, less of it the higher. */
export function noise(ms: number, dice: Dice, dull: boolean): Int16Array {
  let last = 0;
  const values = Float64Array.from({ length: samplesOf(ms) }, () => {
    const white = dice.share() + dice.share() + dice.share() - 1.5;
    last = dull ? 0.9 * last + white : white;
    return last;
  });
  return atLevel(values);
}

/** Passing cars, 50 Hz and its harmonics from somewhere; -20 dBFS. */
export function street(ms: number, dice: Dice): Int16Array {
  const swell = { seconds: dice.between(2, 5), phase: dice.between(0, 6) };
  let low = 0;
  const values = Float64Array.from({ length: samplesOf(ms) }, (_, i) => {
    low = 0.95 * low + dice.share() - 0.5;
    const time = i / RATE;
    const passing = 0.6 + 0.4 * Math.sin((2 * Math.PI * time) / swell.seconds + swell.phase);
    const hum = [50, 100, 150, 250].reduce((sum, hz) => sum + Math.sin(2 * Math.PI * hz * time), 0);
    return low * passing + 0.1 * hum;
  });
  return atLevel(values);
}

/** An engine that turns faster and slower, and wheels; -20 dBFS. */
export function car(ms: number, dice: Dice): Int16Array {
  const idleHz = dice.between(60, 90);
  let turned = 0;
  let low = 0;
  const values = Float64Array.from({ length: samplesOf(ms) }, (_, i) => {
    low = 0.98 * low + dice.share() - 0.5;
    turned += (idleHz * (1 + 0.3 * Math.sin(i / RATE))) / RATE;
    const engine = [1, 2, 3, 4].reduce((sum, n) => sum + Math.sin(2 * Math.PI * n * turned) / n, 0);
    return low + 0.3 * engine;
  });
  return atLevel(values);
}

/** Chords and a melody of plucked tones with harmonics, -20 dBFS: nobody's music. */
export function music(ms: number, dice: Dice): Int16Array {
  const values = new Float64Array(samplesOf(ms));
  const note = (at: number, hz: number, lengthMs: number): void => {
    const length = Math.min(samplesOf(lengthMs), values.length - at);
    for (let i = 0; i < length; i++) {
      const time = i / RATE;
      let value = 0;
      for (let harmonic = 1; harmonic * hz < 3400 && harmonic <= 5; harmonic++) {
        value += Math.sin(2 * Math.PI * hz * harmonic * time) / harmonic;
      }
      values[at + i] = (values[at + i] ?? 0) + value * Math.exp(-3 * time) * Math.min(1, i / 40);
    }
  };
  const scale = [0, 2, 4, 5, 7, 9, 11, 12];
  const pitch = (step: number): number => 220 * 2 ** (step / 12);
  for (let atMs = 0; atMs < ms; atMs += 250) {
    const at = samplesOf(atMs);
    if (atMs % 1000 === 0) for (const step of [0, 4, 7]) note(at, pitch(dice.one(scale) + step), 1500);
    note(at, pitch(12 + dice.one(scale)), 400);
  }
  return atLevel(values);
}

/** Voices at the same time, -20 dBFS. */
export function babble(voices: readonly Int16Array[], ms: number): Int16Array {
  const values = new Float64Array(samplesOf(ms));
  for (const [index, voice] of voices.entries()) {
    if (voice.length === 0) continue;
    const shift = Math.floor((index * voice.length) / voices.length);
    for (let i = 0; i < values.length; i++)
      values[i] = (values[i] ?? 0) + (voice[(i + shift) % voice.length] ?? 0);
  }
  return atLevel(values);
}

function atLevel(values: Float64Array): Int16Array {
  const energy = values.reduce((sum, value) => sum + value * value, 0) / Math.max(1, values.length);
  const gain = energy === 0 ? 0 : (FULL_SCALE * 0.1) / Math.sqrt(energy);
  return Int16Array.from(values, (value) => clamp(value * gain));
}

/** The same voice out of a smaller mouth: pitch, timbre and pace higher by this factor. */
export function smaller(samples: Int16Array, factor: number): Int16Array {
  return resample({ sampleRate: Math.round(RATE * factor), samples }, RATE).samples;
}

/** What arrives: through G.711, with a filling for packets of 20 ms that were lost. */
export function received(
  samples: Int16Array,
  lossShare: number,
  codec: 'PCMU' | 'PCMA',
  dice: Dice,
): Int16Array {
  const coded = codec === 'PCMU' ? decodePcmu(encodePcmu(samples)) : decodePcma(encodePcma(samples));
  const concealed = dice.share() < 0.5;
  for (let at = 0; at < coded.length; at += PACKET) {
    if (dice.share() >= lossShare) continue;
    if (concealed && at >= PACKET) conceal(coded, at);
    else coded.fill(0, at, at + PACKET);
  }
  return coded;
}

/** The packet before once more, 6 dB softer. */
function conceal(samples: Int16Array, at: number): void {
  const end = Math.min(at + PACKET, samples.length);
  for (let i = at; i < end; i++) samples[i] = Math.round((samples[i - PACKET] ?? 0) / 2);
}
