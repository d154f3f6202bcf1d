import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type HttpConfig, ttsProviderSchema } from '../../src/config-tts.ts';
import type { PromptFault } from '../../src/prompt/prompt-error.ts';
import { EspeakProvider } from '../../src/prompt/tts/espeak.ts';
import { HttpProvider } from '../../src/prompt/tts/http.ts';
import { eventually } from '../support/eventually.ts';
import { type Misbehaviour, TTS_KEY, TtsServer } from '../support/tts-server.ts';
import { secondsOf } from '../support/tts-sound.ts';
import { type TtsUnderTest, ttsContract } from './tts-contract.ts';

const VOICES = { 'en-US': { female: 'en-US-JennyNeural', male: 'en-US-GuyNeural' } };
const CONFIGS = {
  openai: { id: 'openai', type: 'http', preset: 'openai' },
  google: { id: 'google', type: 'http', preset: 'google', locales: ['en-US', 'de', 'ru'] },
  azure: { id: 'azure', type: 'http', preset: 'azure', voices: VOICES },
} as const;
type Preset = keyof typeof CONFIGS;

/** What speaks for the servers. */
let voice: EspeakProvider;
beforeAll(async () => {
  voice = new EspeakProvider({ id: 'server', processes: 2, wordsPerMinute: 150, pitch: 50 });
  await voice.start();
});
afterAll(() => voice.close());

function providerFor(preset: Preset, url: string, more: Partial<HttpConfig> = {}): HttpProvider {
  const parsed = ttsProviderSchema.parse({ ...CONFIGS[preset], url: `${url}/`, key: TTS_KEY });
  return new HttpProvider({ ...(parsed as HttpConfig), ...more });
}

async function openService(preset: Preset): Promise<TtsUnderTest> {
  const server = await TtsServer.start(voice);
  return {
    provider: providerFor(preset, server.url),
    held: () => server.waiting,
    left: () => server.connections(),
    remove: () => server.close(),
  };
}

ttsContract('OpenAI-style HTTP', () => openService('openai'), {
  sample: ['en', 'fr'],
  voice: 'onyx',
  processes: false,
});
ttsContract('Google', () => openService('google'), {
  sample: ['en-US', 'de', 'ru'],
  voice: 'en-US-Standard-C',
  processes: false,
});
ttsContract('Azure', () => openService('azure'), {
  sample: ['en-US'],
  voice: 'en-US-GuyNeural',
  processes: false,
});

describe('a service that speaks by HTTP, on a bad day', () => {
  let server: TtsServer;
  let provider: HttpProvider;
  const say = (signal = AbortSignal.timeout(20_000), one = provider) =>
    one.synthesize({ text: 'zebrafish', locale: 'en', speed: 1 }, signal);

  beforeEach(async () => {
    server = await TtsServer.start(voice);
    provider = providerFor('openai', server.url);
    await provider.start();
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });

  /** The provider fails in this way, holds nothing then, and works with the next request. */
  async function expectFault(fault: PromptFault, asked: number, signal?: AbortSignal): Promise<string> {
    const error: unknown = await say(signal).catch((one: unknown) => one);
    expect(error).toMatchObject({ name: 'PromptError', fault });
    expect(server.requests).toHaveLength(asked);
    await eventually(() => expect(server.waiting).toBe(0));
    expect(secondsOf(await say())).toBeGreaterThan(0.3);
    const text = String(error);
    expect(text).not.toMatch(/zebrafish/);
    expect(text).not.toContain(TTS_KEY);
    return text;
  }

  it('uses a connection again', async () => {
    for (let i = 0; i < 6; i++) await say();
    // A second one is opened where the first is not done with its last answer yet.
    expect(await server.connections()).toBeLessThan(3);
  });

  it.each([400, 401, 403, 404, 500, 502, 301, 204])('fails with status %i, at once', async (status) => {
    server.misbehave(answer(status, { 'content-type': 'text/plain', location: '/elsewhere' }, 'zebrafish'));
    expect(await expectFault('tts_failed', 1)).toContain(`status ${status}`);
  });

  it.each([429, 503])('asks again after status %i, once', async (status) => {
    server.misbehave(answer(status, { 'retry-after': '1' }));
    expect(secondsOf(await say())).toBeGreaterThan(0.3);
    server.misbehave(answer(status), answer(status, { 'retry-after': '0' }));
    expect(await expectFault('tts_failed', 4)).toContain(`status ${status}`);
  });

  it('does not wait for the end of a refusal', async () => {
    const refuse: Misbehaviour = (response) => void response.writeHead(429).write('x');
    server.misbehave(refuse, refuse);
    await expectFault('tts_failed', 2);
  });

  it('does not wait longer than a second to ask again', async () => {
    for (const later of ['2', '3600', '99999999999', 'Wed, 21 Oct 2026 07:28:00 GMT', '-1', 'soon']) {
      server.requests.length = 0;
      server.misbehave(answer(503, { 'retry-after': later }));
      await expectFault('tts_failed', 1);
    }
  });

  it('does not wait longer than its signal to ask again', async () => {
    server.misbehave(answer(429, { 'retry-after': '1' }));
    const late = new AbortController();
    const error = expectFault('tts_timeout', 1, late.signal);
    await eventually(() => expect(server.requests).toHaveLength(1));
    late.abort(new DOMException('late', 'TimeoutError'));
    await error;
  });

  it('asks again when the connection is reset, once', async () => {
    server.misbehave(reset);
    expect(secondsOf(await say())).toBeGreaterThan(0.3);
    server.misbehave(reset, resetInTheMiddle);
    expect(await expectFault('tts_failed', 4)).toMatch(/\((?:ECONNRESET|UND_ERR_SOCKET)\)/);
  });

  it('fails where nobody listens', async () => {
    const other = await TtsServer.start(voice);
    const lonely = providerFor('openai', other.url);
    await lonely.start();
    await other.close();
    const error: unknown = await say(undefined, lonely).catch((one: unknown) => one);
    expect(error).toMatchObject({ fault: 'tts_failed', message: expect.stringContaining('(ECONNREFUSED)') });
    await lonely.close();
  });

  it.each<[string, Misbehaviour]>([
    ['HTML', answer(200, { 'content-type': 'text/html' }, '<html>Sign in</html>')],
    ['HTML that is called audio', answer(200, { 'content-type': 'audio/wav' }, '<html>Sign in</html>')],
    ['JSON', answer(200, { 'content-type': 'application/json' }, '{"error":"zebrafish"}')],
    ['JSON without a type', answer(200, {}, '{"error":"zebrafish"}')],
    ['nothing', answer(200, { 'content-type': 'audio/wav' })],
    ['half a header', answer(200, { 'content-type': 'audio/wav' }, 'RIFF\u0000\u0000')],
    ['MP3', answer(200, { 'content-type': 'audio/mpeg' }, 'ID3\u0003\u0000')],
    ['a WAV called HTML', speaks((wav) => wav, 'text/html')],
    ['a WAV that is shorter than it says', speaks((wav) => wav.subarray(0, wav.length - 1000))],
    ['a WAV that says to be longer than it is', speaks((wav) => patched(wav, 40, wav.length + 5000))],
    ['a rate that nobody has', speaks((wav) => patched(wav, 24, 1))],
  ])('takes %s for a fault of the service', async (_, misbehave) => {
    server.misbehave(misbehave);
    await expectFault('tts_failed', 1);
  });

  it.each<[string, Misbehaviour]>([
    ['a WAV of nothing but its header', speaks((wav) => patched(wav.subarray(0, 44), 40, 0))],
    ['silence', speaks((wav) => Buffer.concat([wav.subarray(0, 44), Buffer.alloc(wav.length - 44)]))],
    [
      'a constant',
      speaks((wav) => Buffer.concat([wav.subarray(0, 44), Buffer.alloc(wav.length - 44, 0x11)])),
    ],
  ])('hears nothing in %s', async (_, misbehave) => {
    server.misbehave(misbehave);
    await expectFault('not_audio', 1);
  });

  it.each<[string, Misbehaviour]>([
    ['an hour of speech', hour],
    ['a body without an end', flood],
  ])('does not take %s', async (_, misbehave) => {
    server.misbehave(misbehave);
    await expectFault('too_long', 1);
  });

  it.each<[string, Misbehaviour]>([
    ['does not answer', () => undefined],
    ['answers drop by drop', drip],
    ['stops in the middle', stall],
  ])('gives up a server that %s, with its signal', async (_, misbehave) => {
    // Both times, where it is asked again.
    server.misbehave(misbehave, misbehave);
    const late = new AbortController();
    const said = say(late.signal).catch((one: unknown) => one);
    await eventually(() => expect(server.waiting + server.requests.length).toBeGreaterThanOrEqual(2));
    late.abort(new DOMException('late', 'TimeoutError'));
    expect(await said).toMatchObject({ fault: 'tts_timeout' });
    await eventually(() => expect(server.waiting).toBe(0));
  });

  it('asks each service as it wants to be asked, with the key in a header only', async () => {
    for (const preset of ['openai', 'google', 'azure'] as const) {
      const one = providerFor(preset, server.url);
      await one.start();
      const [locale = ''] = one.locales();
      await one.synthesize(
        { text: 'five', locale: preset === 'openai' ? 'en' : locale, speed: 1.25 },
        AbortSignal.timeout(20_000),
      );
      await one.close();
      const last = server.requests.at(-1);
      expect(last?.path + String(last?.body)).not.toContain(TTS_KEY);
      expect(one.fingerprint).not.toContain(TTS_KEY);
      expect(last?.body).toMatch(/1\.25/);
    }
  });

  it('needs no key for a server that wants none', async () => {
    const keyless = providerFor('openai', server.url, { key: undefined });
    await keyless.start();
    await expect(say(undefined, keyless)).rejects.toMatchObject({
      message: expect.stringContaining('status 401'),
    });
    expect(server.requests.at(-1)?.headers.authorization).toBeUndefined();
    await keyless.close();
  });

  it('reads JSON of a service that says something else in it', async () => {
    const google = providerFor('google', server.url);
    await google.start();
    for (const body of [
      'null',
      '[]',
      '{}',
      '{"audioContent":7}',
      '{"audioContent":""}',
      '{"audioContent":"zebrafish"}',
      'zebrafish',
    ]) {
      server.misbehave(answer(200, { 'content-type': 'application/json' }, body));
      const error: unknown = await google
        .synthesize({ text: 'x', locale: 'en-US', speed: 1 }, AbortSignal.timeout(20_000))
        .catch((one: unknown) => one);
      expect(error).toMatchObject({ fault: 'tts_failed' });
      expect(String(error) + String((error as Error).cause)).not.toContain('zebrafish');
    }
    await google.close();
  });
});

function answer(status: number, headers: Record<string, string> = {}, body = ''): Misbehaviour {
  return (response) => void response.writeHead(status, headers).end(body);
}

/** The right audio, but for something. */
function speaks(change: (wav: Buffer) => Buffer, type = 'audio/wav'): Misbehaviour {
  return async (response, speak) => {
    const body = change(await speak());
    response.writeHead(200, { 'content-type': type }).end(body);
  };
}

function patched(wav: Buffer, at: number, value: number): Buffer {
  wav.writeUInt32LE(value, at);
  return wav;
}

const reset: Misbehaviour = (response) => void response.socket?.resetAndDestroy();

const resetInTheMiddle: Misbehaviour = async (response, speak) => {
  const wav = await speak();
  response.writeHead(200, { 'content-type': 'audio/wav' });
  response.write(wav.subarray(0, 1000), () => response.socket?.resetAndDestroy());
};

const stall: Misbehaviour = async (response, speak) => {
  response.writeHead(200, { 'content-type': 'audio/wav' }).write((await speak()).subarray(0, 1000));
};

const drip: Misbehaviour = async (response, speak) => {
  const wav = await speak();
  response.writeHead(200, { 'content-type': 'audio/wav' });
  let at = 0;
  const timer = setInterval(() => response.write(wav.subarray(at, ++at)), 5);
  response.on('close', () => clearInterval(timer));
};

const hour: Misbehaviour = (response) => {
  const header = Buffer.from(
    '52494646ffffffff57415645666d74201000000001000100401f0000401f00000100080064617461ffffffff',
    'hex',
  );
  response.writeHead(200, { 'content-type': 'audio/wav' });
  response.end(Buffer.concat([header, Buffer.alloc(3600 * 8000, Buffer.from([0x20, 0xe0]))]));
};

const flood: Misbehaviour = (response) => {
  response.writeHead(200, { 'content-type': 'audio/wav' });
  const chunk = Buffer.alloc(65_536, 'RIFF');
  const pour = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', pour);
  };
  pour();
};
