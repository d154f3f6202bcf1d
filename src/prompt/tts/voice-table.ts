import type { Gender } from '../tts.ts';

/** The voices of one locale: one for all, or by gender. */
export type LocaleVoices =
  | string
  | { readonly female?: string | undefined; readonly male?: string | undefined };
/** Voices by locale, BCP 47. */
export type VoiceTable = Readonly<Record<string, LocaleVoices>>;

/** The voice for a gender. Where there is none of that gender, the other one speaks: a call is not to fail for that. */
export function voiceOf(voices: LocaleVoices, gender: Gender | undefined): string | undefined {
  if (typeof voices === 'string') return voices;
  const { female, male } = voices;
  return gender === 'male' ? (male ?? female) : (female ?? male);
}

/** Names of all voices of the table. */
export function voicesIn(table: VoiceTable): Set<string> {
  const names = Object.values(table).flatMap((voices) =>
    typeof voices === 'string' ? [voices] : [voices.female, voices.male],
  );
  return new Set(names.filter((name) => name !== undefined));
}
