import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Pcm } from '../../media/pcm.ts';
import { MAX_CLIP_SECONDS } from '../clip.ts';
import { PromptError } from '../prompt-error.ts';
import type { TtsProvider, Utterance } from '../tts.ts';
import { EspeakVoices } from './espeak-voices.ts';
import { type EspeakAnswer, EspeakWorker } from './espeak-worker.ts';
import { audible } from './speech-audio.ts';
import { failed, noLocale, notAudio, noVoice, stopped, tooLong } from './speech-fault.ts';
import { escapeXml, plainText } from './spoken-text.ts';

export interface EspeakOptions {
  readonly id: string;
  /** Texts that are spoken at the same time, each in a process of up to 150 MB: 1–4. */
  readonly processes: number;
  /** Pace of speed 1; espeak-ng itself speaks 80–450. */
  readonly wordsPerMinute: number;
  /** 0–99; 50 is the voice's own. */
  readonly pitch: number;
}

interface Waiting {
  readonly voice: string;
  readonly utterance: Utterance;
  readonly signal: AbortSignal;
  readonly resolve: (pcm: Pcm) => void;
  readonly reject: (error: PromptError) => void;
  /** Set while a process speaks it. */
  worker: EspeakWorker | undefined;
  readonly onAbort: () => void;
}

const PACKAGE = '@echogarden/espeak-ng-emscripten';
const SLOWEST = 80;
const FASTEST = 450;

/**
 * espeak-ng from npm, for about 120 languages: it needs nothing that is not in node_modules. The package is GPL
 * and never loaded into this process.
 *
 * A `voice` is a file of espeak-ng's voices (`en-GB-scotland`), a variant (`f2`), or both with `+` between them.
 */
export class EspeakProvider implements TtsProvider {
  readonly id: string;
  readonly fingerprint: string;
  readonly #options: EspeakOptions;
  #workers: readonly EspeakWorker[] = [];
  #voices: EspeakVoices | undefined;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  readonly #queue: Waiting[] = [];
  readonly #spoken = new Set<Waiting>();
  #lastId = 0;

  constructor(options: EspeakOptions) {
    const { id, wordsPerMinute, pitch } = options;
    this.id = id;
    this.#options = options;
    this.fingerprint = `espeak ${packageVersion()} ${wordsPerMinute} ${pitch}`;
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  locales(): readonly string[] {
    return this.#voices?.locales ?? [];
  }

  async synthesize(utterance: Utterance, signal: AbortSignal): Promise<Pcm> {
    if (signal.aborted) throw stopped(this.id, signal);
    if (this.#voices === undefined || this.#closing !== undefined) throw failed(this.id, 'does not run');
    const voice = this.#voices.find(utterance);
    if (voice === undefined) throw utterance.voice === undefined ? noLocale(this.id) : noVoice(this.id);
    const pcm = await new Promise<Pcm>((resolve, reject) => {
      const onAbort = (): void => this.#stop(waiting);
      const waiting: Waiting = { voice, utterance, signal, resolve, reject, worker: undefined, onAbort };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#queue.push(waiting);
      this.#next();
    });
    return audible(this.id, pcm);
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #start(): Promise<void> {
    const listener = { onIdle: () => this.#next(), onLost: () => this.#lost() };
    const workers = Array.from({ length: this.#options.processes }, () => new EspeakWorker(listener));
    this.#workers = workers;
    const states = await Promise.all(workers.map((worker) => worker.start()));
    for (const state of states) {
      if (typeof state !== 'string') continue;
      await Promise.all(workers.map((worker) => worker.close()));
      this.#workers = [];
      if (state === 'broken') throw failed(this.id, 'does not start');
      throw failed(this.id, `needs the package ${PACKAGE}: npm install ${PACKAGE}`);
    }
    const [first] = states;
    if (typeof first === 'object') this.#voices = new EspeakVoices(first.voices, first.variants);
  }

  async #close(): Promise<void> {
    for (const waiting of [...this.#queue, ...this.#spoken])
      this.#fail(waiting, failed(this.id, 'is closed'));
    await Promise.all(this.#workers.map((worker) => worker.close()));
    await this.#starting?.catch(() => undefined);
    this.#voices = undefined;
  }

  /** Gives what waits to processes that have nothing to do. */
  #next(): void {
    for (const worker of this.#workers) {
      if (!worker.idle) continue;
      const waiting = this.#queue.shift();
      if (waiting === undefined) return;
      void this.#speak(waiting, worker);
    }
  }

  async #speak(waiting: Waiting, worker: EspeakWorker): Promise<void> {
    waiting.worker = worker;
    this.#spoken.add(waiting);
    const { voice, utterance } = waiting;
    const { pitch, wordsPerMinute } = this.#options;
    const answer = await worker.run({
      id: ++this.#lastId,
      voice,
      pitch,
      wordsPerMinute: Math.min(FASTEST, Math.max(SLOWEST, Math.round(wordsPerMinute * utterance.speed))),
      ssml: escapeXml(plainText(utterance.text)),
      maxSeconds: MAX_CLIP_SECONDS,
    });
    if (answer.type === 'said') {
      this.#settle(waiting);
      waiting.resolve({ sampleRate: answer.sampleRate, samples: answer.samples });
    } else {
      this.#fail(waiting, this.#errorOf(answer));
    }
  }

  #errorOf(answer: Exclude<EspeakAnswer, { type: 'said' }>): PromptError {
    if (answer.type === 'died') return failed(this.id, 'broke off');
    if (answer.why === 'no_voice') return noVoice(this.id);
    return answer.why === 'too_long' ? tooLong(this.id) : notAudio(this.id, 'cannot speak this');
  }

  #stop(waiting: Waiting): void {
    const { worker } = waiting;
    if (worker === undefined) this.#queue.splice(this.#queue.indexOf(waiting), 1);
    else worker.abandon();
    this.#fail(waiting, stopped(this.id, waiting.signal));
  }

  /** No process comes up: nobody waits for the next try. */
  #lost(): void {
    if (this.#spoken.size > 0 || this.#workers.some((worker) => worker.idle)) return;
    for (const waiting of this.#queue.splice(0)) this.#fail(waiting, failed(this.id, 'does not start'));
  }

  #fail(waiting: Waiting, error: PromptError): void {
    this.#settle(waiting);
    waiting.reject(error);
  }

  #settle(waiting: Waiting): void {
    this.#spoken.delete(waiting);
    waiting.signal.removeEventListener('abort', waiting.onAbort);
  }
}

/** Its sound may change with its version. Nothing of the package is run for that. */
function packageVersion(): string {
  try {
    const file = createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`);
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  } catch {
    return 'missing';
  }
}
