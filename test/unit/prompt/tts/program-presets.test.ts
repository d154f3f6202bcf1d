import { describe, expect, it } from 'vitest';
import { type ProgramConfig, ttsProviderSchema } from '../../../../src/config-tts.ts';
import {
  espeakListing,
  fillArguments,
  formOf,
  namesListing,
  rateOf,
} from '../../../../src/prompt/tts/program-presets.ts';

/** The arguments of a call for a voice at a speed. */
function argumentsOf(config: object, voice: string, speed: number): string[] {
  const form = formOf(ttsProviderSchema.parse({ id: 'x', type: 'program', ...config }) as ProgramConfig);
  const values = {
    voice,
    locale: 'en-US',
    rate: rateOf(form.rate, speed),
    input: '/i.txt',
    output: '/o.wav',
  };
  return [form.command, ...fillArguments(form.args, values)];
}

describe('presets of programs', () => {
  it.each([
    ['espeak-ng', {}, 'en-US+f3', 1.2, 'espeak-ng -b 1 -v en-US+f3 -s 180 --stdin --stdout'],
    ['espeak-ng', {}, 'de', 0.5, 'espeak-ng -b 1 -v de -s 80 --stdin --stdout'],
    ['flite', {}, 'slt', 2, 'flite -voice slt --setf duration_stretch=0.500 -o /o.wav'],
    [
      'piper',
      { voices: { de: '/v/a.onnx' } },
      '/v/a.onnx',
      0.8,
      'piper --model /v/a.onnx --length_scale 1.250 --output_file /o.wav',
    ],
    ['rhvoice', { voices: { ru: 'anna' } }, 'anna', 1.5, 'RHVoice-test -p anna -r 150 -o /o.wav'],
    [
      'piper',
      { voices: { de: 'a' }, command: '/opt/piper' },
      'a',
      1,
      '/opt/piper --model a --length_scale 1.000 --output_file /o.wav',
    ],
    [
      'piper',
      { voices: { de: 'a' }, args: ['-m', '{voice}', '--output_raw'], output: 'stdout', sampleRate: 22_050 },
      'a',
      1,
      'piper -m a --output_raw',
    ],
  ])('%s with %j', (preset, config, voice, speed, line) => {
    expect(argumentsOf({ preset, ...config }, voice, speed)).toEqual(line.split(' '));
  });

  it.each([
    ['factor', '0.500', '2.000'],
    ['stretch', '2.000', '0.500'],
    ['percent', '50', '200'],
    ['wordsPerMinute', '80', '300'],
  ] as const)('a rate as %s', (rate, slow, fast) => {
    expect([rateOf(rate, 0.5), rateOf(rate, 2)]).toEqual([slow, fast]);
  });

  it('puts each value into its one argument, and reads none again', () => {
    const values = { voice: '{rate} $(x)', rate: '1 2' };
    expect(fillArguments(['{voice}', 'r={rate}', '{voice}{rate}', '{other}', '{}', ''], values)).toEqual([
      '{rate} $(x)',
      'r=1 2',
      '{rate} $(x)1 2',
      '{other}',
      '{}',
      '',
    ]);
  });
});

describe('lists of voices', () => {
  it('are read from espeak-ng', () => {
    const voices = [
      'Pty Language       Age/Gender VoiceName          File                 Other Languages ',
      ' 5  af              --/M      Afrikaans          gmw/af               ',
      ' 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)',
      ' 5  yue             --/M      Chinese_(Cantonese,_latin_as_Jyutping) sit/yue-Latn-jyutping (zh-yue 5)(zh 8)',
      'something else',
      '',
    ].join('\n');
    const variants =
      'Pty Language\n 5  variant         --/F      female3              !v/f3                \n';
    const listing = espeakListing(voices, variants);
    expect(listing.locales).toEqual(['af', 'en', 'en-GB', 'yue', 'zh']);
    expect(listing.find({ locale: 'en', gender: 'female' })).toBe('en+f3');
    expect(listing.find({ locale: 'en', voice: 'f3' })).toBe('en+f3');
    expect(listing.find({ locale: 'zh' })).toBe('yue-Latn-jyutping');
  });

  it('are read from flite', () => {
    expect([...namesListing('Voices available: kal awb_time slt \n')]).toEqual(['kal', 'awb_time', 'slt']);
    expect([...namesListing('')]).toEqual([]);
  });
});
