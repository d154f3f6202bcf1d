import type { SpeechPart } from '../media/speech.ts';
import { joined, speechMs } from '../media/speech.ts';
import { formatWav } from '../media/wav.ts';
import type { Secret } from '../secret.ts';
import { CODE_PAUSES, codePromptParts, PROMPT_RATE, silence } from './code-prompt.ts';
import type { ItemSound, ItemSources } from './item-sounds.ts';
import { endsWithCode, itemSound, saysCode } from './item-sounds.ts';
import type { Playlist, PlaylistItem } from './playlist.ts';
import type { PlaylistLimits } from './playlist-check.ts';
import { checkPlaylist, refusalOf } from './playlist-check.ts';
import type { CodePrompt, PreparedPrompt, PromptPort } from './prepared-prompt.ts';
import { PromptError } from './prompt-error.ts';
import type { PromptFallback, PromptReport } from './prompt-report.ts';
import type { PromptDeadlines } from './prompt-work.ts';
import { PromptWork } from './prompt-work.ts';
import type { Voices } from './voices.ts';

export interface PrompterOptions {
  readonly voices: Voices;
  readonly files: ItemSources['files'];
  readonly urls: ItemSources['urls'];
  readonly limits: PlaylistLimits;
  /** How long a prompt may take to be made; speech that is late is said with recorded sounds. */
  readonly deadlines: PromptDeadlines;
  /** Of playlists that name none. */
  readonly defaultLocale: string;
}

/** A prompt as a file, for somebody who wants to hear it without a call. */
export interface Preview {
  /** 16 bits, mono, 8000 Hz. */
  readonly wav: Uint8Array;
  readonly report: PromptReport;
}

/** What is said instead of what was asked for, the least of it first. */
const FALLBACKS: readonly PromptFallback[] = [
  'none',
  'other_provider',
  'recorded',
  'default_locale',
  'code_only',
];

/** Makes prompts: everything is fetched, spoken and checked before anything is dialled. */
export class Prompter implements PromptPort {
  readonly #options: PrompterOptions;

  constructor(options: PrompterOptions) {
    this.#options = options;
  }

  forCode(prompt: CodePrompt, code: Secret, signal: AbortSignal): Promise<PreparedPrompt> {
    return this.#working(signal, (work) => this.#code(prompt, code, work));
  }

  forPlaylist(playlist: Playlist, signal: AbortSignal): Promise<PreparedPrompt> {
    return this.#working(signal, (work) => this.#playlist(playlist, work));
  }

  async #working(
    signal: AbortSignal,
    make: (work: PromptWork) => Promise<PreparedPrompt>,
  ): Promise<PreparedPrompt> {
    const work = new PromptWork(this.#options.deadlines, signal);
    try {
      return await make(work);
    } finally {
      work.end();
    }
  }

  async #code(prompt: CodePrompt, code: Secret, work: PromptWork): Promise<PreparedPrompt> {
    const { voices } = this.#options;
    const letters = prompt.sayAs === 'nato';
    const wish = { locale: prompt.locale, gender: prompt.gender ?? undefined };
    let failure: PromptError | undefined;
    for (const voice of voices.forCode(wish, letters)) {
      try {
        const [characters, words] = await Promise.all([voice.characters(letters, work), voice.words(work)]);
        const said = { code, sayAs: prompt.sayAs, characters };
        const parts = codePromptParts(said, words, prompt.repeat);
        return prepared(work, parts, [{ parts, voice, fallback: voice.fallback }]);
      } catch (error) {
        if (work.signal.aborted || !(error instanceof PromptError)) throw error;
        failure = error;
      }
    }
    throw failure ?? new PromptError('unsupported_locale', `no voice speaks ${prompt.locale}`);
  }

  async #playlist(playlist: Playlist, work: PromptWork): Promise<PreparedPrompt> {
    const { maxSeconds } = this.#options.limits;
    // What cannot be spoken is left out where a code is said all the same: that is what the call is for.
    const codeSaid = playlist.items.some(saysCode);
    const sounds = await Promise.all(
      playlist.items.map((item, index) => this.#sound(item, index, codeSaid, work)),
    );
    const once = sounds.flatMap(({ parts }, index) => {
      // Who has just written down a code needs time before the next words, where no pause was asked for.
      const [before, item] = [playlist.items[index - 1], playlist.items[index]];
      const hurried =
        before !== undefined && item !== undefined && endsWithCode(before) && !('pauseMs' in item);
      return hurried ? [silence(CODE_PAUSES.codePauseMs), ...parts] : parts;
    });
    const parts = [silence(CODE_PAUSES.leadInMs), ...once];
    for (let time = 1; time < playlist.repeat; time++) {
      parts.push(silence(playlist.repeatPauseMs), ...once);
    }
    const result = prepared(work, parts, sounds);
    if (result.report.durationMs > maxSeconds * 1000) {
      throw new PromptError('too_long', `the prompt is longer than ${maxSeconds} s`);
    }
    return result;
  }

  /**
   * What of a playlist can be judged before anything is fetched or spoken.
   *
   * @throws AppError invalid_playlist, unsupported_locale
   */
  async check(playlist: Playlist): Promise<void> {
    const { voices, files, limits, defaultLocale } = this.#options;
    await checkPlaylist(playlist, { voices, files, limits, defaultLocale });
  }

  /** What a call would play. @throws AppError invalid_playlist, unsupported_locale, prompt_failed, speech_unavailable */
  async preview(playlist: Playlist, signal: AbortSignal): Promise<Preview> {
    await this.check(playlist);
    try {
      const { speech, report } = await this.forPlaylist(playlist, signal);
      return { wav: formatWav(joined(speech)), report };
    } catch (error) {
      throw refusalOf(error);
    }
  }

  async #sound(item: PlaylistItem, index: number, codeSaid: boolean, work: PromptWork): Promise<ItemSound> {
    try {
      return await itemSound(item, this.#options, work);
    } catch (error) {
      if (work.signal.aborted || !(error instanceof PromptError)) throw error;
      if (codeSaid && 'tts' in item) return { parts: [], voice: null, fallback: 'code_only' };
      throw new PromptError(error.fault, `item ${index + 1}: ${error.message}`, { cause: error });
    }
  }
}

function prepared(
  work: PromptWork,
  parts: readonly SpeechPart[],
  sounds: readonly ItemSound[],
): PreparedPrompt {
  const speech = { sampleRate: PROMPT_RATE, parts };
  const spoken = sounds.flatMap(({ voice }) => voice ?? []);
  const worst = Math.max(...sounds.map(({ fallback }) => FALLBACKS.indexOf(fallback)));
  return {
    speech,
    report: {
      locale: spoken[0]?.locale ?? null,
      voices: [...new Set(spoken.map(({ name }) => name))],
      fallback: FALLBACKS[worst] ?? 'none',
      durationMs: speechMs(speech),
      synthesised: work.synthesised,
      fetched: work.fetched,
      preparedMs: work.elapsedMs(),
    },
  };
}
