/** The digits of a set; a clip is named after the digit that it says. */
export const DIGIT_CLIPS = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;

/** What is said before the code, before it again, and at the end. */
export const PHRASE_CLIPS = ['greeting', 'again', 'goodbye'] as const;

/** What some languages say after the code, or after the key. */
const PHRASE_END_CLIPS = ['greeting-end', 'again-end', 'press-end'] as const;

/** What is said where keys are asked for: what stands before the key, the question for a code, and the thanks. */
export const KEY_CLIPS = ['press', 'enter', 'confirmed'] as const;

// biome-ignore format: one line of the alphabet
/** The letters of a set; each says its word of the NATO alphabet. */
export const LETTER_CLIPS = [
  'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',
  'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
] as const;

export type DigitClip = (typeof DIGIT_CLIPS)[number];
export type PhraseClip = (typeof PHRASE_CLIPS)[number];
export type PhraseEndClip = (typeof PHRASE_END_CLIPS)[number];
export type KeyClip = (typeof KEY_CLIPS)[number];
export type LetterClip = (typeof LETTER_CLIPS)[number];
export type ClipName = DigitClip | PhraseClip | PhraseEndClip | KeyClip | LetterClip;

/** Every clip that a set may hold, in the order in which people read them. */
export const CLIP_NAMES: readonly ClipName[] = [
  ...DIGIT_CLIPS,
  ...PHRASE_CLIPS,
  ...PHRASE_END_CLIPS,
  ...KEY_CLIPS,
  ...LETTER_CLIPS,
];

/** What a set may be able to do beyond codes of digits: codes as `nato`, and asking for keys. */
export type SetSkill = 'letters' | 'keys';

const CLIPS_FOR: Readonly<Record<SetSkill, readonly ClipName[]>> = { letters: LETTER_CLIPS, keys: KEY_CLIPS };

export function isClipName(name: string): name is ClipName {
  return (CLIP_NAMES as readonly string[]).includes(name);
}

/** A code's character, or the start of a sentence, or its end: they differ in how long they may be. */
export type ClipKind = 'digit' | 'letter' | 'phrase';

export function clipKind(name: ClipName): ClipKind {
  if (name.length > 1) return 'phrase';
  return name >= '0' && name <= '9' ? 'digit' : 'letter';
}

/** What a set does not hold. */
export interface Lacking {
  /** Without these it cannot be used. */
  readonly required: readonly ClipName[];
  /**
   * What it needs for more than codes of digits: see `lackingFor`. What a language says after the code is never
   * lacking: the phrases of a set fit one another as they are.
   */
  readonly optional: readonly ClipName[];
}

/** What a set that holds `names` lacks; names of other things are no matter. */
export function lacking(names: Iterable<string>): Lacking {
  const present = new Set(names);
  const absent = (clips: readonly ClipName[]): ClipName[] => clips.filter((clip) => !present.has(clip));
  return {
    required: absent([...DIGIT_CLIPS, ...PHRASE_CLIPS]),
    optional: absent([...KEY_CLIPS, ...LETTER_CLIPS]),
  };
}

/** What of that is in the way of one skill; with any of it the set does not have the skill. */
export function lackingFor(skill: SetSkill, { optional }: Lacking): readonly ClipName[] {
  return optional.filter((clip) => CLIPS_FOR[skill].includes(clip));
}

/** ISO 639 with two or three letters and subtags after it; `custom` is a folder and no language. */
const SET_LOCALE = /^[a-z]{2,3}(-[a-z0-9]{2,8})*$/i;

/** Whether a folder below `sounds/` is named like a locale and so holds sets; any other holds files of its own. */
export function isSetLocale(folder: string): boolean {
  return SET_LOCALE.test(folder);
}
