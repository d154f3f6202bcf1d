import type { SpeechPart } from '../media/speech.ts';
import type { Secret } from '../secret.ts';
import { CLIP_RATE } from './clip.ts';
import type { MarkedParts } from './marked-parts.ts';
import { inSequence } from './marked-parts.ts';
import type { SayAs } from './playlist.ts';
import { spell } from './say-as.ts';
import type { Around, Characters, CodeWords } from './voice.ts';

/** Samples a second of a prompt: clips are played as they are. */
export const PROMPT_RATE = CLIP_RATE;

export interface CodePauses {
  /** Silence before the first word: media paths open late, and the callee is still lifting the phone. */
  readonly leadInMs: number;
  /** Silence between a phrase and the first digit after it. */
  readonly phrasePauseMs: number;
  /** Silence between two digits: enough to write one down. */
  readonly digitPauseMs: number;
  /** Silence after the last digit, before whatever follows. */
  readonly codePauseMs: number;
}

export const CODE_PAUSES: CodePauses = {
  leadInMs: 300,
  phrasePauseMs: 400,
  digitPauseMs: 400,
  codePauseMs: 1000,
};

/** A code as it is to be said: characters at least, and each of them in `characters`. */
export interface SaidCode {
  readonly code: Secret;
  readonly sayAs: SayAs;
  readonly characters: Characters;
}

/**
 * The prompt of a verification call: greeting and code, then for each further time the words for "again" and the
 * code, and goodbye.
 *
 * @param repeat how often the code is said: 1–5
 * @throws {RangeError} for another repeat
 */
export function codePrompt(
  said: SaidCode,
  words: CodeWords,
  repeat: number,
  pauses: CodePauses = CODE_PAUSES,
): MarkedParts {
  if (!Number.isInteger(repeat) || repeat < 1 || repeat > 5) {
    throw new RangeError('repeat must be 1 to 5');
  }
  const code = codeParts(said, pauses.digitPauseMs);
  const times = Array.from({ length: repeat }, (_, time) =>
    aroundCode(time === 0 ? words.greeting : words.again, code, pauses),
  );
  const { goodbye } = words;
  return inSequence([silence(pauses.leadInMs), ...times.flat(), ...(goodbye === undefined ? [] : [goodbye])]);
}

/** The parts of `codePrompt`. */
export function codePromptParts(...prompt: Parameters<typeof codePrompt>): readonly SpeechPart[] {
  return codePrompt(...prompt).parts;
}

function aroundCode(
  { before, after }: Around,
  code: MarkedParts,
  { phrasePauseMs, codePauseMs }: CodePauses,
): readonly (SpeechPart | MarkedParts)[] {
  return [
    ...(before === undefined ? [] : [before, silence(phrasePauseMs)]),
    code,
    ...(after === undefined ? [] : [silence(phrasePauseMs), after]),
    silence(codePauseMs),
  ];
}

/**
 * A code, character by character. Each takes as long as the longest of all that there are, so that the length of
 * a call says nothing of the code. The errors name no character: they may be logged.
 */
export function codeParts({ code, sayAs, characters }: SaidCode, digitPauseMs: number): MarkedParts {
  const slot = Math.max(0, ...Array.from(characters.values(), ({ length }) => length));
  const spelled = spell(code.reveal(), sayAs, digitPauseMs);
  if (spelled.length === 0) {
    throw new Error('the code is empty');
  }
  const parts: SpeechPart[] = [];
  const ends: number[] = [];
  let at = 0;
  for (const part of spelled) {
    if ('pauseMs' in part) {
      parts.push(silence(part.pauseMs));
      at += silence(part.pauseMs);
      continue;
    }
    const clip = characters.get(part.character);
    if (clip === undefined) throw new Error('the code holds a character that the voice cannot say');
    parts.push(clip, slot - clip.length);
    at += slot;
    ends.push(at);
  }
  return { parts, codes: [ends] };
}

/** Milliseconds as a number of samples. */
export function silence(ms: number): number {
  return Math.round((ms * PROMPT_RATE) / 1000);
}
