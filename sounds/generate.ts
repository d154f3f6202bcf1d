import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { durationMs, type Pcm } from '../src/media/pcm.ts';
import { formatWav, parseWav } from '../src/media/wav.ts';
import type { ClipName } from '../src/prompt/otp-prompt.ts';

const VOICE = 'slt';
const FOLDER = join(import.meta.dirname, 'en-US', VOICE);

interface Line {
  readonly text: string;
  /** How much slower than the voice's own pace. */
  readonly stretch: number;
}

/**
 * Digits are slower than running speech, the shortest words most of all: a word that is heard alone over a
 * telephone needs about 0.4 s. Phrases hold no word that sounds like a digit ("for", "to", "once").
 */
const LINES: Readonly<Record<ClipName, Line>> = {
  '0': { text: 'zero.', stretch: 1.25 },
  '1': { text: 'one.', stretch: 1.25 },
  '2': { text: 'two.', stretch: 1.35 },
  '3': { text: 'three.', stretch: 1.25 },
  '4': { text: 'four.', stretch: 1.3 },
  '5': { text: 'five.', stretch: 1.25 },
  '6': { text: 'six.', stretch: 1.4 },
  '7': { text: 'seven.', stretch: 1.25 },
  '8': { text: 'eight.', stretch: 1.4 },
  '9': { text: 'nine.', stretch: 1.25 },
  greeting: { text: 'Hello. Your verification code is:', stretch: 1.1 },
  again: { text: 'Again, your code is:', stretch: 1.1 },
  goodbye: { text: 'Goodbye.', stretch: 1.1 },
};

const FRAME_MS = 10;
/** A frame is speech from here on, relative to the loudest frame; below it the voice only breathes. */
const SPEECH_DB = -38;
/** What is kept around the speech, for the soft beginning of "three"; the fades lie in it. */
const MARGIN_MS = 40;
const FADE_MS = 20;
/** Level of the speech frames, below full scale: what telephone networks expect of a speaker close by. */
const LEVEL_DBFS = -20;
const PEAK_DBFS = -3;

function amplitude(db: number): number {
  return 10 ** (db / 20);
}

function speak(line: Line, scratch: string): Pcm {
  const file = join(scratch, 'line.wav');
  const stretch = `duration_stretch=${line.stretch}`;
  execFileSync('flite', ['-voice', VOICE, '--setf', stretch, '-t', line.text, '-o', file]);
  return parseWav(readFileSync(file));
}

function frameLevels(pcm: Pcm): number[] {
  const length = (pcm.sampleRate * FRAME_MS) / 1000;
  const levels: number[] = [];
  for (let start = 0; start + length <= pcm.samples.length; start += length) {
    let energy = 0;
    for (const sample of pcm.samples.subarray(start, start + length)) energy += sample * sample;
    levels.push(Math.sqrt(energy / length));
  }
  return levels;
}

function trim(pcm: Pcm): Pcm {
  const levels = frameLevels(pcm);
  const threshold = Math.max(...levels) * amplitude(SPEECH_DB);
  const isSpeech = (level: number): boolean => level > threshold;
  const perMs = pcm.sampleRate / 1000;
  const start = levels.findIndex(isSpeech) * FRAME_MS - MARGIN_MS;
  const end = (levels.findLastIndex(isSpeech) + 1) * FRAME_MS + MARGIN_MS;
  return { ...pcm, samples: pcm.samples.slice(Math.max(0, start) * perMs, end * perMs) };
}

/** Brings the root mean square of the speech frames to the level that all clips share, unless the peak forbids. */
function levelled(pcm: Pcm): Pcm {
  const levels = frameLevels(pcm);
  const threshold = Math.max(...levels) * amplitude(SPEECH_DB);
  const speech = levels.filter((value) => value > threshold);
  const rms = Math.sqrt(speech.reduce((sum, value) => sum + value * value, 0) / speech.length);
  const peak = pcm.samples.reduce((highest, sample) => Math.max(highest, Math.abs(sample)), 0);
  const gain = Math.min((amplitude(LEVEL_DBFS) * 32768) / rms, (amplitude(PEAK_DBFS) * 32768) / peak);
  return { ...pcm, samples: pcm.samples.map((sample) => Math.round(sample * gain)) };
}

function fade(pcm: Pcm): Pcm {
  const length = (pcm.sampleRate * FADE_MS) / 1000;
  const last = pcm.samples.length - 1;
  const samples = pcm.samples.map((sample, i) =>
    Math.round(sample * Math.min(1, i / length, (last - i) / length)),
  );
  return { ...pcm, samples };
}

const scratch = mkdtempSync(join(tmpdir(), 'voice-otp-sounds-'));
try {
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, line] of Object.entries(LINES)) {
    const clip = fade(levelled(trim(speak(line, scratch))));
    const wav = formatWav(clip);
    writeFileSync(join(FOLDER, `${name}.wav`), wav);
    process.stdout.write(`${name}: ${durationMs(clip)} ms, ${wav.length} bytes, "${line.text}"\n`);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
