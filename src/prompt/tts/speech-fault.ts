import { MAX_CLIP_SECONDS } from '../clip.ts';
import { PromptError } from '../prompt-error.ts';

/** What a provider throws once its signal is aborted: the reason, if that says already what happened. */
export function stopped(id: string, signal: AbortSignal): PromptError {
  const reason: unknown = signal.reason;
  if (reason instanceof PromptError) return reason;
  return new PromptError('tts_timeout', `the speech provider ${id} did not speak in time`, { cause: reason });
}

/** @param what a sentence's end after the name of the provider, without anything of the text to be spoken */
export function failed(id: string, what: string, cause?: unknown): PromptError {
  return new PromptError('tts_failed', `the speech provider ${id} ${what}`, { cause });
}

export function noVoice(id: string): PromptError {
  return new PromptError('unknown_voice', `the speech provider ${id} has no such voice`);
}

export function noLocale(id: string): PromptError {
  return failed(id, 'does not speak this language');
}

/** Nothing can be heard. What is no audio at all is `failed`: no text is to blame for that. */
export function notAudio(id: string, what: string, cause?: unknown): PromptError {
  return new PromptError('not_audio', `the speech provider ${id} ${what}`, { cause });
}

export function tooLong(id: string): PromptError {
  return new PromptError('too_long', `the speech provider ${id} spoke longer than ${MAX_CLIP_SECONDS} s`);
}

/** 60 s in stereo at 48,000 Hz and 16 bits are 11.5 million. */
export const MAX_WAV_BYTES = 12_000_000;
