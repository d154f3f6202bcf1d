import pLimit, { type LimitFunction } from 'p-limit';
import type { Pcm } from '../media/pcm.ts';
import { MAX_CLIP_SECONDS } from './clip.ts';
import { PromptError, type PromptFault } from './prompt-error.ts';
import { type Pass, ProviderHealth } from './provider-health.ts';
import type { TtsProvider, Utterance } from './tts.ts';

/** What is written of providers; a pino logger fits. No field ever holds a text. */
export interface SpeechLog {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
}

export interface SpeakerOptions {
  /** For one utterance, from the moment at which the provider is asked; also for its start and its close. */
  readonly timeoutMs: number;
  /** Utterances under way at the same time. */
  readonly maxConcurrent: number;
  /** Requests that wait for one of them to end. */
  readonly maxWaiting: number;
  /** Epoch ms. */
  readonly now: () => number;
  readonly log: SpeechLog;
  /** How long an unhealthy provider is left alone at first, and at last. Default 1000 and 60,000. */
  readonly restMs?: { readonly first: number; readonly longest: number };
}

export interface ProviderState {
  readonly id: string;
  readonly healthy: boolean;
  /** Of the last change, epoch ms. */
  readonly since: number;
  /** The last failure, also of a provider that is healthy again. */
  readonly lastFault?: PromptFault;
}

/** Utterances since the beginning. */
export interface SpokenCounts {
  readonly synthesised: number;
  /** Asked for, and not usable or not in time. */
  readonly failed: number;
  /** Requests that never came to the provider: it is unhealthy, or too many wait already. */
  readonly refused: number;
}

const REST_MS = { first: 1000, longest: 60_000 };
/** −60 dBFS: below it is noise of a converter, not a voice. */
const SILENT = 32;
const MIN_RATE = 4000;
const MAX_RATE = 192_000;

/** One provider, as it is asked: so many at a time, not longer than so long, and not at all while it is unhealthy. */
export class Speaker {
  readonly #provider: TtsProvider;
  readonly #options: SpeakerOptions;
  readonly #health: ProviderHealth;
  readonly #limit: LimitFunction;
  readonly #firstRestMs: number;
  /** Requests that were let in and are not answered, by what ends them. */
  readonly #inside = new Set<AbortController>();
  #counts = { synthesised: 0, failed: 0, refused: 0 };
  #starting: Promise<void> | undefined;
  #started = false;
  #closed = false;
  /** The message of the last failure. */
  #reason = '';
  #reviving: NodeJS.Timeout | undefined;
  /** Where something was heard last. */
  #heardIn: string | undefined;

  constructor(provider: TtsProvider, options: SpeakerOptions) {
    const rest = options.restMs ?? REST_MS;
    this.#provider = provider;
    this.#options = options;
    this.#firstRestMs = rest.first;
    this.#limit = pLimit(options.maxConcurrent);
    this.#health = new ProviderHealth({
      now: options.now,
      firstRestMs: rest.first,
      longestRestMs: rest.longest,
      onChange: () => this.#changed(),
    });
  }

  get id(): string {
    return this.#provider.id;
  }

  get fingerprint(): string {
    return this.#provider.fingerprint;
  }

  get healthy(): boolean {
    return this.#health.healthy;
  }

  /** Tries to start the provider, and again later while it does not. Resolves after the first try or the timeout. */
  async start(): Promise<void> {
    const pass = this.#health.admit();
    if (pass !== undefined) await this.#within(this.#begin(pass));
  }

  /** What it speaks; empty before it has started. */
  locales(): readonly string[] {
    return this.#started ? this.#provider.locales() : [];
  }

  /**
   * Speaks all of them, begun in this order: the first one alone, so that a provider that is away is noticed by
   * one utterance. It is one request, whatever it has to say.
   *
   * @param abreast so many at a time, and not more than the provider takes
   * @throws PromptError tts_failed, tts_timeout, too_long; not_audio where nothing is heard of this text, and of
   *   others something is; and the signal's reason
   */
  async speak(utterances: readonly Utterance[], abreast: number, signal: AbortSignal): Promise<Pcm[]> {
    if (!this.#started || this.#closed || this.#health.refuses()) throw this.#refusal();
    if (this.#inside.size >= this.#options.maxConcurrent + this.#options.maxWaiting) {
      this.#counts.refused++;
      throw new PromptError('tts_failed', `too many wait for the speech provider ${this.id}`);
    }
    const stop = new AbortController();
    const unfollow = follow(stop, signal);
    this.#inside.add(stop);
    try {
      return await untilAborted(stop.signal, this.#speakAll(utterances, abreast, stop.signal));
    } finally {
      unfollow();
      this.#inside.delete(stop);
      // Where one of them failed, the others are of no use.
      stop.abort();
    }
  }

  state(): ProviderState {
    const { healthy, since, lastFault } = this.#health;
    return { id: this.id, healthy, since, ...(lastFault === undefined ? {} : { lastFault }) };
  }

  counts(): SpokenCounts {
    return { ...this.#counts };
  }

  /** Ends what is under way. Never rejects, and does not wait for a provider that hangs. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#reviving);
    for (const stop of this.#inside) {
      stop.abort(new PromptError('tts_failed', `the speech provider ${this.id} is closed`));
    }
    if (this.#starting !== undefined) await this.#within(this.#starting);
    await this.#within(this.#closeProvider());
  }

  async #speakAll(utterances: readonly Utterance[], abreast: number, signal: AbortSignal): Promise<Pcm[]> {
    const spoken: Pcm[] = [];
    const waiting = [...utterances.entries()];
    const speakNext = async (): Promise<boolean> => {
      const [index, utterance] = waiting.shift() ?? [];
      if (index === undefined || utterance === undefined) return false;
      spoken[index] = await this.#limit(() => this.#utter(utterance, signal));
      return true;
    };
    await speakNext();
    const lanes = Array.from({ length: Math.min(abreast, waiting.length) }, async () => {
      while (await speakNext());
    });
    await Promise.all(lanes);
    return spoken;
  }

  async #utter(utterance: Utterance, signal: AbortSignal): Promise<Pcm> {
    signal.throwIfAborted();
    const pass = this.#health.admit();
    if (pass === undefined) throw this.#refusal();
    try {
      const pcm = await this.#attempt(pass, utterance, signal);
      this.#counts.synthesised++;
      return pcm;
    } catch (error) {
      if (!signal.aborted) this.#counts.failed++;
      throw error;
    }
  }

  /** Asks the provider, and tells its health what came of it. */
  async #attempt(pass: Pass, utterance: Utterance, signal: AbortSignal): Promise<Pcm> {
    try {
      const pcm = await this.#timed(utterance, signal);
      check(pcm, this.id);
      this.#heardIn = utterance.locale;
      this.#health.succeeded(pass);
      return pcm;
    } catch (error) {
      if (signal.aborted) {
        this.#health.left(pass);
        throw signal.reason;
      }
      const failure = await this.#judged(pass, utterance, this.#translated(error));
      this.#reason = failure.message;
      throw failure;
    } finally {
      if (pass.probe) this.#reviveLater();
    }
  }

  /**
   * Tells the provider's health of a failure, and the failure as the client is to know it. No client makes a provider
   * unhealthy for all others by what it asks for: where that may be the reason, something is said that can be heard
   * of every provider that works.
   */
  async #judged(pass: Pass, utterance: Utterance, failure: PromptError): Promise<PromptError> {
    const { fault } = failure;
    if (fault === 'too_long') this.#health.succeeded(pass);
    else if (fault === 'unknown_voice') this.#health.left(pass);
    else if (fault !== 'not_audio' && !this.#health.wavers) this.#health.failed(pass, fault);
    else if (await this.#speaksOtherwise(utterance)) this.#health.succeeded(pass);
    else {
      this.#reason = failure.message;
      this.#health.failed(pass, fault);
      if (fault === 'not_audio') return new PromptError('tts_failed', failure.message);
    }
    return failure;
  }

  /** Whether it says what anybody can say. */
  async #speaksOtherwise(failed: Utterance): Promise<boolean> {
    const known = this.#knownGood();
    if (known === undefined || isSame(known, failed)) return false;
    const stop = new AbortController();
    this.#inside.add(stop);
    try {
      check(await this.#timed(known, stop.signal), this.id);
      return true;
    } catch {
      return false;
    } finally {
      this.#inside.delete(stop);
    }
  }

  /** It says nothing of anybody. */
  #knownGood(): Utterance | undefined {
    const locale = this.#heardIn ?? this.#provider.locales()[0];
    return locale === undefined ? undefined : { text: '1', locale, speed: 1 };
  }

  /** A provider that does not heed its signal keeps nobody waiting, and no place either. */
  async #timed(utterance: Utterance, signal: AbortSignal): Promise<Pcm> {
    const { timeoutMs } = this.#options;
    const stop = new AbortController();
    const unfollow = follow(stop, signal);
    const timer = setTimeout(() => {
      stop.abort(
        new PromptError('tts_timeout', `the speech provider ${this.id} took longer than ${timeoutMs} ms`),
      );
    }, timeoutMs);
    try {
      const spoken = (async () => this.#provider.synthesize(utterance, stop.signal))();
      return await untilAborted(stop.signal, spoken);
    } catch (error) {
      // What a provider throws when it is stopped is its own way to say so.
      throw stop.signal.aborted ? stop.signal.reason : error;
    } finally {
      clearTimeout(timer);
      unfollow();
    }
  }

  /** Errors that are not of the port may hold the text: nothing of them but their name goes on. */
  #translated(error: unknown): PromptError {
    if (error instanceof PromptError) return error;
    const name = error instanceof Error ? error.name : typeof error;
    return new PromptError('tts_failed', `the speech provider ${this.id} failed (${name})`);
  }

  #refusal(): PromptError {
    this.#counts.refused++;
    return new PromptError('tts_failed', `the speech provider ${this.id} is not available`);
  }

  /** The start is a probe. One that takes longer than anybody waits still counts when it is done. */
  #begin(pass: Pass): Promise<void> {
    this.#starting = (async () => {
      try {
        await this.#provider.start();
        this.#started = true;
        this.#health.succeeded(pass);
        // Closed in the meantime, and perhaps before there was anything to close.
        if (this.#closed) await this.#closeProvider();
      } catch (error) {
        const first = this.#health.lastFault === undefined;
        const { fault, message } = this.#translated(error);
        this.#reason = message;
        this.#health.failed(pass, fault);
        if (first) this.#unavailable();
        this.#reviveLater();
      }
    })();
    return this.#starting;
  }

  /** Nobody may ask an unhealthy provider while others are healthy: it is tried when its rest is over. */
  #reviveLater(): void {
    clearTimeout(this.#reviving);
    if (this.#health.healthy || this.#closed) return;
    const waitMs = Math.max(this.#health.restsMs(), this.#firstRestMs);
    this.#reviving = setTimeout(() => void this.#revive(), waitMs).unref();
  }

  async #revive(): Promise<void> {
    const pass = this.#health.admit();
    if (pass === undefined) return this.#reviveLater();
    if (!this.#started) return this.#begin(pass);
    const probe = this.#knownGood();
    if (probe === undefined) {
      this.#health.failed(pass, 'tts_failed');
      return this.#reviveLater();
    }
    const stop = new AbortController();
    this.#inside.add(stop);
    await this.#limit(() => this.#attempt(pass, probe, stop.signal)).catch(() => undefined);
    this.#inside.delete(stop);
  }

  #changed(): void {
    if (this.#closed) return;
    if (this.#health.healthy) this.#options.log.info({ provider: this.id }, 'a speech provider is available');
    else this.#unavailable();
    this.#reviveLater();
  }

  #unavailable(): void {
    const fields = { provider: this.id, fault: this.#health.lastFault, reason: this.#reason };
    this.#options.log.warn(fields, 'a speech provider is not available');
  }

  async #closeProvider(): Promise<void> {
    try {
      await this.#provider.close();
    } catch {
      this.#options.log.warn({ provider: this.id }, 'a speech provider cannot be closed');
    }
  }

  /** Resolves with it, or after the timeout. */
  async #within(work: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.timeoutMs);
    });
    await Promise.race([work, late]);
    clearTimeout(timer);
  }
}

function isSame(a: Utterance, b: Utterance): boolean {
  const plain = b.voice === undefined && b.gender === undefined;
  return plain && a.text === b.text && a.locale === b.locale && a.speed === b.speed;
}

/** Aborts with the signal, until that is undone. */
function follow(stop: AbortController, signal: AbortSignal): () => void {
  const forward = (): void => stop.abort(signal.reason);
  if (signal.aborted) forward();
  else signal.addEventListener('abort', forward, { once: true });
  return () => signal.removeEventListener('abort', forward);
}

/** Rejects with the signal's reason even if the work does not care. */
async function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let leave: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (leave !== undefined) signal.removeEventListener('abort', leave);
  }
}

/** @throws PromptError not_audio or too_long */
function check({ sampleRate, samples }: Pcm, id: string): void {
  if (!Number.isInteger(sampleRate) || sampleRate < MIN_RATE || sampleRate > MAX_RATE) {
    throw new PromptError('not_audio', `the speech provider ${id} gave audio of no usable sample rate`);
  }
  if (samples.length > MAX_CLIP_SECONDS * sampleRate) {
    throw new PromptError('too_long', `the speech provider ${id} spoke longer than ${MAX_CLIP_SECONDS} s`);
  }
  if (!samples.some((sample) => Math.abs(sample) > SILENT)) {
    throw new PromptError('not_audio', `the speech provider ${id} gave silence`);
  }
}
