import type { Gender } from '../tts.ts';

/** One line of espeak-ng's list of voices. */
export interface EspeakVoice {
  /** A file below its folder of voices, such as `gmw/en-US`. */
  readonly identifier: string;
  /** In lower case and partly of its own making, such as `en-us`; the lower the number, the better it suits. */
  readonly languages: readonly { readonly name: string; readonly priority: number }[];
}

export interface EspeakWish {
  readonly locale: string;
  readonly voice?: string | undefined;
  readonly gender?: Gender | undefined;
}

/** Dialects that look like regions: `ca-va` is Valencian, not the Catalan of the Vatican. */
const NOT_REGIONS: ReadonlySet<string> = new Set(['ca-ba', 'ca-nw', 'ca-va', 'ru-cl']);
/**
 * Cherokee, Chuvash, Quenya, Sindarin, K'iche': all digits or the zero are silence in the espeak-ng that npm has. No code can be
 * said with them, and who asks for a code is to hear that before anything is dialled.
 */
const SILENT_DIGITS: ReadonlySet<string> = new Set(['chr', 'cv', 'quc', 'qya', 'sjn']);
/** Variants change how a voice of any language sounds; these two are the clearest in a telephone. */
const VARIANT_OF = { female: 'f3', male: 'm3' } as const;

/** What an espeak-ng can speak, whichever way it is run. */
export class EspeakVoices {
  /** BCP 47, by alphabet. */
  readonly locales: readonly string[];
  /** Name of the best voice by locale. */
  readonly #best = new Map<string, string>();
  /** Names as espeak-ng writes them, by the same in lower case. */
  readonly #names = new Map<string, string>();
  readonly #variants = new Map<string, string>();

  /** @param variants names such as `f3` */
  constructor(voices: readonly EspeakVoice[], variants: readonly string[]) {
    const priorities = new Map<string, number>();
    for (const { identifier, languages } of voices) {
      const name = identifier.slice(identifier.lastIndexOf('/') + 1);
      this.#names.set(name.toLowerCase(), name);
      for (const language of languages) {
        const locale = localeOf(language.name);
        if (locale === undefined || language.priority >= (priorities.get(locale) ?? Infinity)) continue;
        priorities.set(locale, language.priority);
        this.#best.set(locale, name);
      }
    }
    for (const variant of variants) this.#variants.set(variant.toLowerCase(), variant);
    this.locales = [...this.#best.keys()].toSorted();
  }

  /**
   * What espeak-ng is to be told. A voice is asked for as `en-GB-scotland`, as a variant such as `f2`, which then
   * speaks the locale, or as both, `en-GB-scotland+f2`. Undefined where there is no such voice or locale.
   */
  find({ locale, voice, gender }: EspeakWish): string | undefined {
    const best = this.#best.get(locale);
    if (best === undefined) return undefined;
    if (voice === undefined) return gender === undefined ? best : `${best}+${VARIANT_OF[gender]}`;
    const [name = '', variant, ...more] = voice.toLowerCase().split('+');
    if (more.length > 0) return undefined;
    const known = this.#names.get(name);
    if (variant !== undefined) return joined(known, this.#variants.get(variant));
    return known ?? joined(best, this.#variants.get(name));
  }
}

function joined(name: string | undefined, variant: string | undefined): string | undefined {
  return name === undefined || variant === undefined ? undefined : `${name}+${variant}`;
}

/** BCP 47 in its usual letters and with its preferred subtags: `en-us` is en-US, `cmn` is zh. */
function localeOf(language: string): string | undefined {
  if (NOT_REGIONS.has(language) || SILENT_DIGITS.has(language.split('-')[0] ?? '')) return undefined;
  try {
    return Intl.getCanonicalLocales(language)[0];
  } catch {
    return undefined;
  }
}
