import { cp, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { durationMs } from '../../../src/media/pcm.ts';
import { joined, speechMs } from '../../../src/media/speech.ts';
import { formatWav } from '../../../src/media/wav.ts';
import { PromptLibrary, SoundsError } from '../../../src/prompt/library.ts';
import { DIGIT_CLIPS, otpPlaylist } from '../../../src/prompt/otp-prompt.ts';
import { Secret } from '../../../src/secret.ts';

const SOUNDS = join(import.meta.dirname, '../../../sounds');

let library: PromptLibrary;
beforeAll(async () => {
  library = await PromptLibrary.load(SOUNDS);
});

function energy(samples: Int16Array): number {
  return samples.reduce((sum, sample) => sum + sample * sample, 0);
}

describe('the sounds that come with the product', () => {
  it('are complete in every locale', () => {
    expect(library.locales()).toContain('en-US');
    for (const locale of library.locales()) expect(library.clips(locale, 8000).size).toBe(13);
  });

  it.each([8000, 16_000] as const)('are short, alike in level and silent at their ends at %i Hz', (rate) => {
    for (const [name, clip] of library.clips('en-US', rate)) {
      const isDigit = /^\d$/.test(name);
      const levelDb = 10 * Math.log10(energy(clip.samples) / clip.samples.length / 32_768 ** 2);
      const peak = clip.samples.reduce((highest, sample) => Math.max(highest, Math.abs(sample)), 0);
      const ends = [clip.samples[0] ?? 0, clip.samples.at(-1) ?? 0];
      // The name is in it for whoever reads a failure.
      expect({
        name,
        rate: clip.sampleRate,
        level: levelDb > -24 && levelDb < -19,
        peak: peak < 32_768 * 10 ** (-3 / 20),
        ends: ends.every((sample) => Math.abs(sample) < 50),
        length: durationMs(clip) > 400 && durationMs(clip) < (isDigit ? 800 : 3000),
      }).toEqual({ name, rate, level: true, peak: true, ends: true, length: true });
    }
  });
});

describe('render', () => {
  it.each([8000, 16_000] as const)('lays clips and pauses end to end at %i Hz', (rate) => {
    const clips = library.clips('en-US', rate);
    const perMs = rate / 1000;
    const speech = library.render(
      'en-US',
      [
        { pauseMs: 100 },
        { clip: 'again' },
        { code: { digitPauseMs: 50 } },
        { pauseMs: 25 },
        { clip: 'goodbye' },
      ],
      new Secret('77'),
      rate,
    );
    const slot = Math.max(...DIGIT_CLIPS.map((digit) => clips.get(digit)?.samples.length ?? 0));
    const seven = clips.get('7')?.samples ?? new Int16Array(0);
    const parts = [
      new Int16Array(100 * perMs),
      clips.get('again')?.samples,
      seven,
      new Int16Array(slot - seven.length),
      new Int16Array(50 * perMs),
      seven,
      new Int16Array(slot - seven.length),
      new Int16Array(25 * perMs),
      clips.get('goodbye')?.samples,
    ];
    const expected = Int16Array.from(parts.flatMap((part) => Array.from(part ?? [])));
    const pcm = joined(speech);
    expect(pcm.sampleRate).toBe(rate);
    expect(Buffer.from(pcm.samples.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  it('shares the clips instead of copying them', () => {
    const nine = library.clips('en-US', 8000).get('9')?.samples;
    const { parts } = library.render('en-US', otpPlaylist({ repeat: 3 }), new Secret('999999'), 8000);
    expect(parts.filter((part) => part === nine)).toHaveLength(18);
  });

  it('takes as long for one code as for any other of its length', () => {
    const lengths = [...DIGIT_CLIPS].map((digit) =>
      speechMs(library.render('en-US', otpPlaylist(), new Secret(digit.repeat(6)), 8000)),
    );
    expect(new Set(lengths).size).toBe(1);
  });

  it.each(['12a4', '', '１２３４', '12 34'])('refuses the code %j without showing it', (text) => {
    let thrown: unknown;
    try {
      library.render('en-US', otpPlaylist(), new Secret(text), 8000);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(Error);
    if (text !== '') expect((thrown as Error).message).not.toContain(text);
    expect((thrown as Error).message).not.toMatch(/\d/);
  });

  it('holds no code anywhere in a playlist', () => {
    expect(inspect(otpPlaylist(), { depth: 9 })).not.toMatch(/'\d'/);
  });

  it('refuses a locale that was not resolved', () => {
    expect(() => library.render('xx', otpPlaylist(), new Secret('1234'), 8000)).toThrow(/resolve/);
    expect(library.resolveLocale('xx')).toBeUndefined();
    expect(library.resolveLocale('en')).toBe('en-US');
  });
});

describe('loading a folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sounds-'));
    await cp(join(SOUNDS, 'en-US/slt'), join(folder, 'en-GB/amy'), { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('names the clips that are missing', async () => {
    await rm(join(folder, 'en-GB/amy/7.wav'));
    await rm(join(folder, 'en-GB/amy/again.wav'));
    await expect(PromptLibrary.load(folder)).rejects.toThrow(/en-GB.amy are incomplete: 7, again missing/);
  });

  it('names the file that is broken', async () => {
    await writeFile(join(folder, 'en-GB/amy/3.wav'), 'not a sound');
    await expect(PromptLibrary.load(folder)).rejects.toThrow(/3\.wav: not a RIFF WAV file/);
  });

  it('refuses a clip without sound and one of a size that no clip has', async () => {
    await writeFile(
      join(folder, 'en-GB/amy/3.wav'),
      formatWav({ sampleRate: 8000, samples: new Int16Array(0) }),
    );
    await expect(PromptLibrary.load(folder)).rejects.toThrow(/3\.wav: there is no sound/);
    await truncate(join(folder, 'en-GB/amy/3.wav'), 5_000_001);
    await expect(PromptLibrary.load(folder)).rejects.toThrow(/3\.wav is larger/);
  });

  it('refuses a folder that is not there or has no locale', async () => {
    await expect(PromptLibrary.load(join(folder, 'nowhere'))).rejects.toThrow(SoundsError);
    await mkdir(join(folder, 'empty'));
    await expect(PromptLibrary.load(join(folder, 'empty'))).rejects.toThrow(/no sounds/);
  });

  it('speaks with the voice that was chosen, or else with the first', async () => {
    await cp(join(folder, 'en-GB/amy'), join(folder, 'en-GB/zoe'), { recursive: true });
    const quiet = { sampleRate: 8000, samples: new Int16Array(800).fill(5) };
    await writeFile(join(folder, 'en-GB/zoe/1.wav'), formatWav(quiet));
    const first = await PromptLibrary.load(folder);
    const chosen = await PromptLibrary.load(folder, 'zoe');
    expect(first.clips('en-GB', 8000).get('1')?.samples.length).toBeGreaterThan(3000);
    expect(chosen.clips('en-GB', 8000).get('1')?.samples.length).toBe(800);
    await expect(PromptLibrary.load(folder, 'nobody')).rejects.toThrow(/voice nobody/);
  });

  it('resamples what comes at another rate', async () => {
    const clip = { sampleRate: 22_050, samples: new Int16Array(22_050).fill(1000) };
    await writeFile(join(folder, 'en-GB/amy/5.wav'), formatWav(clip));
    const loaded = await PromptLibrary.load(folder);
    expect(loaded.clips('en-GB', 8000).get('5')?.samples.length).toBe(8000);
    expect(loaded.clips('en-GB', 16_000).get('5')?.samples.length).toBe(16_000);
  });
});
