import type { SpeechPart } from '../media/speech.ts';
import { joined, speechMs } from '../media/speech.ts';
import { formatWav } from '../media/wav.ts';
import type { Secret } from '../secret.ts';
import { isHeard } from './audibility.ts';
import { CODE_PAUSES, codePrompt, PROMPT_RATE, silence } from './code-prompt.ts';
import type { ItemSound, ItemSources } from './item-sounds.ts';
import { endsWithCode, itemSound, saysCode } from './item-sounds.ts';
import { keyQuestionParts, sentenceParts } from './key-prompt.ts';
import type { MarkedParts } from './marked-parts.ts';
import { inSequence } from './marked-parts.ts';
import type { Playlist, PlaylistItem } from './playlist.ts';
import type { PlaylistLimits } from './playlist-check.ts';
import { checkPlaylist, refusalOf } from './playlist-check.ts';
import type {
  CodePrompt,
  ConfirmationPrompts,
  GatePrompt,
  PreparedPrompt,
  PromptPort,
  VoicePrompt,
} from './prepared-prompt.ts';
import { PromptError } from './prompt-error.ts';
import type { PromptFallback, PromptReport } from './prompt-report.ts';
import type { PromptDeadlines } from './prompt-work.ts';
import { PromptWork } from './prompt-work.ts';
import { codesIn } from './say-as.ts';
import { templatePlaylist } from './text-template.ts';
import type { Voice } from './voice.ts';
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

  forGate(prompt: GatePrompt, signal: AbortSignal): Promise<PreparedPrompt> {
    return this.#working(signal, (work) => this.#gate(prompt, work));
  }

  forConfirmation(prompt: VoicePrompt, signal: AbortSignal): Promise<ConfirmationPrompts> {
    return this.#working(signal, (work) => this.#confirmation(prompt, work));
  }

  forPlaylist(playlist: Playlist, signal: AbortSignal): Promise<PreparedPrompt> {
    return this.#working(signal, (work) => this.#playlist(playlist, work));
  }

  async #working<T>(signal: AbortSignal, make: (work: PromptWork) => Promise<T>): Promise<T> {
    const work = new PromptWork(this.#options.deadlines, signal);
    try {
      return await make(work);
    } finally {
      work.end();
    }
  }

  async #code(prompt: CodePrompt, code: Secret, work: PromptWork): Promise<PreparedPrompt> {
    const own = prompt.template === null ? undefined : await this.#ownWords(prompt, code, work);
    if (own !== undefined) return own;
    const letters = prompt.sayAs === 'nato';
    const voices = this.#options.voices.forCode(wishOf(prompt), letters);
    return firstOf(voices, prompt.locale, work, async (voice) => {
      const fallback = prompt.template === null ? voice.fallback : worstOf([voice.fallback, 'recorded']);
      const [characters, words] = await Promise.all([voice.characters(letters, work), voice.words(work)]);
      const said = codePrompt({ code, sayAs: prompt.sayAs, characters }, words, prompt.repeat);
      return prepared(work, said, [{ ...said, voice, fallback }]);
    });
  }

  /** A client's own words around the code; undefined where they cannot be spoken: our own are better than the bare code. */
  async #ownWords(prompt: CodePrompt, code: Secret, work: PromptWork): Promise<PreparedPrompt | undefined> {
    try {
      const said = await this.#playlist(templatePlaylist(prompt, code), work);
      return said.report.fallback === 'code_only' ? undefined : said;
    } catch (error) {
      if (work.signal.aborted || !(error instanceof PromptError)) throw error;
      return undefined;
    }
  }

  async #gate(prompt: GatePrompt, work: PromptWork): Promise<PreparedPrompt> {
    const { key, text, locale } = prompt;
    if (!/^[0-9]$/.test(key)) throw new RangeError('a key is one of 0 to 9');
    const own = text === null ? undefined : await this.#ownQuestion(prompt, text, work);
    if (own !== undefined) return own;
    return firstOf(this.#options.voices.forKeys(wishOf(prompt)), locale, work, async (voice) => {
      const [clip, words] = await Promise.all([keyClip(voice, key, work), voice.keyWords(work)]);
      const fallback = text === null ? voice.fallback : worstOf([voice.fallback, 'recorded']);
      return withoutCode(work, keyQuestionParts(clip, words.press), [{ voice, fallback }]);
    });
  }

  #confirmation(prompt: VoicePrompt, work: PromptWork): Promise<ConfirmationPrompts> {
    const voices = this.#options.voices.forKeys(wishOf(prompt));
    return firstOf(voices, prompt.locale, work, async (voice) => {
      const words = await voice.keyWords(work);
      const said = (clip: Int16Array): PreparedPrompt =>
        withoutCode(work, sentenceParts([clip]), [{ voice, fallback: voice.fallback }]);
      return { ask: said(words.enter), confirmed: said(words.confirmed) };
    });
  }

  /** A client's own words; undefined where they cannot be spoken, or hold nothing to be said. */
  async #ownQuestion(
    { locale, gender }: VoicePrompt,
    tts: string,
    work: PromptWork,
  ): Promise<PreparedPrompt | undefined> {
    if (codesIn(tts).length === 0) return undefined;
    try {
      const sound = await itemSound({ tts, ...wishOf({ locale, gender }) }, this.#options, work);
      // The numbers in it alone ask nobody for anything.
      if (sound.fallback === 'code_only') return undefined;
      return withoutCode(work, sentenceParts(sound.parts), [sound]);
    } catch (error) {
      if (work.signal.aborted || !(error instanceof PromptError)) throw error;
      return undefined;
    }
  }

  async #playlist(playlist: Playlist, work: PromptWork): Promise<PreparedPrompt> {
    const { maxSeconds } = this.#options.limits;
    // What cannot be spoken is left out where a code is said all the same: that is what the call is for.
    const codeSaid = playlist.items.some(saysCode);
    const sounds = await Promise.all(
      playlist.items.map((item, index) => this.#sound(item, index, codeSaid, work)),
    );
    // No phone is to ring for nothing, but where nothing is all that was asked for.
    const silent = !sounds.some(({ parts }) => isHeard(parts));
    if (silent && playlist.items.some((item) => !('pauseMs' in item))) {
      throw new PromptError('not_audio', 'nothing in the playlist can be heard');
    }
    const once = inSequence(
      sounds.flatMap((sound, index) => {
        // Who has just written down a code needs time before the next words, where no pause was asked for.
        const [before, item] = [playlist.items[index - 1], playlist.items[index]];
        const hurried =
          before !== undefined && item !== undefined && endsWithCode(before) && !('pauseMs' in item);
        return hurried ? [silence(CODE_PAUSES.codePauseMs), sound] : [sound];
      }),
    );
    const further = Array.from({ length: playlist.repeat - 1 }, () => [
      silence(playlist.repeatPauseMs),
      once,
    ]);
    const said = inSequence([silence(CODE_PAUSES.leadInMs), once, ...further.flat()]);
    const result = prepared(work, said, sounds);
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
      if (codeSaid && 'tts' in item) return { parts: [], codes: [], voice: null, fallback: 'code_only' };
      throw new PromptError(error.fault, `item ${index + 1}: ${error.message}`, { cause: error });
    }
  }
}

function wishOf({ locale, gender }: VoicePrompt) {
  return { locale, gender: gender ?? undefined };
}

/** What the first voice makes that can, in their order. */
async function firstOf<T>(
  voices: readonly Voice[],
  locale: string,
  work: PromptWork,
  make: (voice: Voice) => Promise<T>,
): Promise<T> {
  let failure: PromptError | undefined;
  for (const voice of voices) {
    try {
      return await make(voice);
    } catch (error) {
      if (work.signal.aborted || !(error instanceof PromptError)) throw error;
      failure = error;
    }
  }
  throw failure ?? new PromptError('unsupported_locale', `no voice speaks ${locale}`);
}

async function keyClip(voice: Voice, key: string, work: PromptWork): Promise<Int16Array> {
  const clip = (await voice.characters(false, work)).get(key);
  if (clip === undefined) throw new Error('a voice lacks a digit');
  return clip;
}

function worstOf(fallbacks: readonly PromptFallback[]): PromptFallback {
  return FALLBACKS[Math.max(...fallbacks.map((fallback) => FALLBACKS.indexOf(fallback)))] ?? 'none';
}

/** Whatever numbers a question holds, they are not the code of the call. */
function withoutCode(
  work: PromptWork,
  parts: readonly SpeechPart[],
  sounds: readonly Pick<ItemSound, 'voice' | 'fallback'>[],
): PreparedPrompt {
  return prepared(work, { parts, codes: [] }, sounds);
}

function prepared(
  work: PromptWork,
  { parts, codes }: MarkedParts,
  sounds: readonly Pick<ItemSound, 'voice' | 'fallback'>[],
): PreparedPrompt {
  const speech = { sampleRate: PROMPT_RATE, parts };
  const spoken = sounds.flatMap(({ voice }) => voice ?? []);
  return {
    speech,
    marks: { codes: codes.map((ends) => ends.map((end) => Math.ceil((end * 1000) / PROMPT_RATE))) },
    report: {
      locale: spoken[0]?.locale ?? null,
      voices: [...new Set(spoken.map(({ name }) => name))],
      fallback: worstOf(sounds.map(({ fallback }) => fallback)),
      durationMs: speechMs(speech),
      synthesised: work.synthesised,
      fetched: work.fetched,
      preparedMs: work.elapsedMs(),
    },
  };
}
