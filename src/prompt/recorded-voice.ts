import type { PromptLibrary } from './library.ts';
import { PromptError } from './prompt-error.ts';
import type { PromptFallback } from './prompt-report.ts';
import type { ClipName, KeyClip } from './sound-set.ts';
import { DIGIT_CLIPS, LETTER_CLIPS } from './sound-set.ts';
import type { Around, Characters, CodeWords, KeyWords, Voice } from './voice.ts';

/** A prerecorded set of sounds: always there, in no time. */
export class RecordedVoice implements Voice {
  readonly name: string;
  readonly locale: string;
  readonly fallback: PromptFallback;
  readonly #library: PromptLibrary;

  /** @param locale one of the library's */
  constructor(library: PromptLibrary, locale: string, fallback: PromptFallback) {
    this.name = `recorded ${locale}/${library.voice(locale)}`;
    this.locale = locale;
    this.fallback = fallback;
    this.#library = library;
  }

  characters(letters: boolean): Promise<Characters> {
    const names: readonly ClipName[] = letters ? [...DIGIT_CLIPS, ...LETTER_CLIPS] : DIGIT_CLIPS;
    return Promise.resolve(new Map(names.map((name) => [name.toUpperCase(), this.#required(name)])));
  }

  words(): Promise<CodeWords> {
    const around = (name: 'greeting' | 'again'): Around => ({
      before: this.#required(name),
      after: this.#library.samples(this.locale, `${name}-end`),
    });
    return Promise.resolve({
      greeting: around('greeting'),
      again: around('again'),
      goodbye: this.#required('goodbye'),
    });
  }

  async keyWords(): Promise<KeyWords> {
    return {
      press: {
        before: this.#forKeys('press'),
        after: this.#library.samples(this.locale, 'press-end'),
      },
      enter: this.#forKeys('enter'),
      confirmed: this.#forKeys('confirmed'),
    };
  }

  /** @throws PromptError for a set that was made before there were such clips */
  #forKeys(name: KeyClip): Int16Array {
    const samples = this.#library.samples(this.locale, name);
    if (samples === undefined) {
      throw new PromptError('file_not_found', `the sounds for ${this.locale} hold no ${name}`);
    }
    return samples;
  }

  /** Sets are complete, and who asks for letters has asked whether there are any. */
  #required(name: ClipName): Int16Array {
    const samples = this.#library.samples(this.locale, name);
    if (samples === undefined) throw new Error('a complete set of sounds lacks a clip');
    return samples;
  }
}
