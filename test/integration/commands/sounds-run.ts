import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { dispatch } from '../../../src/commands/command.ts';
import { COMMANDS } from '../../../src/commands/table.ts';
import type { Pcm } from '../../../src/media/pcm.ts';
import { parseWav } from '../../../src/media/wav.ts';

/** The sounds that come with the product. */
export const OURS = join(import.meta.dirname, '../../../sounds');

export interface Ran {
  readonly code: number;
  /** What it wrote to its output. */
  readonly text: string;
}

/** Runs `sounds` with these arguments. */
export async function run(...args: string[]): Promise<Ran> {
  const out = new PassThrough();
  const code = await dispatch(COMMANDS, ['sounds', ...args], out as unknown as NodeJS.WriteStream);
  return { code, text: String(out.read() ?? '') };
}

/** A clip of our British set. */
export async function ours(name: string): Promise<Pcm> {
  return parseWav(await readFile(join(OURS, 'en-GB/espeak', `${name}.wav`)));
}

/** Louder or softer, with silence around it. */
export function amplified(pcm: Pcm, factor: number, silenceMs: number): Pcm {
  const silence = new Int16Array((pcm.sampleRate * silenceMs) / 1000);
  const samples = pcm.samples.map((sample) => sample * factor);
  return { ...pcm, samples: Int16Array.from([...silence, ...samples, ...silence]) };
}
