import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatWav, parseWav } from '../../../src/media/wav.ts';

const VOICE = fileURLToPath(new URL('../../../sounds/en-US/slt', import.meta.url));
const CLIP_MS = 250;

/** Our sounds, of each only its loudest quarter of a second, so that tests wait less; a folder to remove. */
export async function shortSounds(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-sounds-'));
  const voice = join(folder, 'en-US', 'short');
  await mkdir(voice, { recursive: true });
  for (const name of await readdir(VOICE)) {
    // Without the letters, which few codes have.
    if (!name.endsWith('.wav') || /^[a-z]\.wav$/.test(name)) continue;
    const { sampleRate, samples } = parseWav(await readFile(join(VOICE, name)));
    const clip = loudest(samples, (sampleRate * CLIP_MS) / 1000);
    await writeFile(join(voice, name), formatWav({ sampleRate, samples: clip }));
  }
  return folder;
}

function loudest(samples: Int16Array, length: number): Int16Array {
  const energyFrom = (start: number): number =>
    samples.subarray(start, start + length).reduce((sum, sample) => sum + sample * sample, 0);
  let best = { start: 0, energy: 0 };
  for (let start = 0; start + length <= samples.length; start += length / 10) {
    const energy = energyFrom(start);
    if (energy > best.energy) best = { start, energy };
  }
  return samples.slice(best.start, best.start + length);
}
