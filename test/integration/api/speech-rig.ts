import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../../../src/config.ts';
import { finished } from '../../../src/media/loudness.ts';
import { GuardedFetch } from '../../../src/outbound/guarded-fetch.ts';
import { ClipCache } from '../../../src/prompt/clip-cache.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import { Prompter } from '../../../src/prompt/prompter.ts';
import { Synthesis } from '../../../src/prompt/synthesis.ts';
import { UrlClips } from '../../../src/prompt/url-clips.ts';
import { Voices } from '../../../src/prompt/voices.ts';
import { MadeUpTts } from '../../support/made-up-tts.ts';

/** All that makes prompts. */
export interface SpeechRig {
  readonly prompter: Prompter;
  readonly voices: Voices;
  /** The only provider: it speaks English, and its name is not ASCII. */
  readonly tts: MadeUpTts;
  close(): Promise<void>;
}

const SOUNDS = join(import.meta.dirname, '../../../sounds');

/** Sounds that were read already, by folder: nobody changes them. */
const libraries = new Map<string, Promise<PromptLibrary>>();

/**
 * Speech as it is in the service, but for the provider. No name is looked up: hosts that are not among
 * `speech.urls.internalHosts` seem to be this machine, and are refused.
 *
 * @param folder of the cache
 */
export async function startSpeechRig(config: Config, folder: string, logger: Logger): Promise<SpeechRig> {
  const { calls, sounds, speech, verification } = config;
  const library = await libraryOf(sounds.folder ?? SOUNDS);
  const tts = new MadeUpTts({ id: 'tone é' });
  const cache = new ClipCache({
    folder,
    maxBytes: speech.cache.maxBytes,
    now: Date.now,
    onFault: (err) => logger.error({ err }, 'the cache of speech does not work'),
  });
  await cache.open();
  const synthesis = new Synthesis({
    providers: [tts],
    cache,
    memoryBytes: speech.cache.memoryBytes,
    timeoutMs: speech.timeoutMs,
    maxConcurrent: speech.maxConcurrent,
    maxWaiting: 200,
    now: Date.now,
    log: logger,
    finish: finished,
  });
  await synthesis.start();
  const { allowedHosts, internalHosts, timeoutMs, maxBytes, maxSeconds, memoryBytes } = speech.urls;
  const fetch = new GuardedFetch({
    allowedHosts,
    internalHosts,
    timeoutMs,
    maxBytes,
    maxRedirects: 3,
    resolve: async () => ['127.0.0.1'],
  });
  const defaultLocale = verification.locale;
  const voices = new Voices({
    library,
    synthesis,
    preferred: speech.voice,
    defaultLocale,
    templates: speech.templates,
  });
  const prompter = new Prompter({
    voices,
    files: library,
    urls: new UrlClips({ fetch, maxSeconds, memoryBytes, now: Date.now }),
    limits: {
      ...speech.playlist,
      maxSeconds: Math.min(speech.playlist.maxSeconds, Math.floor(calls.maxCallMs / 1000)),
    },
    deadlines: { speechMs: speech.deadlineMs, fetchMs: 2 * timeoutMs },
    defaultLocale,
  });
  return {
    prompter,
    voices,
    tts,
    close: async () => {
      fetch.close();
      await synthesis.close();
      await cache.close();
    },
  };
}

function libraryOf(folder: string): Promise<PromptLibrary> {
  const library = libraries.get(folder) ?? PromptLibrary.load(folder);
  libraries.set(folder, library);
  return library;
}
