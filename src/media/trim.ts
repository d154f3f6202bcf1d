import type { Pcm } from './pcm.ts';

const FRAME_MS = 10;
/** A frame is speech from here on, relative to the loudest frame; below it a voice only breathes. */
const SPEECH_DB = -38;
/** Where a room is not silent, speech begins this much above what it does all the time. */
const ABOVE_NOISE_DB = 6;
/** Only the quietest frames tell what the room does. */
const NOISE_SHARE = 0.05;
/** In a clip without pauses the quietest frames are speech: soft sounds such as "f" are never cut for noise. */
const NOISE_LIMIT_DB = -32;
/** A sound shorter than this, and further than this from any other, is a click and no speech. */
const CLICK_FRAMES = 3;
const CLICK_GAP_FRAMES = 15;
/** What is kept around the speech, for the soft beginning of "three"; the fades lie in it. */
const MARGIN_MS = 40;
const FADE_MS = 20;
/** Where a recording begins in the middle of a sound, silence is put before it, and the edge made soft. */
const EDGE_MS = 4;

/** The factor of a level difference in decibels. */
export function amplitude(db: number): number {
  return 10 ** (db / 20);
}

/** Root mean square of each whole frame of 10 ms. */
function frameLevels({ samples, sampleRate }: Pcm): Float64Array {
  const length = frameLength(sampleRate);
  return Float64Array.from({ length: Math.floor(samples.length / length) }, (_, frame) => {
    let energy = 0;
    for (let i = frame * length; i < (frame + 1) * length; i++) energy += (samples[i] ?? 0) ** 2;
    return Math.sqrt(energy / length);
  });
}

function frameLength(sampleRate: number): number {
  return Math.max(1, Math.round((sampleRate * FRAME_MS) / 1000));
}

function loudest(levels: Float64Array): number {
  return levels.reduce((highest, level) => Math.max(highest, level), 0);
}

/** Levels (root mean square, of 32768) of the frames of 10 ms in which somebody speaks; none in silence. */
export function speechLevels(pcm: Pcm): Float64Array {
  const levels = frameLevels(pcm);
  const threshold = loudest(levels) * amplitude(SPEECH_DB);
  return levels.filter((level) => level > threshold);
}

/**
 * The speech in it with exactly 40 ms around it, not faded; silence is added where the recording has less. What is
 * softer than 38 dB below the loudest part, or hardly louder than the noise of the room, is no speech, nor is a
 * click at the ends. Silence alone becomes empty.
 */
export function cut(pcm: Pcm): Pcm {
  const levels = frameLevels(pcm);
  const quiet = levels.toSorted()[Math.floor(levels.length * NOISE_SHARE)] ?? 0;
  const noise = Math.min(quiet * amplitude(ABOVE_NOISE_DB), loudest(levels) * amplitude(NOISE_LIMIT_DB));
  const sounds = soundsIn(levels, Math.max(noise, loudest(levels) * amplitude(SPEECH_DB)));
  while (sounds.length > 1 && isClick(sounds[0], sounds[1])) sounds.shift();
  while (sounds.length > 1 && isClick(sounds.at(-1), sounds.at(-2))) sounds.pop();
  const [first] = sounds;
  const last = sounds.at(-1);
  if (first === undefined || last === undefined) return { ...pcm, samples: new Int16Array(0) };
  const frame = frameLength(pcm.sampleRate);
  const margin = Math.round((pcm.sampleRate * MARGIN_MS) / 1000);
  return { ...pcm, samples: padded(pcm, first.start * frame - margin, last.end * frame + margin) };
}

/** Frames above the threshold without a gap, the end exclusive. */
interface Sound {
  readonly start: number;
  readonly end: number;
}

function soundsIn(levels: Float64Array, threshold: number): Sound[] {
  const sounds: Sound[] = [];
  for (let start = 0; start < levels.length; start++) {
    let end = start;
    while ((levels[end] ?? 0) > threshold) end++;
    if (end > start) sounds.push({ start, end });
    start = end;
  }
  return sounds;
}

function isClick(sound: Sound | undefined, next: Sound | undefined): boolean {
  if (sound === undefined || next === undefined) return false;
  const gap = Math.max(next.start - sound.end, sound.start - next.end);
  return sound.end - sound.start < CLICK_FRAMES && gap > CLICK_GAP_FRAMES;
}

/** From `start` to `end`, with silence for what lies outside. */
function padded({ samples, sampleRate }: Pcm, start: number, end: number): Int16Array {
  const inside = samples.slice(Math.max(0, start), end);
  const edge = Math.round((sampleRate * EDGE_MS) / 1000);
  if (start < 0) ramp(inside, edge, 0, 1);
  if (end > samples.length) ramp(inside, edge, inside.length - 1, -1);
  const result = new Int16Array(end - start);
  result.set(inside, Math.max(0, -start));
  return result;
}

/** Lets both ends rise from and fall to silence, over 20 ms each, or half of what there is. */
export function faded(pcm: Pcm): Pcm {
  const samples = pcm.samples.slice();
  const length = Math.min((pcm.sampleRate * FADE_MS) / 1000, samples.length / 2);
  ramp(samples, length, 0, 1);
  ramp(samples, length, samples.length - 1, -1);
  return { ...pcm, samples };
}

/** From silence at the sample `from` to its own loudness `length` samples further in the direction `step`. */
function ramp(samples: Int16Array, length: number, from: number, step: 1 | -1): void {
  for (let i = 0; i < length && i < samples.length; i++) {
    const at = from + i * step;
    samples[at] = Math.round(((samples[at] ?? 0) * i) / length);
  }
}

/** Without the silence before and after the speech: `cut`, then `faded`. */
export function trimmed(pcm: Pcm): Pcm {
  return faded(cut(pcm));
}
