import type { PromptLibrary } from './library.ts';
import { nearestLocale } from './locale.ts';
import type { SayAs, VoiceWish } from './playlist.ts';
import { RecordedVoice } from './recorded-voice.ts';
import type { Prewarming, Synthesis } from './synthesis.ts';
import { SynthesisedVoice } from './synthesised-voice.ts';
import type { Template } from './templates.ts';
import { partsOf, spokenDigits, spokenLetters, templateFor } from './templates.ts';
import type { Voice } from './voice.ts';

export interface VoicesOptions {
  readonly library: PromptLibrary;
  readonly synthesis: Synthesis;
  /** What a code is said with where both could. */
  readonly preferred: 'recorded' | 'tts';
  /** Its recorded digits are said when nothing else is left. */
  readonly defaultLocale: string;
  /** The operator's own words around a code, by locale. They are spoken by TTS, whatever is preferred. */
  readonly templates: Readonly<Record<string, Template>>;
}

/** Which voices can say something, the first choice first. */
export class Voices {
  readonly #options: VoicesOptions;

  constructor(options: VoicesOptions) {
    this.#options = options;
  }

  /** The locale that is spoken where another one was asked for; undefined: nothing speaks that language. */
  resolve(requested: string, sayAs: SayAs): string | undefined {
    return this.#ofLanguage({ locale: requested }, sayAs === 'nato')[0]?.locale;
  }

  /** Whether what cannot be spoken now may be spoken later. */
  speechIsAway(): boolean {
    return this.#options.synthesis.health().some(({ healthy }) => !healthy);
  }

  /** Whether there are recorded sounds of this language. */
  hasRecorded(locale: string): boolean {
    return nearestLocale(locale, this.#options.library.locales()) !== undefined;
  }

  /** Who can say a code: the first choice, then what is said when that fails or is late, the default language last. */
  forCode(wish: VoiceWish & { readonly locale: string }, letters: boolean): readonly Voice[] {
    const { defaultLocale } = this.#options;
    const ofDefault = this.#recorded(defaultLocale, letters, 'default_locale');
    const last = ofDefault.length > 0 ? ofDefault : this.#anyRecorded(letters);
    return [...this.#ofLanguage(wish, letters), ...last];
  }

  #ofLanguage(wish: VoiceWish & { readonly locale: string }, letters: boolean): readonly Voice[] {
    const { preferred, templates } = this.#options;
    const own = nearestLocale(wish.locale, Object.keys(templates));
    // A voice or a pace that was asked for, and words of the operator's own, are in no recording.
    const wantsTts =
      preferred === 'tts' || own !== undefined || wish.voice !== undefined || wish.speed !== undefined;
    const recorded = this.#recorded(wish.locale, letters, wantsTts ? 'recorded' : 'none');
    const synthesised = this.synthesised(wish, wantsTts || recorded.length === 0 ? 'none' : 'other_provider');
    return wantsTts ? [...synthesised, ...recorded] : [...recorded, ...synthesised];
  }

  /** Who can speak any text; the healthy first. None where nothing speaks the language. */
  synthesised(
    wish: VoiceWish & { readonly locale: string },
    first: 'none' | 'other_provider' = 'none',
  ): readonly SynthesisedVoice[] {
    const { synthesis } = this.#options;
    return synthesis.voicesFor(wish).map((choice, index) => {
      const fallback = index === 0 ? first : 'other_provider';
      return new SynthesisedVoice(synthesis, choice, this.#template(choice.locale), fallback);
    });
  }

  /** What the first provider of each of these locales will be asked for. */
  prewarming(locales: readonly string[], sayAs: SayAs): readonly Prewarming[] {
    return locales.flatMap((locale) => {
      const [choice] = this.#options.synthesis.voicesFor({ locale });
      if (choice === undefined) return [];
      const template = this.#template(choice.locale);
      const around = template === undefined ? [] : [partsOf(template.greeting), partsOf(template.again)];
      const phrases = [...around.flatMap(({ before, after }) => [before, after]), template?.goodbye ?? ''];
      return {
        choice,
        characterSets: [
          spokenDigits(choice.locale),
          ...(sayAs === 'nato' ? [spokenLetters(choice.locale)] : []),
        ],
        phrases: phrases.filter((phrase) => phrase !== ''),
      };
    });
  }

  #recorded(wanted: string, letters: boolean, fallback: Voice['fallback']): readonly Voice[] {
    const { library, defaultLocale } = this.#options;
    const locale = nearestLocale(wanted, this.#sets(letters), defaultLocale);
    return locale === undefined ? [] : [new RecordedVoice(library, locale, fallback)];
  }

  /** Digits in a foreign language are better than none. */
  #anyRecorded(letters: boolean): readonly Voice[] {
    const { library } = this.#options;
    const sets = this.#sets(letters);
    const locale = nearestLocale('en-US', sets) ?? sets[0];
    return locale === undefined ? [] : [new RecordedVoice(library, locale, 'default_locale')];
  }

  #sets(letters: boolean): readonly string[] {
    const { library } = this.#options;
    return library.locales().filter((locale) => !letters || library.has(locale, 'letters'));
  }

  #template(locale: string): Template | undefined {
    const { templates } = this.#options;
    const own = nearestLocale(locale, Object.keys(templates));
    return (own === undefined ? undefined : templates[own]) ?? templateFor(locale);
  }
}
