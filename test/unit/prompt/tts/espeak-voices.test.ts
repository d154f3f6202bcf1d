import { describe, expect, it } from 'vitest';
import { EspeakVoices } from '../../../../src/prompt/tts/espeak-voices.ts';

const voice = (identifier: string, ...languages: [name: string, priority: number][]) => ({
  identifier,
  languages: languages.map(([name, priority]) => ({ name, priority })),
});

const VOICES = new EspeakVoices(
  [
    voice('gmw/de', ['de', 5]),
    voice('gmw/en', ['en-gb', 2], ['en', 2]),
    voice('gmw/en-GB-x-rp', ['en-gb-x-rp', 5], ['en-gb', 4], ['en', 5]),
    voice('gmw/en-US', ['en-us', 2], ['en', 3]),
    voice('gmw/en-US-nyc', ['en-us-nyc', 5]),
    voice('sit/cmn', ['cmn', 5], ['zh-cmn', 5], ['zh', 5]),
    voice('sit/cmn-Latn-pinyin', ['cmn-latn-pinyin', 5], ['zh', 5]),
    voice('roa/ca-va', ['ca-va', 5]),
    voice('eu', ['eu', 5]),
    voice('art/qya', ['qya', 5]),
    voice('art/sjn', ['sjn', 5]),
    voice('myn/quc', ['quc', 5]),
    voice('trk/cv', ['cv', 5]),
    voice('iro/chr', ['chr-US-Qaaa-x-west', 5]),
  ],
  ['f2', 'f3', 'm3', 'UniRobot'],
);

describe('voices of espeak-ng', () => {
  it('have locales as BCP 47 writes them, without those that only look so or have no digits', () => {
    expect(VOICES.locales).toEqual([
      'de',
      'en',
      'en-GB',
      'en-GB-x-rp',
      'en-US',
      'eu',
      'zh',
      'zh-Latn-pinyin',
    ]);
  });

  it.each([
    [{ locale: 'en' }, 'en'],
    [{ locale: 'en-GB' }, 'en'],
    [{ locale: 'en-US' }, 'en-US'],
    [{ locale: 'zh' }, 'cmn'],
    [{ locale: 'eu' }, 'eu'],
    [{ locale: 'en-US', gender: 'female' }, 'en-US+f3'],
    [{ locale: 'de', gender: 'male' }, 'de+m3'],
    [{ locale: 'de', voice: 'f2' }, 'de+f2'],
    [{ locale: 'de', voice: 'f2', gender: 'male' }, 'de+f2'],
    [{ locale: 'de', voice: 'unirobot' }, 'de+UniRobot'],
    [{ locale: 'de', voice: 'en-us-NYC' }, 'en-US-nyc'],
    [{ locale: 'de', voice: 'en-US+f2' }, 'en-US+f2'],
  ] as const)('%j is %s', (wish, name) => {
    expect(VOICES.find(wish)).toBe(name);
  });

  it.each([
    { locale: 'fr' },
    { locale: 'en-us' },
    { locale: 'fr', voice: 'de' },
    { locale: 'de', voice: 'nobody' },
    { locale: 'de', voice: 'en-US+nobody' },
    { locale: 'de', voice: 'en-US+f2+f3' },
    { locale: 'de', voice: '+f2' },
    { locale: 'de', voice: 'gmw/de' },
    { locale: 'de', voice: '../de' },
    { locale: 'de', voice: '' },
  ])('%j is nobody', (wish) => {
    expect(VOICES.find(wish)).toBeUndefined();
  });
});
