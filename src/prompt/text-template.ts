import type { Secret } from '../secret.ts';
import { CODE_PAUSES } from './code-prompt.ts';
import type { Playlist, PlaylistItem, SayAs } from './playlist.ts';
import type { Gender } from './tts.ts';

/** Where a client's own text has the code. */
export const CODE_PLACE = '{code}';
/** Characters of such a text. */
const MAX_TEMPLATE_LENGTH = 1000;

/** What is wrong with a client's own text, in words for it; undefined: nothing. */
export function templateComplaint(template: string): string | undefined {
  if (template.length > MAX_TEMPLATE_LENGTH) return `it must have at most ${MAX_TEMPLATE_LENGTH} characters`;
  // Lines may end: a text message has some.
  if (/[^\P{Cc}\n\r\t]/u.test(template)) return 'it must not have control characters';
  return template.includes(CODE_PLACE) ? undefined : `it must have ${CODE_PLACE} where the code is to be`;
}

interface SaidTemplate {
  readonly template: string | null;
  readonly locale: string;
  readonly gender: Gender | null;
  readonly sayAs: SayAs;
  readonly repeat: number;
}

/** The text as a playlist: its words are synthesised, and the code is said character by character, as in our own. */
export function templatePlaylist(
  { template, locale, gender, sayAs, repeat }: SaidTemplate,
  code: Secret,
): Playlist {
  const wish = { locale, gender: gender ?? undefined };
  const said: PlaylistItem = { digits: code.reveal(), sayAs, ...wish };
  const words = (template ?? CODE_PLACE).split(CODE_PLACE);
  const items = words.flatMap((text, index): readonly PlaylistItem[] => {
    const spoken: readonly PlaylistItem[] = isSpoken(text) ? [{ tts: spokenOf(text, index), ...wish }] : [];
    if (index === 0) return spoken;
    return [
      ...(isSpoken(words[index - 1] ?? '') ? [{ pauseMs: CODE_PAUSES.phrasePauseMs }] : []),
      said,
      ...spoken,
    ];
  });
  return { items, repeat, repeatPauseMs: CODE_PAUSES.codePauseMs };
}

/** What ends the sentence with the code is no beginning of the next one. */
function spokenOf(text: string, index: number): string {
  return (index === 0 ? text : text.replace(/^[\s.,;:!?)\]»”"'。]+/u, '')).trim();
}

/** Punctuation alone is nothing to be said. */
function isSpoken(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text);
}
