import type { PromptFallback } from './prompt-report.ts';
import type { PromptWork } from './prompt-work.ts';
import type { Synthesis, VoiceChoice } from './synthesis.ts';
import type { Template } from './templates.ts';
import { partsOf, spokenDigits, spokenLetters } from './templates.ts';
import type { Around, Characters, CodeWords, Voice } from './voice.ts';

/** A voice of a TTS provider. It is told phrases and single characters, always all of them, and never a code. */
export class SynthesisedVoice implements Voice {
  readonly name: string;
  readonly locale: string;
  readonly fallback: PromptFallback;
  readonly #synthesis: Synthesis;
  readonly #choice: VoiceChoice;
  readonly #template: Template | undefined;

  /** @param template the words around a code; without one the code is said alone */
  constructor(
    synthesis: Synthesis,
    choice: VoiceChoice,
    template: Template | undefined,
    fallback: PromptFallback,
  ) {
    this.name = `tts ${choice.provider} ${choice.locale}`;
    this.locale = choice.locale;
    this.fallback = fallback;
    this.#synthesis = synthesis;
    this.#choice = choice;
    this.#template = template;
  }

  async characters(letters: boolean, work: PromptWork): Promise<Characters> {
    const sets = [spokenDigits(this.locale), ...(letters ? [spokenLetters(this.locale)] : [])];
    const spoken = await Promise.all(
      sets.map((words) => this.#synthesis.characters(this.#choice, words, work)),
    );
    return new Map(spoken.flatMap((characters) => [...characters]));
  }

  async words(work: PromptWork): Promise<CodeWords> {
    const template = this.#template;
    const [greeting, again, goodbye] = await Promise.all([
      this.#around(template?.greeting, work),
      this.#around(template?.again, work),
      template === undefined ? undefined : this.phrase(template.goodbye, work),
    ]);
    return { greeting, again, goodbye };
  }

  phrase(text: string, work: PromptWork): Promise<Int16Array> {
    return this.#synthesis.phrase(this.#choice, text, work);
  }

  async #around(text: string | undefined, work: PromptWork): Promise<Around> {
    const { before, after } = text === undefined ? { before: '', after: '' } : partsOf(text);
    const said = (part: string): Promise<Int16Array> | undefined =>
      /[\p{L}\p{N}]/u.test(part) ? this.phrase(part, work) : undefined;
    const [spokenBefore, spokenAfter] = await Promise.all([said(before), said(after)]);
    return { before: spokenBefore, after: spokenAfter };
  }
}
