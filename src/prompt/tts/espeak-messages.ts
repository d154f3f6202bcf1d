import type { EspeakVoice } from './espeak-voices.ts';

/** One text to be spoken. */
export interface EspeakRequest {
  readonly id: number;
  /** Name of a voice, with a variant after `+` or without. */
  readonly voice: string;
  readonly wordsPerMinute: number;
  /** 0–99, 50 is the voice's own. */
  readonly pitch: number;
  /** SSML: the package reads it as that, and there is no way to tell it not to. */
  readonly ssml: string;
  /** It stops there. */
  readonly maxSeconds: number;
}

export type FromEspeak =
  | { readonly type: 'ready'; readonly voices: readonly EspeakVoice[]; readonly variants: readonly string[] }
  /** `missing`: the package is not installed. */
  | { readonly type: 'unusable'; readonly missing: boolean }
  | { readonly type: 'said'; readonly id: number; readonly sampleRate: number; readonly samples: Int16Array }
  | { readonly type: 'not_said'; readonly id: number; readonly why: 'no_voice' | 'too_long' | 'broken' };
