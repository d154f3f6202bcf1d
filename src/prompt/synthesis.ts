import { LRUCache } from 'lru-cache';
import { CLIP_BYTES_PER_SAMPLE } from '../media/encoded-speech.ts';
import { resamplePatiently } from '../media/patient-resample.ts';
import type { Pcm } from '../media/pcm.ts';
import { sourceOf } from '../media/pcm-source.ts';
import { CLIP_RATE } from './clip.ts';
import type { ClipCache } from './clip-cache.ts';
import { nearestLocale } from './locale.ts';
import type { VoiceWish } from './playlist.ts';
import { PromptError } from './prompt-error.ts';
import type { PromptWork } from './prompt-work.ts';
import { SharedWork } from './shared-work.ts';
import { type ProviderState, Speaker, type SpeakerOptions, type SpokenCounts } from './speaker.ts';
import type { Gender, TtsProvider, Utterance } from './tts.ts';

/** One way to speak a language. */
export interface VoiceChoice {
  /** Id of the provider. */
  readonly provider: string;
  /** The provider's own, BCP 47. */
  readonly locale: string;
  readonly voice?: string | undefined;
  readonly gender?: Gender | undefined;
  /** 0.5–2; 1 is the voice's own pace. */
  readonly speed: number;
}

/** Who waits: until when, and how many pieces had to be made for it. */
export type SpeakingWork = Pick<PromptWork, 'speaking' | 'synthesised'>;

export interface SynthesisOptions extends SpeakerOptions {
  /** The first choice first; each with an id of its own. */
  readonly providers: readonly TtsProvider[];
  /** Opened and closed by whoever made it. */
  readonly cache: ClipCache;
  /** Of clips in memory, each counted with its encodings, which are kept with it. */
  readonly memoryBytes: number;
  /** Trims and levels audio at 8000 Hz. */
  readonly finish: (pcm: Pcm) => Pcm;
}

/** Clips since the beginning; those of a set count one by one. */
export interface ProviderCounts extends SpokenCounts {
  readonly id: string;
  readonly memoryHits: number;
  readonly diskHits: number;
}

export interface Prewarming {
  readonly choice: VoiceChoice;
  /** Each a whole set, as `characters` gets it. */
  readonly characterSets: readonly Readonly<Record<string, string>>[];
  readonly phrases: readonly string[];
}

/** What is asked for in one piece: texts by what they are for, in their one order. */
interface Wanted {
  readonly speaker: Speaker;
  readonly choice: VoiceChoice;
  readonly texts: readonly (readonly [string, string])[];
  /** At a time, of a provider. */
  readonly abreast: number;
}

type Clips = ReadonlyMap<string, Int16Array>;

interface Held {
  readonly clips: Clips;
  readonly cacheKeys: readonly string[];
  /** The last day on which the disk cache was told of their use, since 1970. */
  notedDay: number;
}

interface Made {
  readonly clips: Clips;
  /** So many were not found on disk. */
  readonly synthesised: number;
}

const DAY_MS = 86_400_000;
const MAX_CHARS = 1000;
/** Part of what is kept on disk under: a higher one when the same text is to sound differently. */
const FINISH_VERSION = 1;

/** Speech of all providers: from memory, else from disk, else from the provider, and then kept. */
export class Synthesis {
  readonly #options: SynthesisOptions;
  readonly #speakers: ReadonlyMap<string, Speaker>;
  readonly #memory: LRUCache<string, Held>;
  readonly #making = new SharedWork<Made>();
  readonly #hits: ReadonlyMap<string, { memoryHits: number; diskHits: number }>;
  readonly #closed = new AbortController();

  constructor(options: SynthesisOptions) {
    const { providers, memoryBytes } = options;
    this.#options = options;
    this.#speakers = new Map(providers.map((provider) => [provider.id, new Speaker(provider, options)]));
    if (this.#speakers.size !== providers.length) throw new Error('two speech providers have the same id');
    this.#hits = new Map(providers.map(({ id }) => [id, { memoryHits: 0, diskHits: 0 }]));
    this.#memory = new LRUCache({ maxSize: memoryBytes, sizeCalculation: ({ clips }) => sizeOf(clips) });
  }

  /** Starts all providers. Those that do not start are tried again later; this never rejects. */
  async start(): Promise<void> {
    await Promise.all([...this.#speakers.values()].map((speaker) => speaker.start()));
  }

  /** All that any started provider speaks, BCP 47, by alphabet. */
  locales(): string[] {
    return [...new Set([...this.#speakers.values()].flatMap((speaker) => speaker.locales()))].toSorted();
  }

  /** Who speaks the language: the healthy first, otherwise in the order of `providers`. */
  voicesFor(wish: VoiceWish & { readonly locale: string }): VoiceChoice[] {
    const { voice, gender, speed = 1 } = wish;
    const choices = [...this.#speakers.values()].flatMap((speaker) => {
      const locale = nearestLocale(wish.locale, speaker.locales());
      if (locale === undefined) return [];
      return [{ healthy: speaker.healthy, choice: { provider: speaker.id, locale, voice, gender, speed } }];
    });
    const healthyFirst = choices.toSorted((a, b) => Number(b.healthy) - Number(a.healthy));
    return healthyFirst.map(({ choice }) => choice);
  }

  /**
   * A text of 1–1000 characters, spoken: 8000 samples a second. It is the same object each time, while it is in
   * memory: encodings hang on it, and it must not be changed.
   *
   * @throws PromptError tts_failed, tts_timeout, not_audio or too_long; the reason of `work.speaking`; RangeError
   * for the length of the text
   */
  async phrase(choice: VoiceChoice, text: string, work: SpeakingWork): Promise<Int16Array> {
    const clips = await this.#clips(this.#wanted(choice, [['', text]]), work);
    const clip = clips.get('');
    if (clip === undefined) throw new Error('a phrase was made without a clip');
    return clip;
  }

  /**
   * All characters of a set, whichever the code needs. Where one is missing all are made anew, in the order of
   * their characters, so that neither the provider nor the disk learns anything of a code.
   *
   * @param words what is said, by character
   * @throws as `phrase`
   */
  async characters(
    choice: VoiceChoice,
    words: Readonly<Record<string, string>>,
    work: SpeakingWork,
  ): Promise<Clips> {
    return this.#clips(this.#wanted(choice, Object.entries(words)), work);
  }

  /**
   * Makes these ready, one utterance after another, beside the calls. Stops when aborted or closed, and goes on
   * after what fails. Never rejects.
   */
  async prewarm(list: readonly Prewarming[], signal: AbortSignal): Promise<void> {
    const begunAt = performance.now();
    const both = AbortSignal.any([signal, this.#closed.signal]);
    const work = { speaking: both, synthesised: 0 };
    const tally = { ready: 0, failed: 0 };
    for (const { choice, characterSets, phrases } of list) {
      const wanted = [
        ...characterSets.map((words) => Object.entries(words)),
        ...phrases.map((text) => [['', text] as const]),
      ];
      for (const texts of wanted) {
        if (both.aborted) break;
        try {
          await this.#clips({ ...this.#wanted(choice, texts), abreast: 1 }, work);
          tally.ready++;
        } catch {
          if (!both.aborted) tally.failed++;
        }
      }
    }
    const elapsedMs = Math.round(performance.now() - begunAt);
    const fields = { ...tally, synthesised: work.synthesised, elapsedMs, stopped: both.aborted };
    if (tally.failed > 0) this.#options.log.warn(fields, 'some speech could not be made beforehand');
    else this.#options.log.info(fields, 'speech was made beforehand');
  }

  /** In the order of `providers`. */
  health(): ProviderState[] {
    return [...this.#speakers.values()].map((speaker) => speaker.state());
  }

  /** In the order of `providers`. */
  stats(): ProviderCounts[] {
    return [...this.#speakers.values()].map((speaker) => ({
      id: speaker.id,
      ...this.#hitsOf(speaker),
      ...speaker.counts(),
    }));
  }

  /** Ends what is under way, and closes the providers. Never rejects. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#speakers.values()].map((speaker) => speaker.close()));
  }

  #wanted(choice: VoiceChoice, texts: readonly (readonly [string, string])[]): Wanted {
    const speaker = this.#speakers.get(choice.provider);
    if (speaker === undefined) throw new Error('there is no such speech provider');
    for (const [, text] of texts) {
      if (text.length === 0 || text.length > MAX_CHARS)
        throw new RangeError(`a text has 1 to ${MAX_CHARS} characters`);
    }
    const inOrder = texts.toSorted(([a], [b]) => (a < b ? -1 : 1));
    return { speaker, choice, texts: inOrder, abreast: this.#options.maxConcurrent };
  }

  async #clips(wanted: Wanted, work: SpeakingWork): Promise<Clips> {
    const key = JSON.stringify([wanted.speaker.id, ...voiceKey(wanted), wanted.texts]);
    const held = this.#memory.get(key);
    if (held !== undefined) {
      this.#hitsOf(wanted.speaker).memoryHits += held.clips.size;
      this.#noteUse(held);
      return held.clips;
    }
    const { clips, synthesised } = await this.#making.do(key, work.speaking, (signal) =>
      this.#make(key, wanted, signal),
    );
    work.synthesised += synthesised;
    return clips;
  }

  async #make(key: string, wanted: Wanted, signal: AbortSignal): Promise<Made> {
    const { cache, now } = this.#options;
    const cacheKeys = wanted.texts.map(([, text]) => JSON.stringify([...voiceKey(wanted), text]));
    const found = (await Promise.all(cacheKeys.map((cacheKey) => cache.get(cacheKey)))).flatMap((pcm) =>
      pcm?.sampleRate === CLIP_RATE ? [pcm.samples] : [],
    );
    const complete = found.length === cacheKeys.length;
    if (complete) this.#hitsOf(wanted.speaker).diskHits += found.length;
    const samples = complete ? found : await this.#synthesise(wanted, signal);
    if (!complete) {
      // Nobody waits for the disk.
      for (const [index, cacheKey] of cacheKeys.entries()) {
        void cache.put(cacheKey, { sampleRate: CLIP_RATE, samples: samples[index] ?? new Int16Array() });
      }
    }
    const clips = new Map(wanted.texts.map(([name], index) => [name, samples[index] ?? new Int16Array()]));
    this.#memory.set(key, { clips, cacheKeys, notedDay: Math.floor(now() / DAY_MS) });
    return { clips, synthesised: complete ? 0 : samples.length };
  }

  async #synthesise({ speaker, choice, texts, abreast }: Wanted, signal: AbortSignal): Promise<Int16Array[]> {
    const { locale, voice, gender, speed } = choice;
    const utterances = texts.map(([, text]): Utterance => ({ text, locale, voice, gender, speed }));
    const spoken = await speaker.speak(utterances, abreast, signal);
    // A provider may use its buffers again.
    const own = spoken.map((pcm) => ({ ...pcm, samples: pcm.samples.slice() }));
    const clips: Int16Array[] = [];
    for (const pcm of own) clips.push(await this.#finished(pcm, speaker, signal));
    return clips;
  }

  async #finished(pcm: Pcm, speaker: Speaker, signal: AbortSignal): Promise<Int16Array> {
    const whole = await resamplePatiently(sourceOf(pcm), CLIP_RATE, signal);
    const { samples } = this.#options.finish({ sampleRate: CLIP_RATE, samples: whole });
    if (samples.length === 0) {
      throw new PromptError('not_audio', `the speech provider ${speaker.id} gave nothing but silence`);
    }
    // A small part would keep all of a large buffer.
    return samples.buffer.byteLength > samples.byteLength ? samples.slice() : samples;
  }

  /** What is said from memory all day is not to be evicted from disk. Once a day, for a whole set at once. */
  #noteUse(held: Held): void {
    const today = Math.floor(this.#options.now() / DAY_MS);
    if (held.notedDay === today) return;
    held.notedDay = today;
    for (const key of held.cacheKeys) this.#options.cache.noteUse(key);
  }

  #hitsOf(speaker: Speaker): { memoryHits: number; diskHits: number } {
    const hits = this.#hits.get(speaker.id);
    if (hits === undefined) throw new Error('a speech provider is not counted');
    return hits;
  }
}

/** All but the text that decides how it sounds. */
function voiceKey({ speaker, choice }: Wanted): readonly unknown[] {
  const { locale, voice = null, gender = null, speed } = choice;
  return [FINISH_VERSION, speaker.fingerprint, locale, voice, gender, speed];
}

function sizeOf(clips: Clips): number {
  return [...clips.values()].reduce((sum, { length }) => sum + length * CLIP_BYTES_PER_SAMPLE, 0) + 1;
}
