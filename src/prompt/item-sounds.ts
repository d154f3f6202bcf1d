import type { SpeechPart } from '../media/speech.ts';
import { Secret } from '../secret.ts';
import { CODE_PAUSES, codeParts, silence } from './code-prompt.ts';
import type { MarkedParts } from './marked-parts.ts';
import { inSequence } from './marked-parts.ts';
import type { PlaylistItem, VoiceWish } from './playlist.ts';
import { PromptError } from './prompt-error.ts';
import type { PromptFallback } from './prompt-report.ts';
import type { PromptWork } from './prompt-work.ts';
import type { TextPiece } from './say-as.ts';
import { codesIn } from './say-as.ts';
import type { SynthesisedVoice } from './synthesised-voice.ts';
import type { Characters, Voice } from './voice.ts';
import type { Voices } from './voices.ts';

/** One item of a playlist, ready to be played. */
export interface ItemSound extends MarkedParts {
  /** Who speaks it; null for what is only played. */
  readonly voice: Pick<Voice, 'name' | 'locale'> | null;
  readonly fallback: PromptFallback;
}

export interface ItemSources {
  readonly voices: Voices;
  readonly files: { file(path: string): Promise<Int16Array> };
  readonly urls: { clip(url: string, signal: AbortSignal): Promise<Int16Array> };
  readonly defaultLocale: string;
}

type SpokenItem = Extract<PlaylistItem, { readonly tts: string } | { readonly digits: string }>;

/** How long a code in a text is set off from the words around it. */
const PIECE_PAUSE_MS = 300;

/** Makes one item ready. @throws PromptError */
export async function itemSound(
  item: PlaylistItem,
  sources: ItemSources,
  work: PromptWork,
): Promise<ItemSound> {
  if ('pauseMs' in item) return played(silence(item.pauseMs));
  if ('file' in item) return played(await sources.files.file(item.file));
  if ('url' in item) {
    work.fetched++;
    return played(await sources.urls.clip(item.url, work.fetching));
  }
  const wish = { ...wishOf(item), locale: item.locale ?? sources.defaultLocale };
  return 'tts' in item
    ? await text(codesIn(item.tts, item.sayAs), item, wish, sources.voices, work)
    : await code(item.digits, item, wish, sources.voices, work);
}

/** Whether a code is said in it. */
export function saysCode(item: PlaylistItem): boolean {
  return (
    'digits' in item || ('tts' in item && codesIn(item.tts, item.sayAs).some((piece) => 'code' in piece))
  );
}

/** Whether the last thing that is said in it is a character of a code. */
export function endsWithCode(item: PlaylistItem): boolean {
  const last = 'tts' in item ? codesIn(item.tts, item.sayAs).at(-1) : undefined;
  return 'digits' in item || (last !== undefined && 'code' in last);
}

function played(part: SpeechPart): ItemSound {
  return { parts: [part], codes: [], voice: null, fallback: 'none' };
}

function wishOf({ locale, voice, gender, speed }: VoiceWish): VoiceWish {
  return { locale, voice, gender, speed };
}

/** Words and codes by one voice; where none can speak, the codes alone in recorded sounds. */
async function text(
  pieces: readonly TextPiece[],
  item: SpokenItem,
  wish: VoiceWish & { readonly locale: string },
  voices: Voices,
  work: PromptWork,
): Promise<ItemSound> {
  const all = pieces.flatMap((piece) => ('code' in piece ? [piece.code] : []));
  let failure = new PromptError('unsupported_locale', `no voice speaks ${wish.locale}`);
  for (const voice of voices.synthesised(wish)) {
    try {
      const said = await spokenText(pieces, all.some(hasLetters), item, voice, work);
      return { ...said, voice, fallback: voice.fallback };
    } catch (error) {
      failure = promptErrorOf(error);
    }
  }
  if (all.length === 0) throw failure;
  const codes = await Promise.all(all.map((said) => code(said, item, wish, voices, work)));
  return {
    ...setApart(codes),
    voice: codes[0]?.voice ?? null,
    fallback: 'code_only',
  };
}

async function spokenText(
  pieces: readonly TextPiece[],
  letters: boolean,
  item: SpokenItem,
  voice: SynthesisedVoice,
  work: PromptWork,
): Promise<MarkedParts> {
  const spelled = pieces.some((piece) => 'code' in piece);
  const [characters, ...said] = await Promise.all([
    spelled ? voice.characters(letters, work) : new Map<string, Int16Array>(),
    ...pieces.map((piece) => ('phrase' in piece ? voice.phrase(piece.phrase, work) : undefined)),
  ]);
  return setApart(
    pieces.map((piece, index) =>
      'code' in piece ? spelledParts(piece.code, item, characters) : (said[index] ?? silence(0)),
    ),
  );
}

function setApart(pieces: readonly (SpeechPart | MarkedParts)[]): MarkedParts {
  return inSequence(
    pieces.flatMap((piece, index) => (index === 0 ? [piece] : [silence(PIECE_PAUSE_MS), piece])),
  );
}

/** A code by the first voice that can say it. */
async function code(
  said: string,
  item: SpokenItem,
  wish: VoiceWish & { readonly locale: string },
  voices: Voices,
  work: PromptWork,
): Promise<ItemSound> {
  let failure = new PromptError('unsupported_locale', `no voice speaks ${wish.locale}`);
  const letters = hasLetters(said);
  for (const voice of voices.forCode(wish, letters)) {
    try {
      const spelled = spelledParts(said, item, await voice.characters(letters, work));
      return { ...spelled, voice, fallback: voice.fallback };
    } catch (error) {
      failure = promptErrorOf(error);
    }
  }
  throw failure;
}

function spelledParts(said: string, item: SpokenItem, characters: Characters): MarkedParts {
  const pauseMs = ('digits' in item ? item.digitPauseMs : undefined) ?? CODE_PAUSES.digitPauseMs;
  const sayAs = item.sayAs ?? 'digits';
  return codeParts({ code: new Secret(said.toUpperCase()), sayAs, characters }, pauseMs);
}

function hasLetters(said: string): boolean {
  return /[A-Za-z]/.test(said);
}

/** @throws what is a fault of the program */
function promptErrorOf(error: unknown): PromptError {
  if (error instanceof PromptError) return error;
  throw error;
}
