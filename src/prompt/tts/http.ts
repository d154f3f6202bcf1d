import { createHash } from 'node:crypto';
import { Agent } from 'undici';
import type { HttpConfig } from '../../config-tts.ts';
import type { Pcm } from '../../media/pcm.ts';
import type { TtsProvider, Utterance } from '../tts.ts';
import { type Asker, ask, type HttpAnswer } from './http-exchange.ts';
import { HTTP_PRESETS, type HttpPreset } from './http-presets.ts';
import { speechFromWav } from './speech-audio.ts';
import { failed, MAX_WAV_BYTES, noLocale, noVoice, stopped } from './speech-fault.ts';
import { plainText } from './spoken-text.ts';
import { voiceOf } from './voice-table.ts';

/** Names of voices that clients may ask for: nothing that could be more than a name. */
const VOICE = /^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$/;
const CONNECT_MS = 5000;
const KEEP_ALIVE_MS = 30_000;
const CONNECTIONS = 16;

/** A service that speaks, asked by HTTP. A `voice` is one of the service's own. */
export class HttpProvider implements TtsProvider {
  readonly id: string;
  readonly fingerprint: string;
  readonly #config: HttpConfig;
  readonly #preset: HttpPreset;
  readonly #voices: NonNullable<HttpConfig['voices']> | HttpPreset['voices'];
  readonly #spoken: ReadonlySet<string>;
  #agent: Agent | undefined;
  #closed = false;

  constructor(config: HttpConfig) {
    this.id = config.id;
    this.#config = config;
    this.#preset = HTTP_PRESETS[config.preset];
    const { voices, locales } = config;
    const own = voices !== undefined || locales !== undefined;
    this.#voices = voices ?? (own ? {} : this.#preset.voices);
    const without = locales ?? (own ? [] : this.#preset.locales);
    this.#spoken = new Set([...Object.keys(this.#voices), ...without].toSorted());
    const { preset, url, region, model, sampleRate } = config;
    const sounding = JSON.stringify([preset, url, region, model, sampleRate, this.#voices]);
    this.fingerprint = `http ${createHash('sha256').update(sounding).digest('base64url')}`;
  }

  /** Asks nothing: services count what is asked. */
  start(): Promise<void> {
    this.#agent ??= new Agent({
      connections: CONNECTIONS,
      connect: { timeout: CONNECT_MS },
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The signal says how long it may take.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return Promise.resolve();
  }

  locales(): readonly string[] {
    return this.#agent === undefined ? [] : [...this.#spoken];
  }

  async synthesize(utterance: Utterance, signal: AbortSignal): Promise<Pcm> {
    if (signal.aborted) throw stopped(this.id, signal);
    if (this.#agent === undefined || this.#closed) throw failed(this.id, 'does not run');
    const { locale, gender, speed } = utterance;
    const voice = this.#voiceFor(utterance);
    const text = plainText(utterance.text);
    const question = this.#preset.question(this.#config, { text, locale, voice, gender, speed });
    const asker: Asker = {
      id: this.id,
      agent: this.#agent,
      maxBytes: this.#maxBytes(),
      voiceNamed: utterance.voice !== undefined,
    };
    const answer = await ask(asker, question, signal);
    return speechFromWav(
      this.id,
      this.#preset.answer === 'json' ? this.#fromJson(answer) : this.#fromBody(answer),
    );
  }

  /** Ends what is under way, and all connections. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#agent?.destroy();
  }

  #voiceFor({ locale, voice, gender }: Utterance): string | undefined {
    if (!this.#spoken.has(locale)) throw noLocale(this.id);
    if (voice !== undefined) {
      if (!VOICE.test(voice)) throw noVoice(this.id);
      return voice;
    }
    const ofLocale = this.#voices[locale];
    if (ofLocale !== undefined) return voiceOf(ofLocale, gender);
    const chosen = this.#preset.anyLocale?.[gender ?? 'any'];
    // Azure has no voice of its own choice.
    if (chosen === undefined && this.#config.preset === 'azure') throw noVoice(this.id);
    return chosen;
  }

  #maxBytes(): number {
    // Base64 takes four bytes for three.
    return this.#preset.answer === 'json' ? Math.ceil(MAX_WAV_BYTES / 3) * 4 + 1000 : MAX_WAV_BYTES;
  }

  #fromBody({ contentType, body }: HttpAnswer): Uint8Array {
    if (!/^(?:audio\/.+|application\/octet-stream|binary\/octet-stream|)$/.test(contentType)) {
      throw failed(this.id, 'answered with something else than audio');
    }
    return body;
  }

  #fromJson({ body }: HttpAnswer): Uint8Array {
    let audio: unknown;
    try {
      audio = (JSON.parse(body.toString('utf8')) as { audioContent?: unknown } | null)?.audioContent;
    } catch {
      // Its message would repeat what it could not read.
    }
    if (typeof audio !== 'string') throw failed(this.id, 'answered with something else than audio');
    return Buffer.from(audio, 'base64');
  }
}
