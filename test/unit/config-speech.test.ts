import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, configFrom } from '../../src/config.ts';
import type { Settings } from '../support/app/site.ts';

const trunks = [{ id: 'carrier', host: '127.0.0.1', cli: '+498912345' }];
const openai = { type: 'http', id: 'cloud', preset: 'openai' } as const;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voice-otp-config-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function problemsOf(speech: Settings['speech']): readonly string[] {
  try {
    configFrom({ trunks, speech });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the section speech', () => {
  it('has espeak-ng with all its defaults when nothing is said', () => {
    const { providers, voice, deadlineMs } = configFrom({ trunks }).speech;
    expect(providers).toEqual([
      { type: 'espeak', id: 'espeak', processes: 1, wordsPerMinute: 150, pitch: 50 },
    ]);
    expect({ voice, deadlineMs }).toEqual({ voice: 'recorded', deadlineMs: 8000 });
  });

  it('reads the key of a service from a file, and shows it nowhere', () => {
    const keyFile = join(folder, 'key');
    writeFileSync(keyFile, 'sk-hunter2\n');
    const config = configFrom({ trunks, speech: { providers: [{ ...openai, keyFile }] } });
    const [provider] = config.speech.providers;
    expect(provider?.type === 'http' ? provider.key?.reveal() : '').toBe('sk-hunter2');
    expect(JSON.stringify(config)).not.toContain('hunter2');
  });

  it.each([
    [{ providers: [{ ...openai, keyFile: '/nowhere/key' }] }, /keyFile: expected a file that can be read$/],
    [{ providers: [{ ...openai }] }, /^speech\.providers\.0\.key: required, unless `keyFile` names/],
    [
      { providers: [openai, openai].map((one) => ({ ...one, key: 'k' })) },
      /1\.id: expected an id that no other/,
    ],
    [{ providers: [{ type: 'program', id: 'piper', preset: 'piper' }] }, /voices: required with the preset/],
    [
      { templates: { 'en-US': { greeting: 'Hello', again: '{code}', goodbye: 'Bye' } } },
      /^speech\.templates\.en-US: greeting: /,
    ],
    [
      { templates: { 'en-US': { greeting: '{code}', again: '{code}', goodbye: '{code}' } } },
      /goodbye: .code. must not be in it$/,
    ],
    [
      { templates: { English: { greeting: '{code}', again: '{code}', goodbye: 'Bye' } } },
      /^speech\.templates/,
    ],
    [
      { urls: { internalHosts: [{ host: 'voices.example', address: 'voices' }] } },
      /address: expected an IP address$/,
    ],
    [{ urls: { allowedHosts: ['http://voices.example'] } }, /allowedHosts\.0: expected a host name/],
  ] as const)('refuses %j', (speech, complaint) => {
    expect(problemsOf(speech as never)).toEqual([expect.stringMatching(complaint)]);
  });
});
