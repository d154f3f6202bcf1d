/** With what a prompt was spoken, for the record of its call. Nothing in it depends on the code. */
export interface PromptReport {
  /** Of the code, or where there is none, of the first thing that is spoken; null where only files are played. */
  readonly locale: string | null;
  /** Such as `recorded en-US/slt` or `tts espeak de`, in the order in which they are first heard. */
  readonly voices: readonly string[];
  /** What was said instead of what was asked for, because speech could not be had in time. */
  readonly fallback: PromptFallback;
  readonly durationMs: number;
  /** Pieces that were synthesised now, and not found in the cache. */
  readonly synthesised: number;
  /** Addresses that were asked. */
  readonly fetched: number;
  /** How long it took to make all of it ready. */
  readonly preparedMs: number;
}

export type PromptFallback =
  | 'none'
  /** Another provider than the first one. */
  | 'other_provider'
  /** Prerecorded sounds of the same language; in a gate also our own question where the client's cannot be spoken. */
  | 'recorded'
  /** Prerecorded sounds of the default language. */
  | 'default_locale'
  /** The phrases were left out: the characters of the code only. */
  | 'code_only';
