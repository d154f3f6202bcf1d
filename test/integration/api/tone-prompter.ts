import type { PreviewPort } from '../../../src/api/prompts.ts';
import { AppError } from '../../../src/errors.ts';
import { joined, speechMs } from '../../../src/media/speech.ts';
import { formatWav } from '../../../src/media/wav.ts';
import { nearestLocale } from '../../../src/prompt/locale.ts';
import type { Playlist, PlaylistItem } from '../../../src/prompt/playlist.ts';
import type { CodePrompt, PreparedPrompt, PromptPort } from '../../../src/prompt/prepared-prompt.ts';
import type { PromptError } from '../../../src/prompt/prompt-error.ts';
import type { PromptReport } from '../../../src/prompt/prompt-report.ts';
import type { Secret } from '../../../src/secret.ts';

const RATE = 8000;
const LOCALE = 'en-US';
const MAX_ITEMS = 50;

/** Prompts without voices: every character is a tone, every file and every address one second of it. */
export class TonePrompter implements PromptPort, PreviewPort {
  /** What it was asked to say, the newest last. */
  readonly playlists: Playlist[] = [];
  /** What no prompt can be made for. */
  fault: PromptError | AppError | undefined;
  /** What is thrown when a playlist is checked, as a fault of ours would be. */
  bug: Error | undefined;
  /** Makes no prompt as long as this is true, until nobody wants it any more. */
  stalled = false;
  /** How many stalled prompts nobody wanted any more. */
  brokenOff = 0;

  resolveLocale(locale: string): string | undefined {
    return nearestLocale(locale, [LOCALE]);
  }

  async check({ items }: Playlist): Promise<void> {
    if (this.bug !== undefined) {
      throw this.bug;
    }
    if (items.length > MAX_ITEMS) {
      throw new AppError('invalid_playlist', { message: `A playlist has 1 to ${MAX_ITEMS} items.` });
    }
    if (items.some((item) => 'locale' in item && this.resolveLocale(item.locale ?? LOCALE) === undefined)) {
      throw new AppError('unsupported_locale');
    }
  }

  async forCode({ repeat }: CodePrompt, code: Secret, signal: AbortSignal): Promise<PreparedPrompt> {
    const items = [{ digits: code.reveal() }];
    return this.forPlaylist({ items, repeat, repeatPauseMs: 1000 }, signal);
  }

  async forPlaylist(playlist: Playlist, signal: AbortSignal): Promise<PreparedPrompt> {
    this.playlists.push(playlist);
    if (this.stalled) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      this.brokenOff++;
      signal.throwIfAborted();
    }
    if (this.fault !== undefined) {
      throw this.fault;
    }
    const once = playlist.items.map(partOf);
    const again = Array.from({ length: playlist.repeat - 1 }, () => [
      samplesOf(playlist.repeatPauseMs),
      ...once,
    ]);
    const speech = { sampleRate: RATE, parts: [...once, ...again.flat()] };
    const report: PromptReport = {
      locale: LOCALE,
      voices: ['tone é'],
      fallback: 'none',
      durationMs: speechMs(speech),
      synthesised: playlist.items.filter((item) => 'tts' in item).length,
      fetched: playlist.items.filter((item) => 'url' in item).length,
      preparedMs: 0,
    };
    return { speech, report };
  }

  async preview(playlist: Playlist, signal: AbortSignal): ReturnType<PreviewPort['preview']> {
    await this.check(playlist);
    const { speech, report } = await this.forPlaylist(playlist, signal);
    return { wav: formatWav(joined(speech)), report };
  }
}

function partOf(item: PlaylistItem): Int16Array | number {
  if ('pauseMs' in item) {
    return samplesOf(item.pauseMs);
  }
  const text = 'tts' in item ? item.tts : 'digits' in item ? item.digits : undefined;
  return tone(text === undefined ? 1000 : text.length * 100);
}

function tone(ms: number): Int16Array {
  return Int16Array.from(
    { length: samplesOf(ms) },
    (_, n) => 8000 * Math.sin((2 * Math.PI * 440 * n) / RATE),
  );
}

function samplesOf(ms: number): number {
  return Math.round((ms * RATE) / 1000);
}
