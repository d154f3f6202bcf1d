import { DOMParser } from '@xmldom/xmldom';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HttpConfig, ttsProviderSchema } from '../../../../src/config-tts.ts';
import { HTTP_PRESETS, type HttpUtterance } from '../../../../src/prompt/tts/http-presets.ts';
import { plainText } from '../../../../src/prompt/tts/spoken-text.ts';

const UTTERANCE: HttpUtterance = {
  text: 'Hi <b>',
  locale: 'en-US',
  voice: undefined,
  gender: undefined,
  speed: 1.5,
};

function asked(config: object, utterance: Partial<HttpUtterance> = {}) {
  const parsed = ttsProviderSchema.parse({ id: 'x', type: 'http', key: 'k', ...config }) as HttpConfig;
  return HTTP_PRESETS[parsed.preset].question(parsed, { ...UTTERANCE, ...utterance });
}

describe('questions', () => {
  it('to OpenAI', () => {
    const { url, headers, body } = asked({ preset: 'openai' }, { voice: 'nova' });
    expect(url).toBe('https://api.openai.com/v1/audio/speech');
    expect(headers).toEqual({ 'content-type': 'application/json', authorization: 'Bearer k' });
    expect(JSON.parse(body)).toEqual({
      model: 'tts-1',
      input: 'Hi <b>',
      voice: 'nova',
      response_format: 'wav',
      speed: 1.5,
    });
    const own = asked({ preset: 'openai', key: undefined, url: 'http://kokoro:8880/api/', model: 'kokoro' });
    expect(own).toMatchObject({ url: 'http://kokoro:8880/api/v1/audio/speech' });
    expect(own.headers).toEqual({ 'content-type': 'application/json' });
    expect(JSON.parse(own.body).model).toBe('kokoro');
  });

  it('to Google', () => {
    const { url, headers, body } = asked({ preset: 'google' }, { gender: 'female' });
    expect(url).toBe('https://texttospeech.googleapis.com/v1/text:synthesize');
    expect(headers).toEqual({ 'content-type': 'application/json', 'x-goog-api-key': 'k' });
    expect(JSON.parse(body)).toEqual({
      input: { text: 'Hi <b>' },
      voice: { languageCode: 'en-US', ssmlGender: 'FEMALE' },
      audioConfig: { audioEncoding: 'LINEAR16', sampleRateHertz: 16_000, speakingRate: 1.5 },
    });
    const voiceOf = (more: Partial<HttpUtterance>) =>
      JSON.parse(asked({ preset: 'google' }, more).body).voice;
    expect(voiceOf({})).toEqual({ languageCode: 'en-US' });
    expect(voiceOf({ voice: 'en-US-Wavenet-A', gender: 'male' })).toEqual({
      languageCode: 'en-US',
      name: 'en-US-Wavenet-A',
    });
  });

  it('to Azure', () => {
    const config = { preset: 'azure', region: 'westeurope', sampleRate: 8000 };
    const { url, headers, body } = asked(config, { voice: 'en-US-JennyNeural' });
    expect(url).toBe('https://westeurope.tts.speech.microsoft.com/cognitiveservices/v1');
    expect(headers).toEqual({
      'content-type': 'application/ssml+xml',
      'x-microsoft-outputformat': 'riff-8khz-16bit-mono-pcm',
      'user-agent': 'voice-otp',
      'ocp-apim-subscription-key': 'k',
    });
    expect(body).toContain(
      '<voice name="en-US-JennyNeural"><prosody rate="1.5">Hi &lt;b&gt;</prosody></voice>',
    );
  });

  it('to Azure are XML with the text in its place, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (any) => {
        const text = plainText(any);
        const { body } = asked({ preset: 'azure', region: 'x1' }, { text, voice: 'v' });
        const document = new DOMParser({
          onError: (_, message) => {
            throw new Error(message);
          },
        }).parseFromString(body, 'text/xml');
        expect(document.getElementsByTagName('*')).toHaveLength(3);
        expect(document.documentElement?.textContent).toBe(text);
      }),
    );
  });

  it('have a known URL for every preset', () => {
    for (const preset of ['openai', 'google', 'azure']) {
      expect(asked({ preset, url: 'https://proxy.example//' }).url).toMatch(
        /^https:\/\/proxy\.example\/[^/]/,
      );
    }
  });
});
