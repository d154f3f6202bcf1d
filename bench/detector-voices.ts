import { finished } from '../src/media/loudness.ts';
import { resample } from '../src/media/resample.ts';
import { PromptError } from '../src/prompt/prompt-error.ts';
import { EspeakProvider } from '../src/prompt/tts/espeak.ts';
import { providerOf } from '../src/prompt/tts/providers.ts';
import type { TtsProvider } from '../src/prompt/tts.ts';
import type { Line } from './detector-texts.ts';

/** A set of voices never speaks for the other one. */
export type VoiceSet = 'table' | 'tuning';

const ESPEAK_VARIANTS: Readonly<Record<VoiceSet, readonly string[]>> = {
  table: ['f2', 'm3', 'f5', 'm7', 'klatt2', 'm8', 'Annie', 'Mario'],
  tuning: ['f1', 'm1', 'f4', 'm4', 'klatt', 'm6', 'Belinda', 'Michael'],
};
/** Of another make altogether; English only. */
const FLITE_VOICES: Readonly<Record<VoiceSet, readonly string[]>> = {
  table: ['slt', 'awb', 'rms'],
  tuning: ['kal', 'kal16'],
};
const NEVER = new AbortController().signal;

/** espeak from npm, which is the same everywhere, or the programs that are installed on this machine. */
export class Voices {
  /** What speaks, for people to read. */
  readonly names: string;
  readonly #espeak: TtsProvider;
  readonly #flite: TtsProvider | undefined;
  readonly #spoken = new Map<string, Int16Array>();

  private constructor(espeak: TtsProvider, flite: TtsProvider | undefined) {
    this.#espeak = espeak;
    this.#flite = flite;
    this.names = flite === undefined ? espeak.id : `${espeak.id}, ${flite.id}`;
  }

  /** @throws Error where what was asked for is not there */
  static async open(from: 'npm' | 'installed'): Promise<Voices> {
    if (from === 'npm') {
      const own = { id: 'espeak-ng of npm', processes: 1, wordsPerMinute: 150, pitch: 50 };
      const espeak = new EspeakProvider(own);
      await espeak.start();
      return new Voices(espeak, undefined);
    }
    const espeak = await started('espeak-ng');
    if (espeak === undefined)
      throw new Error('espeak-ng is not installed; without --voices it comes from npm');
    return new Voices(espeak, await started('flite'));
  }

  /** One of the set's voices says it: 8000 Hz, -20 dBFS, no more than 40 ms of silence at its ends. `choice` is 0–1. */
  async say({ locale, text }: Line, set: VoiceSet, choice: number, speed: number): Promise<Int16Array> {
    const english = locale === 'en-US' || locale === 'en-GB';
    const flite = english && this.#flite !== undefined ? FLITE_VOICES[set] : [];
    const index = Math.floor(choice * (ESPEAK_VARIANTS[set].length + flite.length));
    const voice = [...flite, ...ESPEAK_VARIANTS[set]][index] ?? '';
    const key = JSON.stringify([locale, text, voice, speed]);
    const known = this.#spoken.get(key);
    if (known !== undefined) return known;
    const speaker = index < flite.length && this.#flite ? this.#flite : this.#espeak;
    const pcm = await speaker.synthesize({ text, locale, voice, speed }, NEVER);
    const { samples } = finished(resample(pcm, 8000));
    this.#spoken.set(key, samples);
    return samples;
  }

  async close(): Promise<void> {
    await this.#espeak.close();
    await this.#flite?.close();
  }
}

async function started(preset: 'espeak-ng' | 'flite'): Promise<TtsProvider | undefined> {
  const provider = providerOf({ type: 'program', id: preset, preset });
  try {
    await provider.start();
    return provider;
  } catch (error) {
    if (!(error instanceof PromptError)) throw error;
    await provider.close();
    return undefined;
  }
}
