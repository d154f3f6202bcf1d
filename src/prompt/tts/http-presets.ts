import type { HttpConfig } from '../../config-tts.ts';
import type { Gender } from '../tts.ts';
import { escapeXml } from './spoken-text.ts';
import type { VoiceTable } from './voice-table.ts';

/** One text, as a service is asked to speak it. */
export interface HttpUtterance {
  readonly text: string;
  readonly locale: string;
  /** The service's own name for a voice; without it the service chooses. */
  readonly voice: string | undefined;
  readonly gender: Gender | undefined;
  readonly speed: number;
}

export interface HttpQuestion {
  readonly url: string;
  /** With the key in the clear: never to be written anywhere. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How a kind of service is asked. */
export interface HttpPreset {
  readonly voices: VoiceTable;
  /** What is spoken without a voice for it. */
  readonly locales: readonly string[];
  /** A voice by gender for whatever locale, where voices are not bound to one. */
  readonly anyLocale?: Readonly<Record<Gender | 'any', string>>;
  /** How the audio comes: as the body, or in base64 in a JSON body. */
  readonly answer: 'wav' | 'json';
  question(config: HttpConfig, utterance: HttpUtterance): HttpQuestion;
}

/** What the models behind the OpenAI API are documented to speak. */
const OPENAI_LOCALES =
  'af ar az be bg bs ca cs cy da de el en es et fa fi fr gl he hi hr hu hy id is it ja kk kn ko lt lv mi mk mr ms ne nl no pl pt ro ru sk sl sr sv sw ta th tl tr uk ur vi zh'.split(
    ' ',
  );

/** Google chooses a voice for these by itself. */
const GOOGLE_LOCALES =
  'af-ZA ar-XA bg-BG bn-IN ca-ES cmn-CN cmn-TW cs-CZ da-DK de-DE el-GR en-AU en-GB en-IN en-US es-ES es-US fi-FI fil-PH fr-CA fr-FR gu-IN he-IL hi-IN hu-HU id-ID is-IS it-IT ja-JP kn-IN ko-KR lt-LT lv-LV ml-IN mr-IN ms-MY nb-NO nl-BE nl-NL pa-IN pl-PL pt-BR pt-PT ro-RO ru-RU sk-SK sr-RS sv-SE ta-IN te-IN th-TH tr-TR uk-UA vi-VN'.split(
    ' ',
  );

/** Azure wants a voice by name; these have been there for years. */
const AZURE_VOICES: VoiceTable = {
  'de-DE': { female: 'de-DE-KatjaNeural', male: 'de-DE-ConradNeural' },
  'en-GB': { female: 'en-GB-SoniaNeural', male: 'en-GB-RyanNeural' },
  'en-US': { female: 'en-US-JennyNeural', male: 'en-US-GuyNeural' },
  'es-ES': { female: 'es-ES-ElviraNeural', male: 'es-ES-AlvaroNeural' },
  'fr-FR': { female: 'fr-FR-DeniseNeural', male: 'fr-FR-HenriNeural' },
  'it-IT': { female: 'it-IT-ElsaNeural', male: 'it-IT-DiegoNeural' },
  'pt-BR': { female: 'pt-BR-FranciscaNeural', male: 'pt-BR-AntonioNeural' },
  'ru-RU': { female: 'ru-RU-SvetlanaNeural', male: 'ru-RU-DmitryNeural' },
};

const openai: HttpPreset = {
  voices: {},
  locales: OPENAI_LOCALES,
  anyLocale: { any: 'alloy', female: 'nova', male: 'onyx' },
  answer: 'wav',
  question: ({ url = 'https://api.openai.com', key, model = 'tts-1' }, { text, voice, speed }) => ({
    url: `${withoutSlash(url)}/v1/audio/speech`,
    headers: {
      'content-type': 'application/json',
      ...(key === undefined ? {} : { authorization: `Bearer ${key.reveal()}` }),
    },
    body: JSON.stringify({ model, input: text, voice, response_format: 'wav', speed }),
  }),
};

const google: HttpPreset = {
  voices: {},
  locales: GOOGLE_LOCALES,
  answer: 'json',
  question: ({ url = 'https://texttospeech.googleapis.com', key, sampleRate }, utterance) => {
    const { text, locale, voice, gender, speed } = utterance;
    // A named voice has its gender, and another one is an error.
    const wanted = gender === undefined ? {} : { ssmlGender: gender.toUpperCase() };
    return {
      url: `${withoutSlash(url)}/v1/text:synthesize`,
      headers: {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'x-goog-api-key': key.reveal() }),
      },
      body: JSON.stringify({
        input: { text },
        voice: { languageCode: locale, ...(voice === undefined ? wanted : { name: voice }) },
        audioConfig: { audioEncoding: 'LINEAR16', sampleRateHertz: sampleRate, speakingRate: speed },
      }),
    };
  },
};

const azure: HttpPreset = {
  voices: AZURE_VOICES,
  locales: [],
  answer: 'wav',
  question: ({ url, region = '', key, sampleRate }, { text, locale, voice = '', speed }) => ({
    url: `${withoutSlash(url ?? `https://${region}.tts.speech.microsoft.com`)}/cognitiveservices/v1`,
    headers: {
      'content-type': 'application/ssml+xml',
      'x-microsoft-outputformat': `riff-${sampleRate / 1000}khz-16bit-mono-pcm`,
      'user-agent': 'voice-otp',
      ...(key === undefined ? {} : { 'ocp-apim-subscription-key': key.reveal() }),
    },
    body:
      `<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="${escapeXml(locale)}">` +
      `<voice name="${escapeXml(voice)}"><prosody rate="${speed}">${escapeXml(text)}</prosody></voice></speak>`,
  }),
};

export const HTTP_PRESETS: Readonly<Record<HttpConfig['preset'], HttpPreset>> = { openai, google, azure };

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
