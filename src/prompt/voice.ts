import type { PromptFallback } from './prompt-report.ts';
import type { PromptWork } from './prompt-work.ts';

/** Samples at 8000 Hz by what they say: shared by all calls, so never to be changed. */
export type Characters = ReadonlyMap<string, Int16Array>;

/** What is said before a code and after it, or a key; a language may want either or both. */
export interface Around {
  readonly before: Int16Array | undefined;
  readonly after: Int16Array | undefined;
}

/** The words around a code. */
export interface CodeWords {
  readonly greeting: Around;
  /** Before each further time. */
  readonly again: Around;
  readonly goodbye: Int16Array | undefined;
}

/** What is said where keys are asked for. */
export interface KeyWords {
  /** Around the key that is to be pressed. */
  readonly press: Around;
  /** Asks for the code that is on the screen. */
  readonly enter: Int16Array;
  /** Thanks for it. */
  readonly confirmed: Int16Array;
}

/** Something that can say a code in one language. */
export interface Voice {
  /** For records, such as `recorded en-US/slt` or `tts espeak de`. */
  readonly name: string;
  /** BCP 47, of what is really spoken. */
  readonly locale: string;
  /** What it means that this one speaks, and not the first choice. */
  readonly fallback: PromptFallback;
  /** All characters of a code, whatever the code is: the ten digits, with `letters` also A to Z. @throws PromptError */
  characters(letters: boolean, work: PromptWork): Promise<Characters>;
  /** The words around a code. @throws PromptError */
  words(work: PromptWork): Promise<CodeWords>;
  /** The words for keys; a voice may have none. @throws PromptError */
  keyWords(work: PromptWork): Promise<KeyWords>;
}
