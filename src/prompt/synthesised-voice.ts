import type { KeyTemplate } from './key-templates.ts';
import { PromptError } from './prompt-error.ts';
import type { PromptFallback } from './prompt-report.ts';
import type { PromptWork } from './prompt-work.ts';
import type { Synthesis, VoiceChoice } from './synthesis.ts';
import type { Place, Template } from './templates.ts';
import { partsOf, spokenDigits, spokenLetters } from './templates.ts';
import type { Around, Characters, CodeWords, KeyWords, Voice } from './voice.ts';

/** What a voice says in one language beside the characters of a code. */
export interface Sentences {
  /** Around a code; without them the code is said alone. */
  readonly code: Template | undefined;
  /** For keys; without them it cannot ask for any. */
  readonly keys: KeyTemplate | undefined;
}

/** A voice of a TTS provider. It is told phrases and single characters, always all of them, and never a code. */
export class SynthesisedVoice implements Voice {
  readonly name: string;
  readonly locale: string;
  readonly fallback: PromptFallback;
  readonly #synthesis: Synthesis;
  readonly #choice: VoiceChoice;
  readonly #sentences: Sentences;

  constructor(synthesis: Synthesis, choice: VoiceChoice, sentences: Sentences, fallback: PromptFallback) {
    this.name = `tts ${choice.provider} ${choice.locale}`;
    this.locale = choice.locale;
    this.fallback = fallback;
    this.#synthesis = synthesis;
    this.#choice = choice;
    this.#sentences = sentences;
  }

  async characters(letters: boolean, work: PromptWork): Promise<Characters> {
    const sets = [spokenDigits(this.locale), ...(letters ? [spokenLetters(this.locale)] : [])];
    const spoken = await Promise.all(
      sets.map((words) => this.#synthesis.characters(this.#choice, words, work)),
    );
    return new Map(spoken.flatMap((characters) => [...characters]));
  }

  async words(work: PromptWork): Promise<CodeWords> {
    const template = this.#sentences.code;
    const [greeting, again, goodbye] = await Promise.all([
      this.#around(template?.greeting, '{code}', work),
      this.#around(template?.again, '{code}', work),
      template === undefined ? undefined : this.phrase(template.goodbye, work),
    ]);
    return { greeting, again, goodbye };
  }

  async keyWords(work: PromptWork): Promise<KeyWords> {
    const { keys } = this.#sentences;
    if (keys === undefined) {
      throw new PromptError('unsupported_locale', `there are no words for keys in ${this.locale}`);
    }
    const [press, enter, confirmed] = await Promise.all([
      this.#around(keys.press, '{key}', work),
      this.phrase(keys.enter, work),
      this.phrase(keys.confirmed, work),
    ]);
    return { press, enter, confirmed };
  }

  phrase(text: string, work: PromptWork): Promise<Int16Array> {
    return this.#synthesis.phrase(this.#choice, text, work);
  }

  async #around(text: string | undefined, place: Place, work: PromptWork): Promise<Around> {
    const { before, after } = text === undefined ? { before: '', after: '' } : partsOf(text, place);
    const said = (part: string): Promise<Int16Array> | undefined =>
      /[\p{L}\p{N}]/u.test(part) ? this.phrase(part, work) : undefined;
    const [spokenBefore, spokenAfter] = await Promise.all([said(before), said(after)]);
    return { before: spokenBefore, after: spokenAfter };
  }
}
