import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClipCache } from '../../src/prompt/clip-cache.ts';
import {
  type SpeakingWork,
  Synthesis,
  type SynthesisOptions,
  type VoiceChoice,
} from '../../src/prompt/synthesis.ts';
import type { TtsProvider } from '../../src/prompt/tts.ts';

export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;
/** A day in 2025, at noon and something. */
export const NOON = 20_270 * DAY_MS + 43_217_123;

/** Of the first provider, as it is when nothing is asked for. */
export const CHOICE: VoiceChoice = { provider: 'made-up', locale: 'en-US', speed: 1 };

export const DIGITS: Readonly<Record<string, string>> = Object.fromEntries(
  ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'].map((word, i) => [
    i,
    word,
  ]),
);

interface LogLine {
  readonly level: 'info' | 'warn';
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

/** Speech over a folder of its own, with a clock that stands still until a test moves it. */
export class SynthesisRig {
  readonly folder: string;
  readonly lines: LogLine[] = [];
  nowMs = NOON;
  readonly #faults: string[] = [];
  readonly #opened: { close(): Promise<void> }[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<SynthesisRig> {
    return new SynthesisRig(await mkdtemp(join(tmpdir(), 'voice-otp-speech-')));
  }

  async cache(folder = this.folder): Promise<ClipCache> {
    const cache = new ClipCache({
      folder,
      maxBytes: 10_000_000,
      now: () => this.nowMs,
      onFault: (error) => this.#faults.push(error.message),
    });
    await cache.open();
    this.#opened.push(cache);
    return cache;
  }

  /** Started. Rests are an hour and more: only the clock of the test ends them. */
  async synthesis(
    providers: readonly TtsProvider[],
    change: Partial<SynthesisOptions> = {},
  ): Promise<Synthesis> {
    const synthesis = new Synthesis({
      providers,
      cache: change.cache ?? (await this.cache()),
      memoryBytes: 10_000_000,
      timeoutMs: 5000,
      maxConcurrent: 4,
      maxWaiting: 100,
      now: () => this.nowMs,
      log: {
        info: (fields, message) => void this.lines.push({ level: 'info', fields, message }),
        warn: (fields, message) => void this.lines.push({ level: 'warn', fields, message }),
      },
      finish: (pcm) => pcm,
      restMs: { first: HOUR_MS, longest: 4 * HOUR_MS },
      ...change,
    });
    this.#opened.push(synthesis);
    await synthesis.start();
    return synthesis;
  }

  /** Clips on disk, those that are still being written left out. */
  async clipFiles(): Promise<string[]> {
    return (await readdir(this.folder)).filter((name) => name.endsWith('.wav'));
  }

  /** As a process that ends well: what was made is on disk. */
  async closeAll(): Promise<void> {
    for (const one of this.#opened.splice(0).toReversed()) await one.close();
  }

  /** @throws where the disk failed, which no test asks for */
  async remove(): Promise<void> {
    await this.closeAll();
    await rm(this.folder, { recursive: true, force: true });
    if (this.#faults.length > 0) throw new Error(this.#faults.join('\n'));
  }
}

/** One who waits for speech. */
export function work(signal?: AbortSignal): SpeakingWork {
  return { speaking: signal ?? new AbortController().signal, synthesised: 0 };
}

/** One who waits, and may leave. */
export function leaver(): { readonly work: SpeakingWork; leave(): void } {
  const controller = new AbortController();
  return { work: work(controller.signal), leave: () => controller.abort(new Error('left')) };
}
