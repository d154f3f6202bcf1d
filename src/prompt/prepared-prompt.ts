import type { Speech } from '../media/speech.ts';
import type { Secret } from '../secret.ts';
import type { DeliveryMarks } from './delivered.ts';
import type { Playlist, SayAs } from './playlist.ts';
import type { PromptReport } from './prompt-report.ts';
import type { Gender } from './tts.ts';

/** A prompt that can be played from its first sample to its last: nothing is fetched or synthesised any more. */
export interface PreparedPrompt {
  readonly speech: Speech;
  /** How much of it must have been sent for its codes to have been said. */
  readonly marks: DeliveryMarks;
  readonly report: PromptReport;
}

/** In which language and with what voice something is said. */
export interface VoicePrompt {
  /** As `resolveLocale` gave it. */
  readonly locale: string;
  readonly gender: Gender | null;
}

/** How a code is to be said. */
export interface CodePrompt extends VoicePrompt {
  readonly sayAs: SayAs;
  /** How often the code is said: 1–5. */
  readonly repeat: number;
  /**
   * A client's own words with `{code}` in them, spoken like a `tts` item, in place of ours. Null, or where they cannot be
   * spoken: ours.
   */
  readonly template: string | null;
}

/** What a call asks before it says a code. */
export interface GatePrompt extends VoicePrompt {
  /** `0`–`9`. */
  readonly key: string;
  /**
   * A client's own question, which names the key itself: 1–1000 characters, spoken like a `tts` item. Null, or where
   * it cannot be spoken: our own question with `key`.
   */
  readonly text: string | null;
}

/** What a call says that is to be given a code. */
export interface ConfirmationPrompts {
  /** Asks for the code that is on the screen. */
  readonly ask: PreparedPrompt;
  /** Thanks for the right one. */
  readonly confirmed: PreparedPrompt;
}

/** What makes prompts. */
export interface PromptPort {
  /** A code with the words around it. @throws PromptError */
  forCode(prompt: CodePrompt, code: Secret, signal: AbortSignal): Promise<PreparedPrompt>;
  /** The question for the key that a code is said after. @throws PromptError; RangeError for another key */
  forGate(prompt: GatePrompt, signal: AbortSignal): Promise<PreparedPrompt>;
  /** Both by the same voice. @throws PromptError */
  forConfirmation(prompt: VoicePrompt, signal: AbortSignal): Promise<ConfirmationPrompts>;
  /** What a client asked for. @throws PromptError */
  forPlaylist(playlist: Playlist, signal: AbortSignal): Promise<PreparedPrompt>;
}
