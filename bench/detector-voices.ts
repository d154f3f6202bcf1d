import { finished } from '../src/media/loudness.ts';
import { resample } from '../src/media/resample.ts';
import { PromptError } from '../src/prompt/prompt-error.ts';
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

/** The programs that speak on this machine; espeak from npm where neither is installed. */
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

  static async open(): Promise<Voices> {
    const own = { type: 'espeak', id: 'espeak (npm)', processes: 1, wordsPerMinute: 150, pitch: 50 } as const;
    const espeak =
      (await started(providerOf({ type: 'program', id: 'espeak-ng', preset: 'espeak-ng' }))) ??
      (await started(providerOf(own)));
    if (espeak === undefined) throw new Error('neither espeak-ng nor espeak from npm is there');
    return new Voices(espeak, await started(providerOf({ type: 'program', id: 'flite', preset: 'flite' })));
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

async function started(provider: TtsProvider): Promise<TtsProvider | undefined> {
  try {
    await provider.start();
    return provider;
  } catch (error) {
    if (!(error instanceof PromptError)) throw error;
    await provider.close();
    return undefined;
  }
}
