import { AppError } from '../errors.ts';
import type { ItemSources } from './item-sounds.ts';
import type { Playlist, PlaylistItem } from './playlist.ts';
import { PromptError } from './prompt-error.ts';
import { canSay, codesIn } from './say-as.ts';
import type { Voices } from './voices.ts';

/** About what a provider needs to start again. */
const SPEECH_RETRY_SECONDS = 10;

export interface PlaylistLimits {
  readonly maxItems: number;
  /** Of the whole prompt, repetitions and pauses included. */
  readonly maxSeconds: number;
}

export interface PlaylistRules {
  readonly voices: Voices;
  readonly files: ItemSources['files'];
  readonly limits: PlaylistLimits;
  readonly defaultLocale: string;
}

/**
 * Refuses what can be known to fail before anything is fetched or spoken. The messages name the number of the item
 * and never what it says.
 *
 * @throws AppError invalid_playlist, unsupported_locale, speech_unavailable where that may change
 */
export async function checkPlaylist(playlist: Playlist, rules: PlaylistRules): Promise<void> {
  const { items, repeat, repeatPauseMs } = playlist;
  const { maxItems, maxSeconds } = rules.limits;
  if (items.length === 0 || items.length > maxItems) {
    throw new AppError('invalid_playlist', { message: `A playlist has 1 to ${maxItems} items.` });
  }
  const pauseMs = items.reduce((sum, item) => sum + ('pauseMs' in item ? item.pauseMs : 0), 0);
  if (repeat * pauseMs + (repeat - 1) * repeatPauseMs > maxSeconds * 1000) {
    throw new AppError('invalid_playlist', {
      message: `A prompt is at most ${maxSeconds} s long; the pauses alone are longer.`,
    });
  }
  for (const [index, item] of items.entries()) {
    const complaint = await complaintOf(item, rules);
    if (complaint instanceof AppError) throw complaint;
    if (complaint !== undefined) {
      throw new AppError('invalid_playlist', { message: `Item ${index + 1} of the playlist: ${complaint}.` });
    }
  }
}

async function complaintOf(item: PlaylistItem, rules: PlaylistRules): Promise<string | AppError | undefined> {
  if ('pauseMs' in item) return undefined;
  if ('url' in item) return urlComplaint(item.url);
  if ('file' in item) return await fileComplaint(item.file, rules.files);
  const sayAs = item.sayAs ?? 'digits';
  if ('digits' in item && !canSay(item.digits.toUpperCase(), sayAs)) {
    return sayAs === 'nato' ? 'only digits and letters can be said' : 'letters can be said with `nato` only';
  }
  if ('tts' in item && codesIn(item.tts, item.sayAs).length === 0) return 'there is nothing to be said';
  const locale = item.locale ?? rules.defaultLocale;
  const spoken =
    'tts' in item
      ? rules.voices.synthesised({ ...item, locale }).length > 0
      : rules.voices.resolve(locale, sayAs) !== undefined;
  if (spoken) return undefined;
  return rules.voices.speechIsAway()
    ? new AppError('speech_unavailable', { retryAfterSeconds: SPEECH_RETRY_SECONDS })
    : new AppError('unsupported_locale', { message: `No voice here speaks ${locale}.` });
}

function urlComplaint(text: string): string | undefined {
  if (!URL.canParse(text)) return 'this is no address';
  const { protocol, username, password } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return 'only http and https addresses are fetched';
  return username !== '' || password !== '' ? 'an address must hold no user name or password' : undefined;
}

async function fileComplaint(path: string, files: PlaylistRules['files']): Promise<string | undefined> {
  try {
    await files.file(path);
    return undefined;
  } catch (error) {
    if (error instanceof PromptError) return error.message;
    throw error;
  }
}

/** What a client is told of a prompt that could not be made. Anything else comes back as it is. */
export function refusalOf(error: unknown): unknown {
  if (!(error instanceof PromptError)) return error;
  switch (error.fault) {
    case 'unsupported_locale':
      return new AppError('unsupported_locale', { cause: error });
    case 'tts_failed':
    case 'tts_timeout':
      return new AppError('speech_unavailable', { cause: error, retryAfterSeconds: SPEECH_RETRY_SECONDS });
    case 'unknown_voice':
    case 'not_audio':
    case 'url_refused':
    case 'url_failed':
    case 'too_long':
    case 'file_not_found':
      return new AppError('prompt_failed', { cause: error, message: `${capitalised(error.message)}.` });
  }
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
