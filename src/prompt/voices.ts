import { keyTemplateFor } from './key-templates.ts';
import type { PromptLibrary } from './library.ts';
import { nearestLocale } from './locale.ts';
import type { SayAs, VoiceWish } from './playlist.ts';
import { RecordedVoice } from './recorded-voice.ts';
import type { SetSkill } from './sound-set.ts';
import type { Prewarming, Synthesis } from './synthesis.ts';
import type { Sentences } from './synthesised-voice.ts';
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
    return this.#ofLanguage({ locale: requested }, skillsFor(sayAs === 'nato'))[0]?.locale;
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
    return this.#all(wish, skillsFor(letters));
  }

  /** Who can ask for keys, in the same order. */
  forKeys(wish: VoiceWish & { readonly locale: string }): readonly Voice[] {
    return this.#all(wish, ['keys']);
  }

  #all(wish: VoiceWish & { readonly locale: string }, skills: readonly SetSkill[]): readonly Voice[] {
    const { defaultLocale } = this.#options;
    const ofDefault = this.#recorded(defaultLocale, skills, 'default_locale');
    const last = ofDefault.length > 0 ? ofDefault : this.#anyRecorded(skills);
    return [...this.#ofLanguage(wish, skills), ...last];
  }

  #ofLanguage(wish: VoiceWish & { readonly locale: string }, skills: readonly SetSkill[]): readonly Voice[] {
    const { preferred, templates } = this.#options;
    const own = nearestLocale(wish.locale, Object.keys(templates));
    // A voice or a pace that was asked for, and words of the operator's own, are in no recording.
    const wantsTts =
      preferred === 'tts' || own !== undefined || wish.voice !== undefined || wish.speed !== undefined;
    const recorded = this.#recorded(wish.locale, skills, wantsTts ? 'recorded' : 'none');
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
      return new SynthesisedVoice(synthesis, choice, this.#sentences(choice.locale), fallback);
    });
  }

  /** What the first provider of each of these locales will be asked for. */
  prewarming(locales: readonly string[], sayAs: SayAs): readonly Prewarming[] {
    return locales.flatMap((locale) => {
      const [choice] = this.#options.synthesis.voicesFor({ locale });
      if (choice === undefined) return [];
      return {
        choice,
        characterSets: [
          spokenDigits(choice.locale),
          ...(sayAs === 'nato' ? [spokenLetters(choice.locale)] : []),
        ],
        phrases: phrasesOf(this.#sentences(choice.locale)),
      };
    });
  }

  #recorded(wanted: string, skills: readonly SetSkill[], fallback: Voice['fallback']): readonly Voice[] {
    const { library, defaultLocale } = this.#options;
    const locale = nearestLocale(wanted, this.#sets(skills), defaultLocale);
    return locale === undefined ? [] : [new RecordedVoice(library, locale, fallback)];
  }

  /** Digits in a foreign language are better than none. */
  #anyRecorded(skills: readonly SetSkill[]): readonly Voice[] {
    const { library } = this.#options;
    const sets = this.#sets(skills);
    const locale = nearestLocale('en-US', sets) ?? sets[0];
    return locale === undefined ? [] : [new RecordedVoice(library, locale, 'default_locale')];
  }

  #sets(skills: readonly SetSkill[]): readonly string[] {
    const { library } = this.#options;
    return library.locales().filter((locale) => skills.every((skill) => library.has(locale, skill)));
  }

  /** The operator's own where there are any, each sentence for keys by itself. */
  #sentences(locale: string): Sentences {
    const { templates } = this.#options;
    const key = nearestLocale(locale, Object.keys(templates));
    const own = key === undefined ? undefined : templates[key];
    const ours = keyTemplateFor(locale);
    const [press, enter, confirmed] = (['press', 'enter', 'confirmed'] as const).map(
      (name) => own?.[name] ?? ours?.[name],
    );
    const complete = press !== undefined && enter !== undefined && confirmed !== undefined;
    return { code: own ?? templateFor(locale), keys: complete ? { press, enter, confirmed } : undefined };
  }
}

function skillsFor(letters: boolean): readonly SetSkill[] {
  return letters ? ['letters'] : [];
}

/** All that is said of them, piece by piece. */
function phrasesOf({ code, keys }: Sentences): readonly string[] {
  const around = [
    ...(code === undefined ? [] : [partsOf(code.greeting), partsOf(code.again)]),
    ...(keys === undefined ? [] : [partsOf(keys.press, '{key}')]),
  ];
  const whole = [code?.goodbye, keys?.enter, keys?.confirmed];
  const all = [...around.flatMap(({ before, after }) => [before, after]), ...whole];
  return all.flatMap((phrase) => (phrase === undefined || phrase === '' ? [] : [phrase]));
}
