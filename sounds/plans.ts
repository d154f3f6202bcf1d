import { keyTemplateFor } from '../src/prompt/key-templates.ts';
import { type ClipName, DIGIT_CLIPS, LETTER_CLIPS } from '../src/prompt/sound-set.ts';
import { partsOf, spokenDigits, spokenLetters, templateFor } from '../src/prompt/templates.ts';
import type { Speaker } from './speaker.ts';
import { NATO_SPELLINGS } from './spellings.ts';

/** How one of our sets is made. */
export interface Plan {
  readonly locale: string;
  /** Name of the set. */
  readonly voice: string;
  readonly speaker: Speaker;
  /** How much slower than the voice's own pace (1) characters and sentences are said. */
  readonly characterSlowness: number;
  readonly phraseSlowness: number;
  /** Characters that need a pace of their own. Any other that comes out too short is said again, more slowly. */
  readonly slowness?: Readonly<Partial<Record<ClipName, number>>>;
}

/** espeak-ng's voices for these locales, which are formant synthesis and so much alike. */
const ESPEAK_VOICES: Readonly<Record<string, string>> = {
  de: 'de',
  'en-GB': 'en-gb-x-rp',
  es: 'es',
  fr: 'fr-fr',
  it: 'it',
  'pt-BR': 'pt-br',
  ru: 'ru',
};

/**
 * Clips whose pace differs from their set's, because the lab's recogniser took them for others: formant synthesis
 * makes the same vowel with the same wave.
 */
const ESPEAK_SLOWNESS: Readonly<Record<string, Readonly<Partial<Record<ClipName, number>>>>> = {
  es: { greeting: 1.1 },
  it: { '7': 1.2 },
};

/** Every set of this folder. */
export const PLANS: readonly Plan[] = [
  {
    locale: 'en-US',
    voice: 'slt',
    speaker: { program: 'flite', voice: 'slt' },
    characterSlowness: 1.25,
    phraseSlowness: 1.1,
    slowness: { '2': 1.35, '4': 1.3, '6': 1.4, '8': 1.4, u: 1 },
  },
  ...Object.entries(ESPEAK_VOICES).map(
    ([locale, voice]): Plan => ({
      locale,
      voice: 'espeak',
      speaker: { program: 'espeak-ng', voice },
      characterSlowness: 1.4,
      phraseSlowness: 1.2,
      slowness: ESPEAK_SLOWNESS[locale] ?? {},
    }),
  ),
];

/** What the clips of a locale say, by name. */
export function textsOf(locale: string): ReadonlyMap<ClipName, string> {
  const template = templateFor(locale);
  const keys = keyTemplateFor(locale);
  if (template === undefined || keys === undefined) throw new Error(`there is no template for ${locale}`);
  const digits = spokenDigits(locale);
  const texts = new Map<ClipName, string>(DIGIT_CLIPS.map((digit) => [digit, `${digits[digit]}.`]));
  for (const name of ['greeting', 'again'] as const) {
    const { before, after } = partsOf(template[name]);
    texts.set(name, before);
    if (after !== '') texts.set(`${name}-end`, after);
  }
  texts.set('goodbye', template.goodbye);
  const press = partsOf(keys.press, '{key}');
  texts.set('press', press.before);
  if (press.after !== '') texts.set('press-end', press.after);
  texts.set('enter', keys.enter);
  texts.set('confirmed', keys.confirmed);
  const spelled = NATO_SPELLINGS[locale]?.split(' ');
  const letters = spokenLetters(locale);
  for (const [i, letter] of LETTER_CLIPS.entries()) {
    texts.set(letter, `${spelled?.[i] ?? letters[letter.toUpperCase()]}.`);
  }
  return texts;
}
