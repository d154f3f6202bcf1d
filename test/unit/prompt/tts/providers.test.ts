import { describe, expect, it } from 'vitest';
import { ttsProviderSchema } from '../../../../src/config-tts.ts';
import { EspeakProvider } from '../../../../src/prompt/tts/espeak.ts';
import { HttpProvider } from '../../../../src/prompt/tts/http.ts';
import { ProgramProvider } from '../../../../src/prompt/tts/program.ts';
import { providerOf } from '../../../../src/prompt/tts/providers.ts';
import { Secret } from '../../../../src/secret.ts';

const OWN = {
  id: 'own',
  type: 'program',
  command: 'say-it',
  args: ['-v', '{voice}', '{output}'],
  input: 'stdin',
  output: 'file',
  voices: { 'en-US': 'a' },
};

/** Where the schema complains. */
function complaints(config: object): string[] {
  const result = ttsProviderSchema.safeParse(config);
  return result.success ? [] : result.error.issues.map(({ path }) => path.join('.'));
}

describe('the configuration of a provider', () => {
  it.each([
    [{ id: 'a', type: 'espeak' }, EspeakProvider],
    [{ id: 'a', type: 'espeak', processes: 4, wordsPerMinute: 130, pitch: 60 }, EspeakProvider],
    [{ id: 'a', type: 'program', preset: 'espeak-ng' }, ProgramProvider],
    [{ id: 'a', type: 'program', preset: 'flite', voices: { 'en-US': { male: 'rms' } } }, ProgramProvider],
    [
      { id: 'a', type: 'program', preset: 'piper', voices: { de: '/v/de.onnx', 'zh-Hans-CN': 'x' } },
      ProgramProvider,
    ],
    [OWN, ProgramProvider],
    [{ id: 'a', type: 'http', preset: 'openai', key: 'k' }, HttpProvider],
    [{ id: 'a', type: 'http', preset: 'openai', url: 'http://10.0.0.1:8880/tts' }, HttpProvider],
    [{ id: 'a', type: 'http', preset: 'google', keyFile: '/run/key', locales: ['de-DE'] }, HttpProvider],
    [{ id: 'a', type: 'http', preset: 'azure', key: 'k', region: 'westeurope' }, HttpProvider],
  ])('%j makes one', (config, kind) => {
    expect(complaints(config)).toEqual([]);
    const provider = providerOf(ttsProviderSchema.parse(config));
    expect(provider).toBeInstanceOf(kind);
    expect(provider.id).toBe(config.id);
    expect(provider.locales()).toEqual([]);
    expect(provider.fingerprint).toMatch(/^[\w .-]{10,100}$/);
  });

  it.each([
    [{ id: 'a' }, ['type']],
    [{ id: 'a', type: 'magic' }, ['type']],
    [{ id: '-a', type: 'espeak' }, ['id']],
    [
      { id: 'a', type: 'espeak', processes: 5, pitch: -1, wordsPerMinute: 10 },
      ['processes', 'wordsPerMinute', 'pitch'],
    ],
    [{ id: 'a', type: 'espeak', voices: {} }, ['']],
    [{ id: 'a', type: 'program' }, ['command', 'args', 'input', 'output', 'voices']],
    [{ id: 'a', type: 'program', preset: 'piper' }, ['voices']],
    [{ id: 'a', type: 'program', preset: 'rhvoice' }, ['voices']],
    [{ ...OWN, args: ['{voice}'] }, ['args']],
    [{ ...OWN, input: 'file' }, ['args']],
    [{ ...OWN, args: ['{output}', '{text}'] }, ['args.1']],
    [{ ...OWN, args: ['{output}', 'a\u0000b'] }, ['args.1']],
    [{ ...OWN, command: 'rm -rf' }, ['command']],
    [{ ...OWN, command: '-x' }, ['command']],
    [{ ...OWN, command: './x' }, ['command']],
    [{ ...OWN, voices: { 'en-US': '-v' } }, ['voices.en-US']],
    [{ ...OWN, voices: { 'en-US': 'a b' } }, ['voices.en-US']],
    [{ ...OWN, voices: { 'en-US': '../a' } }, ['voices.en-US']],
    [{ ...OWN, voices: { 'en-US': {} } }, ['voices']],
    [{ ...OWN, voices: { en_US: 'a' } }, ['voices.en_US']],
    [{ ...OWN, sampleRate: 1 }, ['sampleRate']],
    [{ id: 'a', type: 'http', preset: 'openai' }, ['key']],
    [{ id: 'a', type: 'http', key: 'k' }, ['preset']],
    [{ id: 'a', type: 'http', preset: 'azure', key: 'k' }, ['region']],
    [{ id: 'a', type: 'http', preset: 'azure', key: 'k', region: 'x.evil' }, ['region']],
    [{ id: 'a', type: 'http', preset: 'openai', key: 'k', region: 'westeurope' }, ['region']],
    [{ id: 'a', type: 'http', preset: 'google', key: 'k', model: 'm' }, ['model']],
    [{ id: 'a', type: 'http', preset: 'google', key: 'k', sampleRate: 11_025 }, ['sampleRate']],
    [{ id: 'a', type: 'http', preset: 'google', key: 'k', voices: { de: '/etc/x' } }, ['voices']],
    [{ id: 'a', type: 'http', preset: 'openai', url: 'ftp://x' }, ['url']],
    [{ id: 'a', type: 'http', preset: 'openai', key: 'k', url: 'http://u:p@x' }, ['url']],
    [{ id: 'a', type: 'http', preset: 'openai', key: 'k', url: 'http://x/?a=b' }, ['url']],
    [{ id: 'a', type: 'http', preset: 'openai', key: 'k\n' }, ['key']],
  ])('%j is refused', (config, at) => {
    expect(complaints(config)).toEqual(at);
  });

  it('keeps the key from whoever prints it', () => {
    const config = ttsProviderSchema.parse({ id: 'a', type: 'http', preset: 'openai', key: 'verysecret' });
    if (config.type !== 'http') throw new Error('it is http');
    expect(config.key).toBeInstanceOf(Secret);
    expect(JSON.stringify(config)).not.toContain('verysecret');
    expect(providerOf(config).fingerprint).not.toContain('verysecret');
  });
});
