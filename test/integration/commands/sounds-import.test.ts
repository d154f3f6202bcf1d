import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ImportReport } from '../../../src/commands/sounds-import.ts';
import { encodePcmu } from '../../../src/media/g711.ts';
import { peakDbfs, speechDbfs } from '../../../src/media/loudness.ts';
import type { Pcm } from '../../../src/media/pcm.ts';
import { resample } from '../../../src/media/resample.ts';
import { formatWav, parseWav } from '../../../src/media/wav.ts';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import { DIGIT_CLIPS, KEY_CLIPS, LETTER_CLIPS, PHRASE_CLIPS } from '../../../src/prompt/sound-set.ts';
import { amplified, OURS, ours, type Ran, run } from './sounds-run.ts';

const NEEDED = [...DIGIT_CLIPS, ...PHRASE_CLIPS];

let base: string;
let recordings: string;
let into: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'sounds-command-'));
  recordings = join(base, 'recordings');
  into = join(base, 'sounds');
  await mkdir(recordings);
});
afterEach(() => rm(base, { recursive: true }));

function runImport(...args: string[]): Promise<Ran> {
  return run('import', recordings, '--locale', 'en-gb', '--voice', 'jo', '--into', into, ...args);
}

/** A WAV file of any encoding: the samples of each frame as bytes. */
function wavOf(
  tag: number,
  bits: number,
  channels: number,
  sampleRate: number,
  data: Uint8Array,
): Uint8Array {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + data.length, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(tag, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE((sampleRate * channels * bits) / 8, 28);
  header.writeUInt16LE((channels * bits) / 8, 32);
  header.writeUInt16LE(bits, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(data.length, 40);
  return Buffer.concat([header, data]);
}

/** 24 bits, both channels the same. */
function studio(pcm: Pcm): Uint8Array {
  const { samples } = resample(pcm, 48_000);
  const data = Buffer.alloc(samples.length * 6);
  for (const [i, sample] of samples.entries()) {
    data.writeIntLE(sample * 256, i * 6, 3);
    data.writeIntLE(sample * 256, i * 6 + 3, 3);
  }
  return wavOf(1, 24, 2, 48_000, data);
}

function telephone(pcm: Pcm): Uint8Array {
  return wavOf(7, 8, 1, 8000, encodePcmu(resample(pcm, 8000).samples));
}

async function record(names: readonly string[], how: (pcm: Pcm) => Uint8Array = formatWav): Promise<void> {
  for (const name of names) {
    await writeFile(join(recordings, `${name}.wav`), how(amplified(await ours(name), 0.3, 400)));
  }
}

function correlation(a: Int16Array, b: Int16Array): number {
  const dot = (x: Int16Array, y: Int16Array): number =>
    x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe('import', () => {
  it.each([
    ['48 kHz, 24 bits, stereo', studio, 16_000],
    ['µ-law', telephone, 8000],
    ['16 kHz', formatWav, 16_000],
  ])('makes a set of recordings in %s', async (_, how, rate) => {
    await record(NEEDED, how);
    const { code, text } = await runImport();
    expect(code).toBe(0);
    expect(text).toContain(`written to ${join(into, 'en-GB/jo')}`);
    const files = await readdir(join(into, 'en-GB'));
    expect(files).toEqual(['jo']);
    for (const name of NEEDED) {
      const clip = parseWav(await readFile(join(into, 'en-GB/jo', `${name}.wav`)));
      const wanted = resample(await ours(name), rate);
      expect(clip.sampleRate).toBe(rate);
      // The same sound again at the level of all sets: what was put around it is cut off.
      expect(Math.abs(speechDbfs(clip) + 20)).toBeLessThan(0.3);
      expect(peakDbfs(clip)).toBeLessThan(-2.99);
      expect(Math.abs(clip.samples.length - wanted.samples.length) / rate).toBeLessThan(0.05);
    }
    const loaded = await PromptLibrary.load(into);
    expect(loaded.voice('en-GB')).toBe('jo');
  });

  it('keeps what is said', async () => {
    await record(NEEDED, studio);
    await runImport();
    const made = parseWav(await readFile(join(into, 'en-GB/jo/greeting.wav')));
    const original = await ours('greeting');
    const shifts = Array.from({ length: 400 }, (_, i) => i - 200);
    const best = Math.max(
      ...shifts.map((shift) =>
        correlation(
          made.samples.subarray(1000, 20_000),
          original.samples.subarray(1000 + shift, 20_000 + shift),
        ),
      ),
    );
    expect(best).toBeGreaterThan(0.98);
  });

  it('says clip by clip what it did, and as JSON', async () => {
    await record(NEEDED);
    const { code, text } = await runImport('--json');
    const report = JSON.parse(text) as ImportReport;
    expect(code).toBe(0);
    expect(report).toMatchObject({ set: 'en-GB/jo', written: true, refused: null });
    expect(report.clips.map(({ clip }) => clip)).toEqual(NEEDED);
    expect(report.lacking).toEqual({ required: [], optional: [...KEY_CLIPS, ...LETTER_CLIPS] });
    for (const { clip, from, before, after } of report.clips) {
      expect(from).toEqual([`${clip}.wav`]);
      expect((before?.ms ?? 0) - (after?.ms ?? 0)).toBeGreaterThan(700);
      expect(before?.speechDbfs).toBeCloseTo(-30.5, 0);
      expect(after?.speechDbfs).toBeCloseTo(-20, 0);
    }
  });

  it('writes nothing where a clip is lacking or unusable, and says which', async () => {
    await record(NEEDED);
    await rm(join(recordings, '7.wav'));
    await writeFile(join(recordings, 'again.wav'), 'not a sound');
    await writeFile(
      join(recordings, '3.wav'),
      formatWav({ sampleRate: 8000, samples: new Int16Array(8000) }),
    );
    await writeFile(
      join(recordings, '4.wav'),
      formatWav({ sampleRate: 6000, samples: (await ours('4')).samples }),
    );
    const { code, text } = await runImport();
    expect(code).toBe(1);
    expect(text).toMatch(/lacks 3, 4, 7, again/);
    expect(text).toMatch(/again\.wav\s+it cannot be used: not a RIFF WAV file/);
    expect(text).toMatch(/3\.wav\s+it cannot be used: it is silent/);
    expect(text).toMatch(/4\.wav\s+it cannot be used: 6000 Hz/);
    expect(text).toMatch(/nothing is written/);
    expect(await readdir(base)).toEqual(['recordings']);
  });

  it('writes an incomplete set where it may, but never in the place of a complete one', async () => {
    await record(DIGIT_CLIPS);
    expect((await runImport('--allow-incomplete')).code).toBe(0);
    expect((await readdir(join(into, 'en-GB/jo'))).length).toBe(10);
    await record(NEEDED);
    expect((await runImport('--replace')).code).toBe(0);
    for (const name of PHRASE_CLIPS) await rm(join(recordings, `${name}.wav`));
    const { code, text } = await runImport('--allow-incomplete', '--replace');
    expect(code).toBe(1);
    expect(text).toMatch(/a complete set is there already/);
    expect((await readdir(join(into, 'en-GB/jo'))).length).toBe(13);
  });

  it('replaces a set by another whole one where it is told to: nothing of the former is left', async () => {
    await record([...NEEDED, ...LETTER_CLIPS]);
    await runImport();
    for (const name of LETTER_CLIPS) await rm(join(recordings, `${name}.wav`));
    const { code, text } = await runImport();
    expect(code).toBe(1);
    expect(text).toMatch(/nothing is written: .*en-GB\/jo is there already: --replace overwrites it/);
    expect(await readdir(join(into, 'en-GB/jo'))).toHaveLength(NEEDED.length + LETTER_CLIPS.length);
    expect((await runImport('--replace')).code).toBe(0);
    expect((await readdir(join(into, 'en-GB/jo'))).toSorted()).toEqual(
      NEEDED.map((name) => `${name}.wav`).toSorted(),
    );
    expect(await readdir(join(into, 'en-GB'))).toEqual(['jo']);
  });

  it('leaves what is there where the new set cannot be written', async () => {
    await record(NEEDED);
    await mkdir(into);
    await writeFile(join(into, 'en-GB'), 'a file where a folder should be');
    expect((await runImport()).code).toBe(1);
    expect(await readFile(join(into, 'en-GB'), 'utf8')).toMatch(/^a file/);
  });

  it('takes recordings of the words for keys, and says what lacks where one is not there', async () => {
    await record([...NEEDED, ...KEY_CLIPS]);
    expect((await runImport()).text).not.toMatch(/cannot ask for keys/);
    expect((await PromptLibrary.load(into)).has('en-GB', 'keys')).toBe(true);
    await rm(join(recordings, 'enter.wav'));
    const { code, text } = await runImport('--replace');
    expect(code).toBe(0);
    expect(text).toMatch(/without enter: it cannot ask for keys/);
    expect((await PromptLibrary.load(into)).has('en-GB', 'keys')).toBe(false);
    expect((await run('check', into)).text).toMatch(/without enter: cannot ask for keys/);
  });

  it('takes phrases from another set of the language', async () => {
    await record([...DIGIT_CLIPS, 'enter']);
    await cp(join(OURS, 'en-US'), join(into, 'en-US'), { recursive: true });
    const { code, text } = await runImport('--phrases-from', 'en-US/slt');
    expect(code).toBe(0);
    expect(text).toMatch(/greeting\s+en-US\/slt\/greeting\.wav/);
    expect(await readFile(join(into, 'en-GB/jo/again.wav'))).toEqual(
      await readFile(join(OURS, 'en-US/slt/again.wav')),
    );
    expect(text).toMatch(/press\s+en-US\/slt\/press\.wav/);
    expect(text).toMatch(/enter\s+enter\.wav/);
    expect((await PromptLibrary.load(into)).locales()).toEqual(['en-GB', 'en-US']);
  });

  it('follows a map, and joins what it says to join', async () => {
    await record(DIGIT_CLIPS);
    const hello = await ours('goodbye');
    await writeFile(join(recordings, 'hello.wav'), formatWav(hello));
    await writeFile(join(recordings, 'code.wav'), studio(await ours('again')));
    await writeFile(
      join(base, 'map.yaml'),
      'greeting: [hello.wav, code.wav]\nagain: code.wav\ngoodbye: hello.wav\n',
    );
    const { code, text } = await runImport('--map', join(base, 'map.yaml'), '--json');
    expect(code).toBe(0);
    const { clips } = JSON.parse(text) as ImportReport;
    const lengthOf = (name: string): number => clips.find(({ clip }) => clip === name)?.after?.ms ?? 0;
    expect(clips.find(({ clip }) => clip === 'greeting')?.from).toEqual(['hello.wav', 'code.wav']);
    expect(Math.abs(lengthOf('greeting') - lengthOf('goodbye') - lengthOf('again') - 150)).toBeLessThan(20);
  });

  it.each(['greeting: 7', 'hello: hello.wav', '- a', 'greeting: []', 'a: [', ''])(
    'refuses the map %j',
    async (map) => {
      await record(DIGIT_CLIPS);
      await writeFile(join(base, 'map.yaml'), map);
      expect((await runImport('--map', join(base, 'map.yaml'))).code).toBe(1);
    },
  );

  it('says where a recording was too loud or is too long', async () => {
    await record(NEEDED);
    const { samples } = await ours('5');
    const loud = samples.map((sample) => Math.max(-32_768, Math.min(32_767, sample * 30)));
    await writeFile(join(recordings, '5.wav'), formatWav({ sampleRate: 16_000, samples: loud }));
    await writeFile(join(recordings, '6.wav'), formatWav(await ours('greeting')));
    const { text } = await runImport('--json');
    const notes = new Map(
      (JSON.parse(text) as ImportReport).clips.map(({ clip, notes: said }) => [clip, said]),
    );
    expect(notes.get('5')).toEqual(['the recording is clipped']);
    expect(notes.get('6')).toEqual(['it is too long']);
    expect(notes.get('4')).toEqual([]);
  });

  it('looks at recordings only, and neither far nor deep', async () => {
    await record(DIGIT_CLIPS.slice(1));
    spawnSync('mkfifo', [join(recordings, '0.wav')]);
    await symlink('/dev/zero', join(recordings, 'greeting.wav'));
    await mkdir(join(recordings, 'deep/er'), { recursive: true });
    await mkdir(join(recordings, 'digits/goodbye.wav'), { recursive: true });
    await writeFile(join(recordings, 'deep/again.wav'), formatWav(await ours('again')));
    const { code, text } = await runImport();
    expect(code).toBe(1);
    expect(text).toMatch(/0\.wav\s+it cannot be used: it is a pipe and no file/);
    expect(text).toMatch(/greeting\.wav\s+it cannot be used: it is a device and no file/);
    expect(text).not.toMatch(/again\.wav|goodbye\.wav/);
  });

  it('refuses a folder with far more files than recordings', async () => {
    for (let i = 0; i <= 20_000; i++) writeFileSync(join(recordings, `${i}.txt`), '');
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect((await runImport()).code).toBe(1);
    expect(said).toHaveBeenCalledWith(
      expect.stringMatching(/there are more than 20000 files in .*recordings\.$/m),
    );
    said.mockRestore();
  });

  it.each([
    [['--help'], /^ {2}sounds check \[FOLDER\] .*^ {2}sounds import FOLDER /ms],
    [['-h'], /^ {2}sounds check \[FOLDER\] .*^ {2}sounds import FOLDER /ms],
    [['import', '--help'], /^voice-otp sounds import FOLDER \[options\]$.*^ {2}--replace /ms],
    [['check', 'a', 'b', '--help'], /^voice-otp sounds check \[FOLDER\] \[options\]$/m],
  ])('tells how it is used: %j', async (args, expected) => {
    const { code, text } = await run(...args);
    expect(code).toBe(0);
    expect(text).toMatch(expected);
  });

  it('tells how it is used to who names an option that there is not', async () => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect((await runImport('--loud')).code).toBe(2);
    expect(said.mock.calls.flat().join('')).toMatch(/'--loud'.*^voice-otp sounds import FOLDER/ms);
    said.mockRestore();
  });

  it.each([
    ['import'],
    ['import', 'folder'],
    ['import', 'folder', '--locale', 'it'],
    ['import', 'folder', '--locale', 'custom', '--voice', 'a'],
    ['import', 'folder', '--locale', '../it', '--voice', 'a'],
    ['import', 'folder', '--locale', 'it', '--voice', '../a'],
    ['import', 'folder', '--locale', 'it', '--voice', '.a'],
    ['import', 'folder', '--locale', 'it', '--voice', 'a', '--phrases-from', 'en-US/slt'],
    ['import', 'folder', '--locale', 'it', '--voice', 'a', '--phrases-from', '../it/slt'],
    ['import', 'folder', '--locale', 'it', '--voice', 'a', '--loud'],
    ['check', 'a', 'b'],
    ['play'],
    [],
  ])('refuses what makes no sense: %s %s %s %s %s %s', async (...args) => {
    expect((await run(...args)).code).toBe(2);
  });

  it('refuses folders that are not there or hold nothing of use', async () => {
    expect((await runImport()).code).toBe(1);
    await record(DIGIT_CLIPS);
    expect((await runImport('--phrases-from', 'en-US/nobody')).code).toBe(1);
    await rm(recordings, { recursive: true });
    expect((await runImport()).code).toBe(1);
  });
});

describe.each([
  ['it', 'it_IT_m_Carlo'],
  ['en-US', 'en_US_f_Allison'],
])('recordings of Asterisk for %s', (locale, voice) => {
  const folder = `/usr/share/asterisk/sounds/${voice}`;
  const missing = spawnSync('test', ['-f', `${folder}/digits/0.wav`]).status !== 0;
  const reason = `${folder} is missing: apt-get install asterisk-core-sounds-${locale.slice(0, 2)}-wav`;
  if (missing) process.stderr.write(`skipped: ${reason}\n`);

  it('give all but the greeting', ({ skip }) => {
    skip(missing, reason);
    return run('import', folder, '--locale', locale, '--voice', 'human', '--into', into, '--json').then(
      ({ code, text }) => {
        const report = JSON.parse(text) as ImportReport;
        expect(code).toBe(1);
        expect(report.lacking).toEqual({ required: ['greeting', 'again'], optional: [...KEY_CLIPS] });
        expect(report.clips).toHaveLength(37);
        expect(report.clips.find(({ clip }) => clip === 'a')?.from).toEqual([join('phonetic', 'a_p.wav')]);
        expect(report.clips.flatMap(({ notes }) => notes)).toEqual([]);
      },
    );
  });

  it('make a set that can be used, with phrases of ours or with a map', async ({ skip }) => {
    skip(missing, reason);
    await cp(join(OURS, locale), join(into, locale), { recursive: true });
    const phrases = `${locale}/${locale === 'it' ? 'espeak' : 'slt'}`;
    const target = ['--locale', locale, '--voice', 'human', '--into', into];
    expect((await run('import', folder, ...target, '--phrases-from', phrases)).code).toBe(0);
    await writeFile(
      join(base, 'map.yaml'),
      'greeting: [hello.wav, vm-num-i-have.wav]\nagain: vm-num-i-have.wav\n',
    );
    expect((await run('import', folder, ...target, '--replace', '--map', join(base, 'map.yaml'))).code).toBe(
      0,
    );
    const loaded = await PromptLibrary.load(into, 'human');
    expect(loaded.has(locale, 'letters')).toBe(true);
    for (const { samples } of loaded.clips(locale, true).values()) {
      expect(Math.abs(speechDbfs({ sampleRate: 8000, samples }) + 20)).toBeLessThan(1);
    }
    expect((await run('check', into)).code).toBe(0);
  });
});
