import { createHash } from 'node:crypto';
import type { Pcm } from '../../src/media/pcm.ts';
import { PromptError, type PromptFault } from '../../src/prompt/prompt-error.ts';
import type { TtsProvider, Utterance } from '../../src/prompt/tts.ts';

/**
 * `waits` until `release`; `stalls` until it is aborted; `deaf` heeds nothing and never ends; `breaks` with an error
 * that is none of the port and names the text.
 */
export type MadeUpMood =
  | 'speaks'
  | 'waits'
  | 'stalls'
  | 'deaf'
  | 'breaks'
  | 'silent'
  | 'empty'
  | 'endless'
  | { readonly fault: PromptFault };

export interface MadeUpTtsOptions {
  readonly id?: string;
  readonly locales?: readonly string[];
  readonly sampleRate?: number;
  readonly ms?: number;
}

/** A provider that says each text as a tone of its own. */
export class MadeUpTts implements TtsProvider {
  readonly id: string;
  readonly fingerprint: string;
  mood: MadeUpMood = 'speaks';
  /** Of single texts, before `mood`. */
  readonly moods = new Map<string, MadeUpMood>();
  /** Locales in which nothing is heard. */
  readonly silentIn = new Set<string>();
  /** So often it does not start. */
  failingStarts = 0;
  /** While set, a start does not end. */
  startsSlowly = false;
  readonly asked: Utterance[] = [];
  starts = 0;
  closes = 0;
  running = 0;
  mostRunning = 0;
  /** Requests whose signal was aborted before they were answered. */
  aborted = 0;
  readonly #locales: readonly string[];
  readonly #sampleRate: number;
  readonly #ms: number;
  #release: (() => void)[] = [];
  #started = false;

  constructor(options: MadeUpTtsOptions = {}) {
    this.id = options.id ?? 'made-up';
    this.fingerprint = `${this.id} 1`;
    this.#locales = options.locales ?? ['en-US'];
    this.#sampleRate = options.sampleRate ?? 8000;
    this.#ms = options.ms ?? 50;
  }

  /** The texts it was asked for, in order. */
  get texts(): string[] {
    return this.asked.map(({ text }) => text);
  }

  async start(): Promise<void> {
    this.starts++;
    if (this.startsSlowly) await this.#released();
    if (this.failingStarts > 0) {
      this.failingStarts--;
      throw new PromptError('tts_failed', 'it does not start');
    }
    this.#started = true;
  }

  locales(): readonly string[] {
    return this.#started ? this.#locales : [];
  }

  async synthesize(utterance: Utterance, signal: AbortSignal): Promise<Pcm> {
    this.asked.push(utterance);
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    const count = (): void => void this.aborted++;
    signal.addEventListener('abort', count);
    try {
      return await this.#speak(utterance, signal);
    } finally {
      signal.removeEventListener('abort', count);
      this.running--;
    }
  }

  /** Answers all that wait. */
  release(): void {
    const waiting = this.#release;
    this.#release = [];
    for (const answer of waiting) answer();
  }

  async close(): Promise<void> {
    this.closes++;
  }

  /** What it says for this text when nothing is wrong. */
  tone(text: string, seconds = this.#ms / 1000): Pcm {
    const hz = 300 + (createHash('sha256').update(text).digest().readUInt16BE() % 1500);
    const samples = Int16Array.from(
      { length: Math.round(seconds * this.#sampleRate) },
      (_, i) => 8000 * Math.sin((2 * Math.PI * hz * i) / this.#sampleRate),
    );
    return { sampleRate: this.#sampleRate, samples };
  }

  async #speak({ text, locale }: Utterance, signal: AbortSignal): Promise<Pcm> {
    const mood = this.silentIn.has(locale) ? 'silent' : (this.moods.get(text) ?? this.mood);
    const pcm = this.tone(text);
    if (typeof mood !== 'string') throw new PromptError(mood.fault, 'it fails');
    if (mood === 'breaks') throw new TypeError(`cannot say ${text}`);
    if (mood === 'waits') await this.#released();
    if (mood === 'deaf') await new Promise(() => undefined);
    if (mood === 'stalls') {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('stopped')));
      });
    }
    if (mood === 'silent') return { ...pcm, samples: pcm.samples.fill(3) };
    if (mood === 'empty') return { ...pcm, samples: new Int16Array() };
    if (mood === 'endless') return this.tone(text, 61);
    return pcm;
  }

  #released(): Promise<void> {
    return new Promise((resolve) => {
      this.#release.push(resolve);
    });
  }
}
