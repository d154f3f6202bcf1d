import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatWav, parseWav } from '../../../src/media/wav.ts';

const VOICE = fileURLToPath(new URL('../../../sounds/en-US/slt', import.meta.url));
const PHRASE_MS = 300;

/** Our sounds with their phrases cut short, so that a call takes no longer than its digits; a folder to remove. */
export async function shortSounds(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-sounds-'));
  const voice = join(folder, 'en-US', 'short');
  await mkdir(voice, { recursive: true });
  for (const name of await readdir(VOICE)) {
    if (!name.endsWith('.wav')) continue;
    const { sampleRate, samples } = parseWav(await readFile(join(VOICE, name)));
    const length = /^\d\.wav$/.test(name) ? samples.length : (sampleRate * PHRASE_MS) / 1000;
    await writeFile(join(voice, name), formatWav({ sampleRate, samples: samples.slice(0, length) }));
  }
  return folder;
}
