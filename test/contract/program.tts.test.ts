import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ProgramConfig, ttsProviderSchema } from '../../src/config-tts.ts';
import { ProgramProvider } from '../../src/prompt/tts/program.ts';
import { describeWithProgram } from '../support/tts-programs.ts';
import { descendants, type TtsUnderTest, ttsContract } from './tts-contract.ts';

describeWithProgram('espeak-ng', 'espeak-ng as a program', () => {
  ttsContract('espeak-ng', () => open({ id: 'espeak', type: 'program', preset: 'espeak-ng' }), {
    sample: ['en-US', 'en-GB', 'es', 'fr', 'de', 'it', 'pt-BR', 'ru', 'zh', 'hi'],
    voice: 'en-GB-scotland+f2',
    processes: true,
  });
});

describeWithProgram('flite', 'flite as a program', () => {
  ttsContract('flite', () => open({ id: 'flite', type: 'program', preset: 'flite' }), {
    sample: ['en-US', 'en-GB'],
    voice: 'kal',
    processes: true,
  });
  ttsContract(
    'flite without a preset, with the text in a file',
    () =>
      open({
        id: 'own',
        type: 'program',
        command: 'flite',
        args: ['-voice', '{voice}', '--setf', 'duration_stretch={rate}', '-f', '{input}', '-o', '{output}'],
        input: 'file',
        output: 'file',
        rate: 'stretch',
        voices: { 'en-US': { female: 'slt', male: 'rms' }, en: 'kal' },
      }),
    { sample: ['en-US', 'en'], voice: 'kal', processes: true },
  );
});

/** Everything it writes goes into a folder of its own. */
async function open(config: ProgramConfig): Promise<TtsUnderTest> {
  const usual = process.env['TMPDIR'];
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-program-'));
  await mkdir(join(folder, 'tmp'));
  process.env['TMPDIR'] = join(folder, 'tmp');
  const before = new Set(descendants());
  const held = async (): Promise<number> => {
    const names = await readdir(join(folder, 'tmp'));
    for (const name of names) await checkPrivate(join(folder, 'tmp', name));
    return names.length + descendants().filter((pid) => !before.has(pid)).length;
  };
  return {
    provider: new ProgramProvider(ttsProviderSchema.parse(config) as ProgramConfig),
    held,
    left: held,
    remove: async () => {
      if (usual === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = usual;
      await rm(folder, { recursive: true });
    },
  };
}

/** Where it is not gone already. */
async function checkPrivate(path: string): Promise<void> {
  const { mode } = await stat(path).catch(() => ({ mode: 0 }));
  if ((mode & 0o077) !== 0) throw new Error(`others may read ${path}`);
}
