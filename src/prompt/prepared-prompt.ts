import type { Speech } from '../media/speech.ts';
import type { Secret } from '../secret.ts';
import type { Playlist, SayAs } from './playlist.ts';
import type { PromptReport } from './prompt-report.ts';
import type { Gender } from './tts.ts';

/** A prompt that can be played from its first sample to its last: nothing is fetched or synthesised any more. */
export interface PreparedPrompt {
  readonly speech: Speech;
  readonly report: PromptReport;
}

/** How a code is to be said. */
export interface CodePrompt {
  /** As `resolveLocale` gave it. */
  readonly locale: string;
  readonly sayAs: SayAs;
  /** How often the code is said: 1–5. */
  readonly repeat: number;
  readonly gender: Gender | null;
}

/** What makes prompts. */
export interface PromptPort {
  /** A code with the words around it. @throws PromptError */
  forCode(prompt: CodePrompt, code: Secret, signal: AbortSignal): Promise<PreparedPrompt>;
  /** What a client asked for. @throws PromptError */
  forPlaylist(playlist: Playlist, signal: AbortSignal): Promise<PreparedPrompt>;
}
