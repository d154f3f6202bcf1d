import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pcm } from '../src/media/pcm.ts';
import { parseWav } from '../src/media/wav.ts';

/** Words a minute at which espeak-ng speaks by itself. */
const ESPEAK_PACE = 175;

/** A program of Debian and one of its voices. */
export interface Speaker {
  readonly program: 'flite' | 'espeak-ng';
  /** By the program's own name. */
  readonly voice: string;
}

/**
 * Speaks a text, at the voice's own sample rate.
 *
 * @param slowness 1 is the voice's own pace, 2 half as fast.
 * @param scratch a folder for its file.
 */
export function speak(speaker: Speaker, text: string, slowness: number, scratch: string): Pcm {
  const file = join(scratch, 'line.wav');
  execFileSync(speaker.program, argumentsOf(speaker, text, slowness, file), { stdio: 'inherit' });
  return parseWav(readFileSync(file));
}

function argumentsOf({ program, voice }: Speaker, text: string, slowness: number, file: string): string[] {
  switch (program) {
    case 'flite':
      return ['-voice', voice, '--setf', `duration_stretch=${slowness}`, '-t', text, '-o', file];
    case 'espeak-ng':
      return ['-v', voice, '-s', String(Math.round(ESPEAK_PACE / slowness)), '-w', file, text];
  }
}
