import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from '../src/media/loudness.ts';
import { durationMs, type Pcm } from '../src/media/pcm.ts';
import { resample } from '../src/media/resample.ts';
import { formatWav } from '../src/media/wav.ts';
import { type ClipName, clipKind } from '../src/prompt/sound-set.ts';
import { PLANS, type Plan, textsOf } from './plans.ts';
import { speak } from './speaker.ts';

const SAMPLE_RATE = 16_000;
/** A word that is heard alone over a telephone needs about 0.4 s, and 40 ms around it are silent. */
const MIN_CHARACTER_MS = 450;
const SLOWER = 1.1;
const MAX_SLOWNESS = 2.2;
const MISSING = '--missing';

/** Makes the sets named on the command line (`es/espeak`), or all; with `--missing` what is not there yet. */
function generate(args: readonly string[]): void {
  const missingOnly = args.includes(MISSING);
  const wanted = args.filter((arg) => arg !== MISSING);
  const plans = PLANS.filter(
    ({ locale, voice }) => wanted.length === 0 || wanted.includes(`${locale}/${voice}`),
  );
  const known = PLANS.map(({ locale, voice }) => `${locale}/${voice}`);
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new RangeError(`not a set: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  const scratch = mkdtempSync(join(tmpdir(), 'voice-otp-sounds-'));
  try {
    for (const plan of plans) generateSet(plan, scratch, missingOnly);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function generateSet(plan: Plan, scratch: string, missingOnly: boolean): void {
  const folder = join(import.meta.dirname, plan.locale, plan.voice);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of textsOf(plan.locale)) {
    const file = join(folder, `${name}.wav`);
    if (missingOnly && existsSync(file)) continue;
    const clip = sayClip(plan, name, text, scratch);
    const wav = formatWav(clip);
    writeFileSync(file, wav);
    process.stdout.write(
      `${plan.locale}/${plan.voice}/${name}: ${durationMs(clip)} ms, ${wav.length} bytes, "${text}"\n`,
    );
  }
}

function sayClip(plan: Plan, name: ClipName, text: string, scratch: string): Pcm {
  const own = plan.slowness?.[name];
  const isPhrase = clipKind(name) === 'phrase';
  let slowness = own ?? (isPhrase ? plan.phraseSlowness : plan.characterSlowness);
  for (;;) {
    const clip = finished(resample(speak(plan.speaker, text, slowness, scratch), SAMPLE_RATE));
    const longEnough = isPhrase || durationMs(clip) >= MIN_CHARACTER_MS;
    if (longEnough || own !== undefined || slowness * SLOWER > MAX_SLOWNESS) return clip;
    slowness *= SLOWER;
  }
}

generate(process.argv.slice(2));
