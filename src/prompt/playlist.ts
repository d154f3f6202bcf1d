import type { Gender } from './tts.ts';

/** How the characters of a code are said: `pairs` are digits one by one too, with a longer pause after each two. */
export type SayAs = 'digits' | 'pairs' | 'nato';

/** How a voice is to sound; what is left out is the service's choice. */
export interface VoiceWish {
  /** BCP 47. */
  readonly locale?: string | undefined;
  /** A voice of the provider by its own name. */
  readonly voice?: string | undefined;
  readonly gender?: Gender | undefined;
  /** 0.5–2; 1 is the voice's own pace. */
  readonly speed?: number | undefined;
}

/** One thing that a prompt says. */
export type PlaylistItem =
  /** Synthesised. Codes in it (`codesIn`) are said character by character, whatever `sayAs` is. */
  | ({ readonly tts: string; readonly sayAs?: SayAs | undefined } & VoiceWish)
  /** A clip of `sounds/`: a path in it such as `en-US/slt/greeting`, with or without `.wav`. */
  | { readonly file: string }
  /** A WAV by http or https. */
  | { readonly url: string }
  /** A code: digits, with `nato` letters too. */
  | ({
      readonly digits: string;
      readonly sayAs?: SayAs | undefined;
      /** Silence between two of them. */
      readonly digitPauseMs?: number | undefined;
    } & VoiceWish)
  /** Silence. */
  | { readonly pauseMs: number };

/** What a call says. A client's playlist may hold a code: it is kept like one. */
export interface Playlist {
  readonly items: readonly PlaylistItem[];
  /** How often all of it is said. */
  readonly repeat: number;
  /** Silence between two times. */
  readonly repeatPauseMs: number;
}
