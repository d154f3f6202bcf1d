import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DOMParser } from '@xmldom/xmldom';
import type { Pcm } from '../../src/media/pcm.ts';
import { resample } from '../../src/media/resample.ts';
import { formatWav } from '../../src/media/wav.ts';
import { PromptError } from '../../src/prompt/prompt-error.ts';
import type { Gender, TtsProvider, Utterance } from '../../src/prompt/tts.ts';

export interface TtsRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** What is done with one request instead of speaking. */
export type Misbehaviour = (response: ServerResponse, speak: () => Promise<Buffer>) => void | Promise<void>;

/** The key that all of them want. */
export const TTS_KEY = 'key-of-the-tts-server';
/** Voices by the name of each service, and what they are. */
const GENDERS: Readonly<Record<string, Gender | undefined>> = {
  alloy: undefined,
  nova: 'female',
  onyx: 'male',
  'en-US-JennyNeural': 'female',
  'en-US-GuyNeural': 'male',
  'en-US-Standard-A': 'male',
  'en-US-Standard-C': 'female',
};
const SILENCE: Pcm = { sampleRate: 8000, samples: new Int16Array(800) };
/** Services refuse more. */
const MAX_CHARS = 5000;

/** Thrown where a service answers with a status. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`status ${status}`);
    this.status = status;
  }
}

interface Question extends Utterance {
  readonly sampleRate: number;
  readonly form: 'streamed' | 'json' | 'wav';
}

/** Speaks as OpenAI, Google and Azure do, each by its own path, with the voice of espeak-ng; and does not, if told so. */
export class TtsServer {
  readonly requests: TtsRequest[] = [];
  readonly #server: Server;
  readonly #voice: TtsProvider;
  readonly #misbehaviours: Misbehaviour[] = [];
  readonly #waiting = new Set<ServerResponse>();

  private constructor(server: Server, voice: TtsProvider) {
    this.#server = server;
    this.#voice = voice;
  }

  /** @param voice started; speaks for it */
  static async start(voice: TtsProvider): Promise<TtsServer> {
    const http = createServer();
    const server = new TtsServer(http, voice);
    http.on('request', (request, response) => void server.#serve(request, response));
    http.on('clientError', (_, socket) => socket.destroy());
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests whose answer is not complete, and whose connection is up. */
  get waiting(): number {
    return this.#waiting.size;
  }

  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  }

  /** So many of the next requests are not answered as they should be. */
  misbehave(...misbehaviours: Misbehaviour[]): void {
    this.#misbehaviours.push(...misbehaviours);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#waiting.add(response);
    response.on('close', () => this.#waiting.delete(response));
    response.on('error', () => undefined);
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += String(chunk);
    const { url: path = '', headers } = request;
    this.requests.push({ path, headers, body });
    try {
      const misbehave = this.#misbehaviours.shift();
      if (misbehave !== undefined) {
        return await misbehave(response, async () =>
          Buffer.from(formatWav(await this.#speak(read(path, headers, body)))),
        );
      }
      await this.#answer(read(path, headers, body), response);
    } catch (error) {
      response.statusCode = error instanceof Refused ? error.status : 500;
      // As services do, with more than is good for a log.
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ error: { message: body } }));
    }
  }

  async #answer(question: Question, response: ServerResponse): Promise<void> {
    const wav = Buffer.from(formatWav(await this.#speak(question)));
    if (question.form === 'json') {
      response.setHeader('content-type', 'application/json; charset=UTF-8');
      response.end(JSON.stringify({ audioContent: wav.toString('base64') }));
      return;
    }
    response.setHeader('content-type', question.form === 'streamed' ? 'audio/wav' : 'audio/x-wav');
    if (question.form === 'streamed') {
      wav.writeUInt32LE(0xffffffff, 4);
      wav.writeUInt32LE(0xffffffff, 40);
    }
    // In two parts, as it comes from a network.
    response.write(wav.subarray(0, 100));
    response.end(wav.subarray(100));
  }

  async #speak({ sampleRate, ...utterance }: Question): Promise<Pcm> {
    const spoken = this.#voice.synthesize(utterance, AbortSignal.timeout(30_000));
    const pcm = await spoken.catch((error: unknown) => {
      // Services answer with silence where there is nothing to say.
      if (error instanceof PromptError && error.fault === 'not_audio') return SILENCE;
      throw error;
    });
    return resample(pcm, sampleRate);
  }
}

function read(path: string, headers: IncomingMessage['headers'], body: string): Question {
  switch (path) {
    case '/v1/audio/speech':
      return readOpenai(headers, body);
    case '/v1/text:synthesize':
      return readGoogle(headers, body);
    case '/cognitiveservices/v1':
      return readAzure(headers, body);
    default:
      throw new Refused(404);
  }
}

function readOpenai(headers: IncomingMessage['headers'], body: string): Question {
  check(401, headers.authorization === `Bearer ${TTS_KEY}`);
  check(415, headers['content-type'] === 'application/json');
  const { model, input, voice, response_format: format, speed } = JSON.parse(body) as Record<string, unknown>;
  check(400, model === 'tts-1' && typeof voice === 'string' && voice in GENDERS && format === 'wav');
  check(400, typeof input === 'string' && input.length <= MAX_CHARS && typeof speed === 'number');
  check(400, Number(speed) >= 0.25 && Number(speed) <= 4);
  return {
    text: String(input),
    // It goes by the text itself.
    locale: 'en-US',
    gender: GENDERS[String(voice)],
    speed: Number(speed),
    sampleRate: 24_000,
    form: 'streamed',
  };
}

interface GoogleBody {
  readonly input?: { readonly text?: unknown };
  readonly voice?: { readonly languageCode?: unknown; readonly name?: string; readonly ssmlGender?: string };
  readonly audioConfig?: {
    readonly audioEncoding?: unknown;
    readonly sampleRateHertz?: number;
    readonly speakingRate?: number;
  };
}

function readGoogle(headers: IncomingMessage['headers'], body: string): Question {
  check(403, headers['x-goog-api-key'] === TTS_KEY);
  const { input, voice, audioConfig } = JSON.parse(body) as GoogleBody;
  const { sampleRateHertz: sampleRate = 0, speakingRate: speed = 1, audioEncoding } = audioConfig ?? {};
  check(400, typeof input?.text === 'string' && typeof voice?.languageCode === 'string');
  check(400, audioEncoding === 'LINEAR16' && speed >= 0.25 && speed <= 4 && sampleRate >= 8000);
  check(400, voice?.ssmlGender === undefined || ['FEMALE', 'MALE'].includes(voice.ssmlGender));
  check(400, voice?.name === undefined || (voice.name in GENDERS && voice.ssmlGender === undefined));
  const gender = voice?.ssmlGender?.toLowerCase() as Gender | undefined;
  return {
    text: String(input?.text),
    locale: String(voice?.languageCode),
    gender: voice?.name === undefined ? gender : GENDERS[voice.name],
    speed,
    sampleRate,
    form: 'json',
  };
}

function readAzure(headers: IncomingMessage['headers'], body: string): Question {
  check(401, headers['ocp-apim-subscription-key'] === TTS_KEY);
  check(415, headers['content-type'] === 'application/ssml+xml');
  const format = /^riff-(8|16|24)khz-16bit-mono-pcm$/.exec(String(headers['x-microsoft-outputformat']));
  check(400, format !== null && headers['user-agent'] !== undefined);
  const document = new DOMParser({ onError: () => check(400, false) }).parseFromString(body, 'text/xml');
  const [speak, voice, prosody] = ['speak', 'voice', 'prosody'].map((name) => {
    const elements = document.getElementsByTagName(name);
    check(400, elements.length === 1);
    return elements[0];
  });
  // Markup in the text would have become elements.
  check(400, document.getElementsByTagName('*').length === 3);
  const name = voice?.getAttribute('name') ?? '';
  check(400, name in GENDERS);
  return {
    text: prosody?.textContent ?? '',
    locale: speak?.getAttribute('xml:lang') ?? '',
    gender: GENDERS[name],
    speed: Number(prosody?.getAttribute('rate')),
    sampleRate: Number(format?.[1]) * 1000,
    form: 'wav',
  };
}

function check(status: number, fine: boolean): void {
  if (!fine) throw new Refused(status);
}
