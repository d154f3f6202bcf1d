import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatWav, parseWav } from '../../src/media/wav.ts';
import { shortSounds } from '../../test/support/app/short-sounds.ts';

const VOICE = fileURLToPath(new URL('../../sounds/en-US/slt', import.meta.url));
const CLIP_MS = 250;

/** Sounds of a quarter of a second, letters too, so that a code of ten characters takes some five; a folder to remove. */
export async function chaosSounds(): Promise<string> {
  const folder = await shortSounds();
  for (const name of await readdir(VOICE)) {
    if (!/^[a-z]\.wav$/.test(name)) continue;
    const { sampleRate, samples } = parseWav(await readFile(join(VOICE, name)));
    const middle = Math.floor((samples.length - (sampleRate * CLIP_MS) / 1000) / 2);
    const clip = samples.slice(Math.max(0, middle), Math.max(0, middle) + (sampleRate * CLIP_MS) / 1000);
    await writeFile(join(folder, 'en-US', 'short', name), formatWav({ sampleRate, samples: clip }));
  }
  return folder;
}
