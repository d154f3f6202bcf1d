import type { Pcm } from '../media/pcm.ts';

export type Gender = 'female' | 'male';

/** One phrase, or one character of a code, to be spoken. A provider never gets a whole code. */
export interface Utterance {
  /** 1–1000 characters of plain text, no markup; it may hold any character, also those of XML or of a shell. */
  readonly text: string;
  /** BCP 47, one of the provider's `locales()`. */
  readonly locale: string;
  /** A voice of the provider by its own name; without it the provider's choice for locale and gender. */
  readonly voice?: string | undefined;
  readonly gender?: Gender | undefined;
  /** 1 is the voice's own pace, 0.5 half as fast, 2 twice as fast: 0.5–2. */
  readonly speed: number;
}

/** A program, a library or a service that speaks. */
export interface TtsProvider {
  /** As the configuration names it. */
  readonly id: string;
  /** Makes it ready. @throws PromptError tts_failed */
  start(): Promise<void>;
  /** What it can speak, BCP 47; empty before `start`. */
  locales(): readonly string[];
  /**
   * Everything but text, locale, voice, gender and speed that changes how it sounds (model, program, settings), for
   * the key of a cache. Holds no secret.
   */
  readonly fingerprint: string;
  /**
   * Speaks. Abort ends the work and frees what it held.
   *
   * @returns audio at the provider's own sample rate, mono, not empty
   * @throws PromptError tts_failed, also for what is no audio or cut off; tts_timeout; unknown_voice; not_audio where
   *   nothing can be heard; too_long (60 s). The message never holds the text
   */
  synthesize(utterance: Utterance, signal: AbortSignal): Promise<Pcm>;
  close(): Promise<void>;
}
