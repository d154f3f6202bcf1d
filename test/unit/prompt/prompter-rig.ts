import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClipCache } from '../../../src/prompt/clip-cache.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import { PromptError } from '../../../src/prompt/prompt-error.ts';
import type { PrompterOptions } from '../../../src/prompt/prompter.ts';
import { Prompter } from '../../../src/prompt/prompter.ts';
import { Synthesis } from '../../../src/prompt/synthesis.ts';
import type { VoicesOptions } from '../../../src/prompt/voices.ts';
import { Voices } from '../../../src/prompt/voices.ts';
import type { MadeUpTts } from '../../support/made-up-tts.ts';

export const OUR_SOUNDS = join(import.meta.dirname, '../../../sounds');
/** Where a provider never answers. */
export const SOON = { prompter: { deadlines: { speechMs: 100, fetchMs: 60_000 } } };
export const NOBODY = new AbortController().signal;
/** What every address gives that is not `missing`. */
export const FETCHED = new Int16Array(800).fill(1000);

export interface Change {
  readonly voices?: Partial<VoicesOptions>;
  readonly prompter?: Partial<PrompterOptions>;
}

/** Prompters over our own sounds, providers that a test makes up, and a cache in a folder of its own. */
export class PrompterRig {
  /** Addresses that were asked. */
  readonly asked: string[] = [];
  readonly #library: PromptLibrary;
  readonly #folder: string;
  readonly #cache: ClipCache;
  readonly #speaking: Synthesis[] = [];

  private constructor(library: PromptLibrary, folder: string, cache: ClipCache) {
    this.#library = library;
    this.#folder = folder;
    this.#cache = cache;
  }

  static async open(library: PromptLibrary): Promise<PrompterRig> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-prompter-'));
    const cache = new ClipCache({
      folder,
      maxBytes: 10_000_000,
      now: Date.now,
      onFault: (error) => {
        throw error;
      },
    });
    await cache.open();
    return new PrompterRig(library, folder, cache);
  }

  async voices(providers: readonly MadeUpTts[], change: Partial<VoicesOptions> = {}): Promise<Voices> {
    const ignore = (): void => undefined;
    const synthesis = new Synthesis({
      providers,
      cache: this.#cache,
      memoryBytes: 10_000_000,
      timeoutMs: 2000,
      maxConcurrent: 4,
      maxWaiting: 100,
      now: Date.now,
      log: { info: ignore, warn: ignore },
      finish: (pcm) => pcm,
    });
    await synthesis.start();
    this.#speaking.push(synthesis);
    return new Voices({
      library: this.#library,
      synthesis,
      preferred: 'recorded',
      defaultLocale: 'en-US',
      templates: {},
      ...change,
    });
  }

  async prompter(providers: readonly MadeUpTts[], change: Change = {}): Promise<Prompter> {
    return new Prompter({
      voices: await this.voices(providers, change.voices),
      files: this.#library,
      urls: {
        clip: async (url) => {
          this.asked.push(url);
          if (url.includes('missing')) throw new PromptError('url_failed', 'server.example answered 404');
          return FETCHED;
        },
      },
      limits: { maxItems: 10, maxSeconds: 60 },
      deadlines: { speechMs: 60_000, fetchMs: 60_000 },
      defaultLocale: 'en-US',
      ...change.prompter,
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#speaking.map((synthesis) => synthesis.close()));
    await this.#cache.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
