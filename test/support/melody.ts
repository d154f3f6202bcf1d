import type { Pcm } from '../../src/media/pcm.ts';
import type { Speech } from '../../src/media/speech.ts';

const SAMPLE_RATE = 8000;
const NOTE_MS = 250;
const WINDOW_MS = 20;
const LOWEST_HZ = 400;
const STEP_HZ = 100;
const AMPLITUDE = 8000;
/** Then it begins again from the lowest. */
const RANGE = 26;
/** So many windows have to agree: one alone may lie across two notes, or across a gap. */
const WINDOWS = 4;

/** A prompt whose parts can be told from one another: notes that rise, a quarter of a second each. */
export function melody(notes: number): Speech {
  const parts = Array.from({ length: notes }, (_note, note) => {
    const hz = LOWEST_HZ + (note % RANGE) * STEP_HZ;
    return Int16Array.from(
      { length: (NOTE_MS * SAMPLE_RATE) / 1000 },
      (_, i) => AMPLITUDE * Math.sin((2 * Math.PI * hz * i) / SAMPLE_RATE),
    );
  });
  return { sampleRate: SAMPLE_RATE, parts };
}

/** All notes of a melody of this length, as `notesIn` writes them. */
export function allNotes(notes: number): string {
  return Array.from({ length: notes }, (_, note) => letterOf(note)).join('');
}

/** The notes that were heard, in order, a letter each; one that was only begun may be missing. */
export function notesIn({ samples }: Pcm): string {
  const length = (WINDOW_MS * SAMPLE_RATE) / 1000;
  let heard = '';
  let letter: string | undefined;
  let windows = 0;
  for (let at = 0; at + length <= samples.length; at += length) {
    const found = noteOf(samples.subarray(at, at + length));
    windows = found === letter ? windows + 1 : 1;
    letter = found;
    if (windows === WINDOWS && letter !== undefined && !heard.endsWith(letter)) heard += letter;
  }
  return heard;
}

function noteOf(window: Int16Array): string | undefined {
  const loudest = window.reduce((max, sample) => Math.max(max, Math.abs(sample)), 0);
  if (loudest < AMPLITUDE / 4) return undefined;
  let crossings = 0;
  for (let i = 1; i < window.length; i++) if ((window[i - 1] ?? 0) < 0 !== (window[i] ?? 0) < 0) crossings++;
  const hz = (crossings * 1000) / WINDOW_MS / 2;
  return letterOf(Math.round((hz - LOWEST_HZ) / STEP_HZ));
}

function letterOf(note: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + (note % RANGE));
}
