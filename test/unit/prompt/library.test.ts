import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { formatWav } from '../../../src/media/wav.ts';
import { PromptLibrary, SoundsError } from '../../../src/prompt/library.ts';
import type { PromptFault } from '../../../src/prompt/prompt-error.ts';
import { PromptError } from '../../../src/prompt/prompt-error.ts';
import { DIGIT_CLIPS, KEY_CLIPS, LETTER_CLIPS, PHRASE_CLIPS } from '../../../src/prompt/sound-set.ts';

const SOUNDS = join(import.meta.dirname, '../../../sounds');

let library: PromptLibrary;
beforeAll(async () => {
  library = await PromptLibrary.load(SOUNDS);
});

describe('the sounds that come with the product', () => {
  it('are there for eight locales, each with one voice and letters', () => {
    expect(library.locales()).toEqual(['de', 'en-GB', 'en-US', 'es', 'fr', 'it', 'pt-BR', 'ru']);
    expect(library.voice('en-US')).toBe('slt');
    for (const locale of library.locales())
      expect(library.has(locale, 'letters') && library.has(locale, 'keys')).toBe(true);
  });

  it('are found by the nearest locale', () => {
    expect(library.resolveLocale('en-US')).toBe('en-US');
    expect(library.resolveLocale('es-MX')).toBe('es');
    expect(library.resolveLocale('pt')).toBe('pt-BR');
    expect(library.resolveLocale('xx')).toBeUndefined();
  });

  it('are at 8000 Hz, the same object each time', () => {
    for (const locale of library.locales()) {
      const clips = library.clips(locale, true);
      expect([...library.clips(locale).keys()]).toEqual([...DIGIT_CLIPS, ...PHRASE_CLIPS, ...KEY_CLIPS]);
      expect(clips.size).toBe(42);
      for (const name of [...DIGIT_CLIPS, ...PHRASE_CLIPS, ...KEY_CLIPS, ...LETTER_CLIPS]) {
        const samples = library.samples(locale, name);
        expect(samples?.length).toBeGreaterThan(3000);
        expect(library.samples(locale, name)).toBe(samples);
        expect(clips.get(name)?.samples).toBe(samples);
        expect(clips.get(name)?.sampleRate).toBe(8000);
      }
      expect(library.samples(locale, 'greeting-end')).toBeUndefined();
    }
  });

  it('are not there for a locale that was not resolved', () => {
    expect(() => library.clips('xx')).toThrow(/resolve/);
    expect(() => library.samples('en', '1')).toThrow(/resolve/);
    expect(() => library.voice('xx')).toThrow(/resolve/);
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
    expect(first.samples('en-GB', '1')?.length).toBeGreaterThan(3000);
    expect(chosen.samples('en-GB', '1')?.length).toBe(800);
    expect([first.voice('en-GB'), chosen.voice('en-GB')]).toEqual(['amy', 'zoe']);
    await expect(PromptLibrary.load(folder, 'nobody')).rejects.toThrow(/voice nobody/);
  });

  it('resamples what comes at another rate', async () => {
    const clip = { sampleRate: 22_050, samples: new Int16Array(22_050).fill(1000) };
    await writeFile(join(folder, 'en-GB/amy/5.wav'), formatWav(clip));
    const loaded = await PromptLibrary.load(folder);
    expect(loaded.samples('en-GB', '5')?.length).toBe(8000);
  });

  it('speaks with a complete voice where the first is not, unless that one was chosen', async () => {
    await cp(join(folder, 'en-GB/amy'), join(folder, 'en-GB/zoe'), { recursive: true });
    await rm(join(folder, 'en-GB/amy/7.wav'));
    expect((await PromptLibrary.load(folder)).voice('en-GB')).toBe('zoe');
    await expect(PromptLibrary.load(folder, 'amy')).rejects.toThrow(/en-GB.amy are incomplete: 7 missing/);
  });

  it('does without letters, and knows it', async () => {
    await rm(join(folder, 'en-GB/amy/q.wav'));
    const loaded = await PromptLibrary.load(folder);
    expect(loaded.has('en-GB', 'letters')).toBe(false);
    expect(loaded.samples('en-GB', 'q')).toBeUndefined();
    expect(loaded.clips('en-GB', true).size).toBe(41);
    expect(loaded.has('en-GB', 'keys')).toBe(true);
  });

  it('does without the words for keys, and knows it', async () => {
    await rm(join(folder, 'en-GB/amy/enter.wav'));
    const loaded = await PromptLibrary.load(folder);
    expect(loaded.has('en-GB', 'keys')).toBe(false);
    expect(loaded.has('en-GB', 'letters')).toBe(true);
  });

  it('has what a language says after the code', async () => {
    await cp(join(folder, 'en-GB/amy/goodbye.wav'), join(folder, 'en-GB/amy/again-end.wav'));
    const loaded = await PromptLibrary.load(folder);
    expect(loaded.samples('en-GB', 'again-end')).toEqual(loaded.samples('en-GB', 'goodbye'));
    expect(loaded.clips('en-GB').has('again-end')).toBe(true);
  });

  it('is not stopped by folders that are no sets', async () => {
    await mkdir(join(folder, 'custom/news'), { recursive: true });
    await writeFile(join(folder, 'custom/0.wav'), 'not a sound');
    await mkdir(join(folder, 'en-GB/.amy-half-written'));
    await writeFile(join(folder, 'README.md'), '# Sounds');
    await mkdir(join(folder, 'fr'));
    expect((await PromptLibrary.load(folder)).locales()).toEqual(['en-GB']);
  });
});

const TONE = Int16Array.from({ length: 8000 }, (_, i) => Math.round(8000 * Math.sin(i / 3)));

describe('a file of the sounds folder', () => {
  let base: string;
  let folder: string;
  let loaded: PromptLibrary;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'sound-files-'));
    folder = join(base, 'sounds');
    await cp(join(SOUNDS, 'en-US'), join(folder, 'en-US'), { recursive: true });
    await mkdir(join(folder, 'custom/deep'), { recursive: true });
    await writeFile(join(folder, 'custom/welcome.wav'), formatWav({ sampleRate: 8000, samples: TONE }));
    await writeFile(join(base, 'outside.wav'), formatWav({ sampleRate: 8000, samples: TONE }));
    loaded = await PromptLibrary.load(folder);
  });
  afterEach(() => rm(base, { recursive: true }));

  async function faultOf(path: string): Promise<PromptFault> {
    const error: unknown = await loaded.file(path).then(
      () => new Error('it was read'),
      (reason: unknown) => reason,
    );
    if (!(error instanceof PromptError)) throw error;
    expect(error.message).not.toContain(base);
    return error.fault;
  }

  it('is read with or without .wav, at 8000 Hz, once', async () => {
    const [first, second] = await Promise.all([
      loaded.file('custom/welcome.wav'),
      loaded.file('custom/welcome'),
    ]);
    expect(first).toEqual(TONE);
    expect(second).toBe(first);
    expect(await loaded.file('custom/welcome')).toBe(first);
    expect(await loaded.file('en-US/slt/greeting')).toEqual(loaded.samples('en-US', 'greeting'));
  });

  it('is read again when it has changed', async () => {
    const file = join(folder, 'custom/welcome.wav');
    const before = await loaded.file('custom/welcome');
    await writeFile(file, formatWav({ sampleRate: 16_000, samples: TONE }));
    expect((await loaded.file('custom/welcome')).length).toBe(4000);
    await writeFile(file, formatWav({ sampleRate: 8000, samples: TONE }));
    await utimes(file, 1, 1);
    const after = await loaded.file('custom/welcome');
    expect(after).toEqual(before);
    expect(after).not.toBe(before);
  });

  it.each([
    '../outside',
    '../outside.wav',
    'custom/../../outside',
    'custom/../custom/welcome',
    './custom/welcome',
    'custom//welcome',
    'custom/welcome/',
    '/custom/welcome',
    'custom\\welcome',
    '..\\outside',
    '%2e%2e/outside',
    'custom/%77elcome',
    'custom%2fwelcome',
    'custom/welcome\0',
    'custom/welcome.wav\0.txt',
    'C:/outside',
    'custom/welcome:stream',
    'file:custom/welcome',
    '',
    '.',
    '..',
    '/',
    'custom',
    'custom/deep',
    'custom/nothing',
    'custom/welcome.mp3',
    'en-US/slt',
    `custom/${'a'.repeat(300)}`,
    'a/'.repeat(90) + 'b',
    'custom/wel\ncome',
    'custom/\u202ewelcome',
  ])('is not %j', async (path) => {
    expect(await faultOf(path)).toBe('file_not_found');
  });

  it('is not what an absolute path names', async () => {
    expect(await faultOf(join(base, 'outside.wav'))).toBe('file_not_found');
    expect(await faultOf(join(folder, 'custom/welcome.wav'))).toBe('file_not_found');
  });

  it('is not what a link leads to outside of the folder, nor one to nowhere or to itself', async () => {
    await symlink(join(base, 'outside.wav'), join(folder, 'custom/link.wav'));
    await symlink('../../outside.wav', join(folder, 'custom/relative.wav'));
    await symlink(base, join(folder, 'custom/up'));
    await symlink(`${folder}-other`, join(folder, 'custom/sibling'));
    await mkdir(`${folder}-other`);
    await cp(join(base, 'outside.wav'), join(`${folder}-other`, 'a.wav'));
    await symlink('nowhere.wav', join(folder, 'custom/broken.wav'));
    await symlink('loop.wav', join(folder, 'custom/loop.wav'));
    await symlink('/dev/zero', join(folder, 'custom/zero.wav'));
    for (const name of ['link', 'relative', 'up/outside', 'sibling/a', 'broken', 'loop', 'zero']) {
      expect([name, await faultOf(`custom/${name}`)]).toEqual([name, 'file_not_found']);
    }
  });

  it('may be a link inside of the folder', async () => {
    await symlink('../en-US/slt/goodbye.wav', join(folder, 'custom/bye.wav'));
    expect(await loaded.file('custom/bye')).toBe(await loaded.file('en-US/slt/goodbye'));
  });

  it('is no longer there once a link took its place', async () => {
    await loaded.file('custom/welcome');
    await rename(join(folder, 'custom/welcome.wav'), join(folder, 'custom/former.wav'));
    await symlink(join(base, 'outside.wav'), join(folder, 'custom/welcome.wav'));
    expect(await faultOf('custom/welcome')).toBe('file_not_found');
  });

  it('is no pipe, and nobody waits for one', async () => {
    execFileSync('mkfifo', [join(folder, 'custom/pipe.wav')]);
    await mkdir(join(folder, 'custom/folder.wav'));
    expect(await faultOf('custom/pipe')).toBe('file_not_found');
    expect(await faultOf('custom/folder')).toBe('file_not_found');
  });

  it('is a sound', async () => {
    await writeFile(join(folder, 'custom/text.wav'), 'not a sound');
    await writeFile(join(folder, 'custom/none.wav'), '');
    const empty = formatWav({ sampleRate: 8000, samples: new Int16Array(0) });
    await writeFile(join(folder, 'custom/empty.wav'), empty);
    for (const name of ['text', 'none', 'empty']) expect(await faultOf(`custom/${name}`)).toBe('not_audio');
  });

  it('is at most 60 s and 20 MB', async () => {
    const write = (name: string, samples: number): Promise<void> =>
      writeFile(
        join(folder, `custom/${name}.wav`),
        formatWav({ sampleRate: 8000, samples: new Int16Array(samples) }),
      );
    await write('minute', 480_000);
    await write('longer', 480_001);
    await write('large', 10);
    await truncate(join(folder, 'custom/large.wav'), 20_000_001);
    expect((await loaded.file('custom/minute')).length).toBe(480_000);
    expect(await faultOf('custom/longer')).toBe('too_long');
    expect(await faultOf('custom/large')).toBe('too_long');
  });

  it('is held only up to 64 MB', async () => {
    const first = await loaded.file('custom/welcome');
    // 1.92 MB each, with what it is encoded to: 36 of them are more than what is held.
    const samples = new Int16Array(480_000);
    for (let i = 0; i < 36; i++) {
      const file = join(folder, 'custom/minute.wav');
      await writeFile(file, formatWav({ sampleRate: 8000, samples }));
      await utimes(file, i, i);
      await loaded.file('custom/minute');
    }
    const again = await loaded.file('custom/welcome');
    expect(again).toEqual(first);
    expect(again).not.toBe(first);
  });
});
