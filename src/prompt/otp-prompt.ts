import type { ClipName } from './sound-set.ts';

/** One thing that a prompt says. The list is plain data and can be kept or shown: the code is not in it. */
export type PlaylistItem =
  /** A prerecorded clip. */
  | { readonly clip: ClipName }
  /** Silence. */
  | { readonly pauseMs: number }
  /** The place of the code, said digit by digit. Only rendering puts the code there. */
  | { readonly code: { readonly digitPauseMs: number } };

export type Playlist = readonly PlaylistItem[];

export interface OtpPrompt {
  /** How often the code is said: 1–5, default 2. */
  readonly repeat?: number;
  /** Silence before the first word: media paths open late, and the callee is still lifting the phone. Default 300. */
  readonly leadInMs?: number;
  /** Silence between a phrase and the first digit after it. Default 400. */
  readonly phrasePauseMs?: number;
  /** Silence between two digits: enough to write one down. Default 400. */
  readonly digitPauseMs?: number;
  /** Silence after the last digit, before whatever follows. Default 1000. */
  readonly codePauseMs?: number;
}

const MAX_REPEAT = 5;
const MAX_PAUSE_MS = 10_000;

/**
 * The prompt of a verification call: greeting, code, then for each further time the `again` phrase and the
 * code, and goodbye.
 *
 * @throws {RangeError} for a repeat outside 1–5 or a pause outside 0–10,000 ms.
 */
export function otpPlaylist(prompt: OtpPrompt = {}): Playlist {
  const repeat = prompt.repeat ?? 2;
  if (!Number.isInteger(repeat) || repeat < 1 || repeat > MAX_REPEAT) {
    throw new RangeError(`repeat must be 1 to ${MAX_REPEAT}`);
  }
  const phrasePause = pause(prompt.phrasePauseMs ?? 400);
  const codePause = pause(prompt.codePauseMs ?? 1000);
  const code: PlaylistItem = { code: { digitPauseMs: pause(prompt.digitPauseMs ?? 400).pauseMs } };
  const items: PlaylistItem[] = [pause(prompt.leadInMs ?? 300)];
  for (let time = 0; time < repeat; time++) {
    items.push({ clip: time === 0 ? 'greeting' : 'again' }, phrasePause, code, codePause);
  }
  items.push({ clip: 'goodbye' });
  return items;
}

function pause(pauseMs: number): { readonly pauseMs: number } {
  if (!Number.isInteger(pauseMs) || pauseMs < 0 || pauseMs > MAX_PAUSE_MS) {
    throw new RangeError(`a pause must be 0 to ${MAX_PAUSE_MS} ms`);
  }
  return { pauseMs };
}
