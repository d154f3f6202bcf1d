import { createHash, createHmac, randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { resample } from '../media/resample.ts';
import { parseWav, WavError } from '../media/wav.ts';
import type { OutboundResponse } from '../outbound/guarded-fetch.ts';
import { OutboundError, type OutboundReason } from '../outbound/outbound-error.ts';
import { PromptError, type PromptFault } from './prompt-error.ts';

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

/** One fetch, and those who wait for it. */
interface Flight {
  readonly result: Promise<Int16Array>;
  readonly stop: AbortController;
  waiting: number;
}

/** Samples a second of a clip. */
const CLIP_RATE = 8000;
const MAX_RATE = 48_000;
const MAX_AGE_MS = 3_600_000;
/** A few hundred bytes each; a clip may have many URLs. */
const MAX_ENTRIES = 4096;
/** A sample has two bytes, and one more in each of two codecs for as long as the clip lives. */
const BYTES_PER_SAMPLE = 4;
/** Samples of a clip that are made without a pause for other work: half a second, some milliseconds from 48 kHz. */
const PIECE_SAMPLES = 4000;
/** What the resampler needs to see on both sides of a piece: 146 samples at 48 kHz. */
const MARGIN_SAMPLES = 256;
/** Rates that are no multiple of 100 Hz. Others make filters of up to 20 MB each, which are kept. */
const ODD_RATES: readonly number[] = [11_025, 22_050];
const ACCEPT = 'audio/wav, audio/x-wav, audio/*;q=0.9, application/octet-stream;q=0.5, */*;q=0.1';
/** `audio/…`, what servers say of bytes that they do not know, and old names of WAV. */
const MAYBE_AUDIO = /^(?:audio\/.+|(?:application|binary)\/octet-stream|application\/(?:x-|vnd\.)?wave?)$/;
const MEDIA_TYPE = /^[\w.+-]{1,40}\/[\w.+-]{1,40}$/;
const ENTITY_TAG = /^(?:W\/)?"[!#-~]{0,250}"$/;
const HTTP_DATE = /^[\w ,:+-]{1,50}$/;
const TAG_NAMES: Readonly<Record<number, string>> = { 1: 'PCM', 6: 'A-law', 7: 'µ-law' };
const TAG_EXTENSIBLE = 0xfffe;
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
  readonly #flights = new Map<string, Flight>();
  /** URLs may hold what is nobody's business: they are known by a hash that means nothing outside. */
  readonly #salt = randomBytes(32);

  constructor(options: UrlClipsOptions) {
    this.#options = options;
    this.#clips = new LRUCache<string, Int16Array>({
      maxSize: options.memoryBytes,
      sizeCalculation: ({ length }) => Math.max(1, length * BYTES_PER_SAMPLE),
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
    const flight = this.#flights.get(key) ?? this.#start(key, url, known);
    return this.#join(key, flight, signal);
  }

  #known(key: string): Known | undefined {
    const entry = this.#entries.get(key);
    const samples = entry && this.#clips.get(entry.digest);
    return samples && { entry, samples };
  }

  #start(key: string, url: string, known: Known | undefined): Flight {
    const stop = new AbortController();
    const result = this.#load(key, url, known, stop.signal);
    const flight: Flight = { result, stop, waiting: 0 };
    this.#flights.set(key, flight);
    const landed = (): void => this.#forget(key, flight);
    void result.then(landed, landed);
    return flight;
  }

  async #join(key: string, flight: Flight, signal: AbortSignal): Promise<Int16Array> {
    flight.waiting++;
    let leave: () => void = () => {};
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => reject(signal.reason as Error);
      signal.addEventListener('abort', leave, { once: true });
    });
    try {
      return await Promise.race([flight.result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      if (--flight.waiting === 0) {
        this.#forget(key, flight);
        flight.stop.abort();
      }
    }
  }

  #forget(key: string, flight: Flight): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
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
      const sound = openWav(answer.body);
      if (sound.frames > maxSeconds * sound.sampleRate) {
        throw new PromptError('too_long', `the sound from ${hostOf(answer)} is longer than ${maxSeconds} s`);
      }
      return await toClip(sound, signal);
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

/** A WAV file whose header was read, and nothing else of it. */
interface Sound {
  /** The fmt chunk, of an even length. */
  readonly format: Uint8Array;
  readonly data: Uint8Array;
  readonly sampleRate: number;
  readonly frameBytes: number;
  readonly frames: number;
}

/**
 * Reads the header. The lengths in it are believed as far as there are bytes.
 *
 * @throws {WavError} for what is no WAV, and for kinds that are not played
 */
function openWav(bytes: Uint8Array): Sound {
  const { format, data } = chunksOf(bytes);
  if (format.length < 16) throw new WavError('the fmt chunk is too short');
  const view = new DataView(format.buffer, format.byteOffset, format.length);
  const plain = view.getUint16(0, true);
  const tag = plain === TAG_EXTENSIBLE && format.length >= 26 ? view.getUint16(24, true) : plain;
  if (TAG_NAMES[tag] === undefined) {
    throw new WavError(`format ${tag} is not one of ${Object.values(TAG_NAMES).join(', ')}`);
  }
  // A file without sound says whether all else in its header is right.
  const { sampleRate } = parseWav(wavOf(format, new Uint8Array(0)));
  if (sampleRate < CLIP_RATE || sampleRate > MAX_RATE) {
    throw new WavError(`${sampleRate} Hz is not in the range of ${CLIP_RATE} to ${MAX_RATE} Hz`);
  }
  if (sampleRate % 100 !== 0 && !ODD_RATES.includes(sampleRate)) {
    throw new WavError(`${sampleRate} Hz is no usual sample rate`);
  }
  const frameBytes = view.getUint16(12, true);
  const frames = Math.floor(data.length / frameBytes);
  if (frames * CLIP_RATE < sampleRate) throw new WavError('there is no sound in it');
  return { format, data, sampleRate, frameBytes, frames };
}

function chunksOf(bytes: Uint8Array): { format: Uint8Array; data: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 12 || view.getUint32(0) !== idOf('RIFF') || view.getUint32(8) !== idOf('WAVE')) {
    throw new WavError('not a RIFF WAV file');
  }
  const [fmt, data] = [idOf('fmt '), idOf('data')];
  let format: Uint8Array | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const id = view.getUint32(at);
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    // The longest fmt chunk that says anything has 40 bytes.
    if (id === fmt) format = bytes.subarray(start, start + (Math.min(size, 40) & ~1));
    if (id === data) {
      if (format === undefined) throw new WavError('the data chunk comes before the fmt chunk');
      // Who writes to a pipe does not know the length.
      const streamed = size === 0 && view.getUint32(4, true) !== bytes.length - 8;
      return { format, data: bytes.subarray(start, streamed ? bytes.length : start + size) };
    }
    // Chunks are padded to an even length.
    at = start + size + (size % 2);
  }
  throw new WavError(`there is no ${format === undefined ? 'fmt' : 'data'} chunk`);
}

function idOf(text: string): number {
  return Buffer.from(text, 'latin1').readUInt32BE();
}

function wavOf(format: Uint8Array, data: Uint8Array): Uint8Array {
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const body = ['WAVEfmt ', u32(format.length), format, 'data', u32(data.length), data];
  const chunks = body.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part));
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return Buffer.concat([Buffer.from('RIFF', 'latin1'), u32(length), ...chunks]);
}

/**
 * Decodes and resamples piece by piece, with turns for other work between them. Each piece is a whole number of
 * periods of the two rates and is made with what lies beside it, so that the pieces are what the whole would be.
 */
async function toClip(sound: Sound, signal: AbortSignal): Promise<Int16Array> {
  const { format, data, sampleRate, frameBytes, frames } = sound;
  const unit = gcd(sampleRate, CLIP_RATE);
  const up = CLIP_RATE / unit;
  const down = sampleRate / unit;
  const periods = Math.ceil(PIECE_SAMPLES / up);
  const margin = Math.ceil(MARGIN_SAMPLES / down);
  const clip = new Int16Array(Math.round((frames * up) / down));
  for (let period = 0; period * up < clip.length; period += periods) {
    const lead = Math.min(margin, period);
    const from = (period - lead) * down * frameBytes;
    const to = (period + periods + margin) * down * frameBytes;
    const piece = resample(parseWav(wavOf(format, data.subarray(from, to))), CLIP_RATE).samples;
    const room = Math.min(periods * up, clip.length - period * up);
    clip.set(piece.subarray(lead * up, lead * up + room), period * up);
    await nextTurn();
    signal.throwIfAborted();
  }
  return clip;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
