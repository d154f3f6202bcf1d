import { createHash, createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { CLIP_BYTES_PER_SAMPLE } from '../media/encoded-speech.ts';
import { resamplePatiently } from '../media/patient-resample.ts';
import type { PcmSource } from '../media/pcm-source.ts';
import { readWavHeader, WavError, wavSource } from '../media/wav.ts';
import type { OutboundResponse } from '../outbound/guarded-fetch.ts';
import { OutboundError, type OutboundReason } from '../outbound/outbound-error.ts';
import { CLIP_RATE } from './clip.ts';
import { PromptError, type PromptFault } from './prompt-error.ts';
import { SharedWork } from './shared-work.ts';

/** Asks an address that a client named, and only where that does no harm. */
export interface UrlSource {
  /** @throws {OutboundError} and the signal's reason when that aborts */
  get(
    url: string,
    options: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal },
  ): Promise<OutboundResponse>;
}

export interface UrlClipsOptions {
  readonly fetch: UrlSource;
  /** A longer sound is refused. */
  readonly maxSeconds: number;
  /** For all clips that are kept, and what they are encoded to. */
  readonly memoryBytes: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The longest that a clip is used without asking, whatever its server allows; one hour where it is left out. */
  readonly maxAgeMs?: number | undefined;
}

/** What is known of a URL whose clip is kept. */
interface Entry {
  /** Of the file's bytes: the name of its clip. */
  readonly digest: string;
  /** Where the file came from: its validators mean nothing elsewhere. */
  readonly source: string;
  readonly validators: Readonly<Record<string, string>>;
  readonly lifetimeMs: number;
  readonly freshUntil: number;
}

interface Known {
  readonly entry: Entry;
  readonly samples: Int16Array;
}

const MAX_RATE = 48_000;
const MAX_AGE_MS = 3_600_000;
/** A few hundred bytes each; a clip may have many URLs. */
const MAX_ENTRIES = 4096;
/** Rates that are no multiple of 100 Hz. Others make filters of up to 20 MB each, which are kept. */
const ODD_RATES: readonly number[] = [11_025, 22_050];
const ACCEPT = 'audio/wav, audio/x-wav, audio/*;q=0.9, application/octet-stream;q=0.5, */*;q=0.1';
/** `audio/…`, what servers say of bytes that they do not know, and old names of WAV. */
const MAYBE_AUDIO = /^(?:audio\/.+|(?:application|binary)\/octet-stream|application\/(?:x-|vnd\.)?wave?)$/;
const MEDIA_TYPE = /^[\w.+-]{1,40}\/[\w.+-]{1,40}$/;
const ENTITY_TAG = /^(?:W\/)?"[!#-~]{0,250}"$/;
const HTTP_DATE = /^[\w ,:+-]{1,50}$/;
/** Format tags of what is played. */
const TAG_NAMES: Readonly<Record<number, string>> = { 1: 'PCM', 6: 'A-law', 7: 'µ-law' };
const FAULTS: Readonly<Record<OutboundReason, PromptFault>> = {
  refused: 'url_refused',
  failed: 'url_failed',
  timeout: 'url_failed',
  too_large: 'too_long',
};

/**
 * The sounds that playlists name by URL. They are kept in memory as far as HTTP allows it (RFC 9111, as a private
 * cache that follows `max-age`, `no-cache`, `no-store` and `Age`), and asked for again with their validators.
 */
export class UrlClips {
  readonly #options: UrlClipsOptions;
  readonly #entries = new LRUCache<string, Entry>({ max: MAX_ENTRIES });
  readonly #clips: LRUCache<string, Int16Array>;
  readonly #loading = new SharedWork<Int16Array>();
  /** URLs may hold what is nobody's business: they are known by a hash that means nothing outside. */
  readonly #salt = randomBytes(32);

  constructor(options: UrlClipsOptions) {
    this.#options = options;
    this.#clips = new LRUCache<string, Int16Array>({
      maxSize: options.memoryBytes,
      sizeCalculation: ({ length }) => Math.max(1, length * CLIP_BYTES_PER_SAMPLE),
    });
  }

  /**
   * The sound that a URL gives, 8000 samples a second: the same object for the same file, for as long as it is
   * kept. Those who ask for one URL at a time share one request, and an abort ends it for the last one only.
   *
   * @throws {PromptError} url_refused, url_failed, not_audio or too_long, and the signal's reason when that aborts
   */
  async clip(url: string, signal: AbortSignal): Promise<Int16Array> {
    signal.throwIfAborted();
    const key = createHmac('sha256', this.#salt).update(url).digest('base64');
    const known = this.#known(key);
    if (known && this.#options.now() < known.entry.freshUntil) return known.samples;
    return this.#loading.do(key, signal, (stop) => this.#load(key, url, known, stop));
  }

  #known(key: string): Known | undefined {
    const entry = this.#entries.get(key);
    const samples = entry && this.#clips.get(entry.digest);
    return samples && { entry, samples };
  }

  async #load(key: string, url: string, known: Known | undefined, signal: AbortSignal): Promise<Int16Array> {
    const askedAt = this.#options.now();
    const answer = await this.#get(url, known?.entry.validators ?? {}, signal);
    if (answer.status === 304 && known) {
      if (answer.url === known.entry.source) {
        this.#keep(key, url, answer, known.entry.digest, askedAt, known.entry);
        return known.samples;
      }
      // A redirect leads elsewhere now, to a file that happens to have the same validator.
      this.#entries.delete(key);
      return this.#load(key, url, undefined, signal);
    }
    checkAnswer(answer);
    const digest = createHash('sha256').update(answer.body).digest('base64');
    const decoded = this.#clips.get(digest) ?? (await this.#decode(answer, signal));
    // Another URL may have given the same file meanwhile.
    const samples = this.#clips.get(digest) ?? decoded;
    if (this.#keep(key, url, answer, digest, askedAt)) this.#clips.set(digest, samples);
    return samples;
  }

  async #get(
    url: string,
    validators: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<OutboundResponse> {
    try {
      return await this.#options.fetch.get(url, { headers: { accept: ACCEPT, ...validators }, signal });
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      throw new PromptError(FAULTS[error.reason], error.message, { cause: error });
    }
  }

  /** Notes what an answer says of the file; false where it says that nobody may keep it. */
  #keep(
    key: string,
    url: string,
    { headers, url: source }: OutboundResponse,
    digest: string,
    askedAt: number,
    before?: Entry,
  ): boolean {
    const said = directives(headers['cache-control'] ?? '');
    if (said.has('no-store')) {
      this.#entries.delete(key);
      return false;
    }
    // What a 304 leaves out holds on (RFC 9111 §4.3.4).
    const lifetimeMs = before && headers['cache-control'] === undefined ? before.lifetimeMs : lifetime(said);
    // The file's lifetime is not that of a redirect to it.
    const direct = source === new URL(url).href;
    const ageMs = 1000 * seconds(headers['age']);
    const freshMs = Math.min(lifetimeMs - ageMs, this.#options.maxAgeMs ?? MAX_AGE_MS);
    this.#entries.set(key, {
      digest,
      source,
      validators: { ...before?.validators, ...validatorsOf(headers) },
      lifetimeMs,
      freshUntil: direct && freshMs > 0 ? askedAt + freshMs : 0,
    });
    return true;
  }

  async #decode(answer: OutboundResponse, signal: AbortSignal): Promise<Int16Array> {
    const { maxSeconds } = this.#options;
    try {
      const sound = playable(answer.body);
      if (sound.length > maxSeconds * sound.sampleRate) {
        throw new PromptError('too_long', `the sound from ${hostOf(answer)} is longer than ${maxSeconds} s`);
      }
      return await resamplePatiently(sound, CLIP_RATE, signal);
    } catch (error) {
      if (!(error instanceof WavError)) throw error;
      const message = `what ${hostOf(answer)} gave cannot be played: ${error.message}`;
      throw new PromptError('not_audio', message, { cause: error });
    }
  }
}

function hostOf({ url }: OutboundResponse): string {
  const { protocol, hostname } = new URL(url);
  return `${protocol}//${hostname}`;
}

function checkAnswer(answer: OutboundResponse): void {
  const { status, headers } = answer;
  if (status !== 200) throw new PromptError('url_failed', `${hostOf(answer)} answered with status ${status}`);
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === '' || MAYBE_AUDIO.test(type)) return;
  const named = MEDIA_TYPE.test(type) ? type : 'something';
  throw new PromptError('not_audio', `${hostOf(answer)} gave ${named} and not a WAV file`);
}

/** Names in lower case; a name without a value has an empty one. */
function directives(cacheControl: string): ReadonlyMap<string, string> {
  const parts = cacheControl.split(',').map((part) => part.trim().toLowerCase().split('='));
  return new Map(parts.map(([name = '', value = '']) => [name, value.replaceAll('"', '')]));
}

function lifetime(said: ReadonlyMap<string, string>): number {
  return said.has('no-cache') ? 0 : 1000 * seconds(said.get('max-age'));
}

function seconds(value: string | undefined): number {
  return /^\d{1,10}$/.test(value ?? '') ? Number(value) : 0;
}

function validatorsOf(headers: OutboundResponse['headers']): Record<string, string> {
  const { etag = '', 'last-modified': modified = '' } = headers;
  return {
    ...(ENTITY_TAG.test(etag) ? { 'if-none-match': etag } : {}),
    ...(HTTP_DATE.test(modified) ? { 'if-modified-since': modified } : {}),
  };
}

/** @throws {WavError} for what is no WAV, and for kinds that are not played */
function playable(bytes: Uint8Array): PcmSource {
  const header = readWavHeader(bytes);
  const { tag, sampleRate, frames } = header;
  if (TAG_NAMES[tag] === undefined) {
    throw new WavError(`format ${tag} is not one of ${Object.values(TAG_NAMES).join(', ')}`);
  }
  if (sampleRate < CLIP_RATE || sampleRate > MAX_RATE) {
    throw new WavError(`${sampleRate} Hz is not in the range of ${CLIP_RATE} to ${MAX_RATE} Hz`);
  }
  if (sampleRate % 100 !== 0 && !ODD_RATES.includes(sampleRate)) {
    throw new WavError(`${sampleRate} Hz is no usual sample rate`);
  }
  if (frames * CLIP_RATE < sampleRate) throw new WavError('there is no sound in it');
  return wavSource(header);
}
