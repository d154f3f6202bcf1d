import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import type { Logger } from 'pino';
import type { SpeechState } from './api/metrics.ts';
import type { Config } from './config.ts';
import { documentsOf } from './documents.ts';
import { finished } from './media/loudness.ts';
import { GuardedFetch } from './outbound/guarded-fetch.ts';
import { ClipCache } from './prompt/clip-cache.ts';
import { PromptLibrary } from './prompt/library.ts';
import { Prompter } from './prompt/prompter.ts';
import { Synthesis } from './prompt/synthesis.ts';
import { providerOf } from './prompt/tts/providers.ts';
import { UrlClips, type UrlSource } from './prompt/url-clips.ts';
import { Voices } from './prompt/voices.ts';
import type { RcmlSource } from './rcml/rcml-source.ts';

/** All that makes prompts, started. */
export interface SpeechParts {
  readonly library: PromptLibrary;
  readonly voices: Voices;
  readonly prompter: Prompter;
  /** Documents that say what a call says. */
  readonly rcml: RcmlSource;
  /** The providers of speech, for metrics. */
  states(): readonly SpeechState[];
  close(): Promise<void>;
}

/** The sounds that come with the package: beside src/ as beside dist/. */
const SOUNDS = fileURLToPath(new URL('../sounds', import.meta.url));
/** Requests that wait for a provider; what is more falls back to recorded sounds at once. */
const MAX_WAITING = 200;
const MAX_REDIRECTS = 3;
/** Sounds that are fetched at the same time; each may be as large as `speech.urls.maxBytes`. */
const MAX_FETCHES = 50;

/**
 * Puts prompts together: recorded sounds, speech providers with their cache, and sounds that are fetched. A provider
 * that does not start, or a cache that cannot be written, keeps nothing from starting.
 *
 * @throws SoundsError
 */
export async function startSpeech(config: Config, logger: Logger): Promise<SpeechParts> {
  const { speech, sounds, verification } = config;
  const library = await PromptLibrary.load(sounds.folder ?? SOUNDS, sounds.voice);
  const fetch = new GuardedFetch({
    allowedHosts: speech.urls.allowedHosts,
    internalHosts: speech.urls.internalHosts,
    timeoutMs: speech.urls.timeoutMs,
    maxBytes: speech.urls.maxBytes,
    maxRedirects: MAX_REDIRECTS,
  });
  const documents = documentsOf(speech.urls);
  const cache = new ClipCache({
    folder: speech.cache.folder,
    maxBytes: speech.cache.maxBytes,
    now: Date.now,
    onFault: (err) => logger.warn({ err }, 'the cache of speech does not work'),
  });
  await cache.open();
  const synthesis = new Synthesis({
    providers: speech.providers.map((provider) => providerOf(provider)),
    cache,
    memoryBytes: speech.cache.memoryBytes,
    timeoutMs: speech.timeoutMs,
    maxConcurrent: speech.maxConcurrent,
    maxWaiting: MAX_WAITING,
    now: Date.now,
    log: logger,
    finish: finished,
  });
  await synthesis.start();
  const limit = pLimit(MAX_FETCHES);
  const bounded: UrlSource = { get: (url, options) => limit(() => fetch.get(url, options)) };
  const { maxSeconds, memoryBytes } = speech.urls;
  const urls = new UrlClips({ fetch: bounded, maxSeconds, memoryBytes, now: Date.now });
  const voices = new Voices({
    library,
    synthesis,
    preferred: speech.voice,
    defaultLocale: verification.locale,
    templates: speech.templates,
  });
  const prompter = new Prompter({
    voices,
    files: library,
    urls,
    limits: {
      ...speech.playlist,
      // A longer one would be cut off.
      maxSeconds: Math.min(speech.playlist.maxSeconds, Math.floor(config.calls.maxCallMs / 1000)),
    },
    deadlines: { speechMs: speech.deadlineMs, fetchMs: 2 * speech.urls.timeoutMs },
    defaultLocale: verification.locale,
  });
  const stop = new AbortController();
  const spoken = speech.voice === 'tts' ? [verification.locale] : [];
  const locales = [...new Set([...spoken, ...speech.prewarm])];
  void synthesis.prewarm(voices.prewarming(locales, verification.sayAs), stop.signal);
  if (!voices.hasRecorded(verification.locale)) {
    const { locale } = verification;
    logger.warn({ locale }, 'no recorded sounds in the default language: others speak where speech fails');
  }
  return {
    library,
    voices,
    prompter,
    rcml: documents.rcml,
    states: () => statesOf(synthesis),
    close: async () => {
      stop.abort();
      fetch.close();
      documents.close();
      await synthesis.close();
      await cache.close();
    },
  };
}

function statesOf(synthesis: Synthesis): readonly SpeechState[] {
  const health = new Map(synthesis.health().map(({ id, healthy }) => [id, healthy]));
  return synthesis.stats().map((counts) => ({ ...counts, healthy: health.get(counts.id) === true }));
}
