import type { SpeechPart } from '../media/speech.ts';
import { CODE_PAUSES, silence } from './code-prompt.ts';
import type { Around } from './voice.ts';

export interface KeyPauses {
  /** Silence before the first word. */
  readonly leadInMs: number;
  /** Silence on either side of the key: it is a word of the sentence, and not to be written down. */
  readonly keyPauseMs: number;
}

const KEY_PAUSES: KeyPauses = { leadInMs: CODE_PAUSES.leadInMs, keyPauseMs: 150 };

/** The question for one key. It ends with its last word: whoever asks waits from there on. */
export function keyQuestionParts(
  key: Int16Array,
  { before, after }: Around,
  { leadInMs, keyPauseMs }: KeyPauses = KEY_PAUSES,
): readonly SpeechPart[] {
  return [
    silence(leadInMs),
    ...(before === undefined ? [] : [before, silence(keyPauseMs)]),
    key,
    ...(after === undefined ? [] : [silence(keyPauseMs), after]),
  ];
}

/** One thing that is said by itself. */
export function sentenceParts(
  parts: readonly SpeechPart[],
  { leadInMs }: KeyPauses = KEY_PAUSES,
): readonly SpeechPart[] {
  return [silence(leadInMs), ...parts];
}
