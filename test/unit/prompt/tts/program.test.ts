import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ProgramConfig, ttsProviderSchema } from '../../../../src/config-tts.ts';
import { formatWav } from '../../../../src/media/wav.ts';
import { ProgramProvider } from '../../../../src/prompt/tts/program.ts';
import { eventually } from '../../../support/eventually.ts';

const SAMPLES = Int16Array.from({ length: 4000 }, (_, i) => Math.round(3000 * Math.sin(i / 3)));

/** Programs of our own, which do what programs that speak should not. */
describe('a program that speaks, on a bad day', () => {
  const usual = process.env['TMPDIR'];
  let folder: string;
  let wav: string;
  const providers: ProgramProvider[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-bad-program-'));
    wav = join(folder, 'tone.wav');
    await writeFile(wav, formatWav({ sampleRate: 8000, samples: SAMPLES }));
    process.env['TMPDIR'] = folder;
  });
  afterEach(async () => {
    await Promise.all(providers.splice(0).map((provider) => provider.close()));
    if (usual === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = usual;
    expect((await readdir(folder)).filter((name) => name.startsWith('voice-otp-tts-'))).toEqual([]);
    await rm(folder, { recursive: true });
  });

  /** @param code JavaScript of the program; `argv[0]` and so on are its arguments after `more` */
  async function program(
    code: string,
    more: Partial<ProgramConfig> & { more?: string[] } = {},
  ): Promise<ProgramProvider> {
    const script = join(folder, `${providers.length}.cjs`);
    await writeFile(script, `const fs = require('node:fs'); const argv = process.argv.slice(2);\n${code}`);
    const { more: args = [], ...config } = more;
    const parsed = ttsProviderSchema.parse({
      id: 'own',
      type: 'program',
      command: process.execPath,
      args: [script, ...args],
      input: 'stdin',
      output: 'stdout',
      voices: { 'en-US': 'tone' },
      ...config,
    });
    const provider = new ProgramProvider(parsed as ProgramConfig);
    providers.push(provider);
    await provider.start();
    return provider;
  }

  const say = (provider: ProgramProvider, signal = AbortSignal.timeout(20_000)) =>
    provider.synthesize({ text: 'zebrafish\nline', locale: 'en-US', speed: 1.5 }, signal);

  it('gets the text on one line of standard input, and a small environment', async () => {
    process.env['VOICE_OTP_TEST'] = 'a secret';
    const seen = join(folder, 'seen.json');
    const code = `
      const text = fs.readFileSync(0, 'utf8');
      fs.writeFileSync(${JSON.stringify(seen)}, JSON.stringify({ text, argv, env: Object.keys(process.env) }));
      process.stdout.write(fs.readFileSync(${JSON.stringify(wav)}));`;
    const provider = await program(code, { more: ['{locale}', 'r={rate}', '{voice}'], rate: 'percent' });
    expect((await say(provider)).samples).toEqual(SAMPLES);
    delete process.env['VOICE_OTP_TEST'];
    const { text, argv, env } = JSON.parse(await readFile(seen, 'utf8'));
    expect(text).toBe('zebrafish line\n');
    expect(argv).toEqual(['en-US', 'r=150', 'tone']);
    expect(env.toSorted()).toEqual(
      ['HOME', 'LANG', 'PATH'].filter((name) => name === 'LANG' || name in process.env),
    );
  });

  it('may get it in a file that nobody else can read, and answer with raw samples in one', async () => {
    const seen = join(folder, 'seen.json');
    const code = `
      const mode = (path) => (fs.statSync(path).mode & 0o777).toString(8);
      const [input, output] = argv;
      const folder = require('node:path').dirname(input);
      const text = fs.readFileSync(input, 'utf8');
      fs.writeFileSync(${JSON.stringify(seen)}, JSON.stringify([text, mode(input), mode(folder)]));
      fs.writeFileSync(output, fs.readFileSync(${JSON.stringify(wav)}).subarray(44));`;
    const provider = await program(code, {
      more: ['{input}', '{output}'],
      input: 'file',
      output: 'file',
      sampleRate: 16_000,
    });
    const spoken = await say(provider);
    expect(spoken).toEqual({ sampleRate: 16_000, samples: SAMPLES });
    expect(JSON.parse(await readFile(seen, 'utf8'))).toEqual(['zebrafish line\n', '600', '700']);
  });

  it.each([
    ['ends with an error', 'tts_failed', `process.stdout.write(fs.readFileSync(WAV)); process.exitCode = 1;`],
    ['kills itself', 'tts_failed', `process.kill(process.pid, 'SIGSEGV');`],
    ['says nothing', 'not_audio', ``],
    ['prints text', 'tts_failed', `console.log('zebrafish');`],
    ['prints half of it', 'tts_failed', `process.stdout.write(fs.readFileSync(WAV).subarray(0, 5000));`],
    ['never stops to print', 'too_long', `const b = Buffer.alloc(65536); for (;;) fs.writeSync(1, b);`],
  ])('that %s is a fault', async (_, fault, code) => {
    const provider = await program(code.replaceAll('WAV', JSON.stringify(wav)));
    const error: unknown = await say(provider).catch((one: unknown) => one);
    expect(error).toMatchObject({ name: 'PromptError', fault });
    expect(String(error) + String((error as Error).cause)).not.toContain('zebrafish');
  });

  it.each([
    ['writes no file', 'not_audio', ``],
    ['writes an empty file', 'not_audio', `fs.writeFileSync(argv[0], '');`],
    [
      'never stops to write',
      'too_long',
      `const b = Buffer.alloc(65536); const f = fs.openSync(argv[0], 'w');
      const deadline = Date.now() + 60_000; while (Date.now() < deadline) { fs.writeSync(f, b); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); }`,
    ],
  ])('that %s is a fault', async (_, fault, code) => {
    const provider = await program(code, { more: ['{output}'], output: 'file' });
    await expect(say(provider)).rejects.toMatchObject({ fault });
  });

  it('is ended with all that it started, even if it does not want to', async () => {
    const pids = join(folder, 'pids');
    const deaf = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`;
    const code = `
      const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(deaf)}], { stdio: ['ignore', 'inherit', 'ignore'] });
      ${deaf}
      fs.writeFileSync(${JSON.stringify(pids)}, process.pid + ' ' + child.pid);`;
    const provider = await program(code);
    const stop = new AbortController();
    const spoken = say(provider, stop.signal).catch((error: unknown) => error);
    const both = await eventually(async () => {
      const found = (await readFile(pids, 'utf8')).split(' ').map(Number);
      expect(found).toHaveLength(2);
      return found;
    });
    for (const pid of both) expect(isAlive(pid)).toBe(true);
    stop.abort(new DOMException('late', 'TimeoutError'));
    expect(await spoken).toMatchObject({ fault: 'tts_timeout' });
    await provider.close();
    await eventually(() => expect(both.filter(isAlive)).toEqual([]));
  });

  it('leaves the text nowhere for good, also where we are killed', async () => {
    const script = join(folder, 'slow.cjs');
    const seen = join(folder, 'seen');
    await writeFile(
      script,
      `require('node:fs').writeFileSync(${JSON.stringify(seen)}, String(process.pid)); setInterval(() => {}, 1000);`,
    );
    const config = {
      ...{ id: 'own', type: 'program', command: process.execPath, args: [script, '{input}'] },
      ...{ input: 'file', output: 'stdout', voices: { 'en-US': 'tone' } },
    };
    const entry = fileURLToPath(new URL('../../../support/speaking-process.ts', import.meta.url));
    const args = ['--import', import.meta.resolve('tsx'), entry, JSON.stringify(config)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const orphan = await eventually(
      async () => {
        const pid = Number(await readFile(seen, 'utf8'));
        expect(pid).toBeGreaterThan(0);
        return pid;
      },
      { timeoutMs: 20_000 },
    );
    const left = async (): Promise<string[]> =>
      (await readdir(folder)).filter((name) => name.startsWith('voice-otp-tts-'));
    try {
      const [name = ''] = await left();
      await program('');
      expect(await left()).toEqual([name]);
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      expect((await readdir(join(folder, name))).filter((file) => file.endsWith('.txt'))).toHaveLength(1);
      // Others', and what only has the name.
      const [host, random] = [name.slice(14, 26), name.slice(-24)];
      const kept = [`voice-otp-tts-${'0'.repeat(12)}-${child.pid}-${random}`, 'voice-otp-tts-abcdef'];
      for (const other of kept) await mkdir(join(folder, other));
      const link = `voice-otp-tts-${host}-${child.pid}-${'0'.repeat(24)}`;
      await symlink(join(folder, kept[1] ?? ''), join(folder, link));
      const ours = `voice-otp-tts-${host}-${process.pid}-${random}`;
      await mkdir(join(folder, ours));
      await program('');
      expect((await left()).toSorted()).toEqual([...kept, link].toSorted());
      for (const other of [...kept, link]) await rm(join(folder, other), { recursive: true });
    } finally {
      process.kill(orphan, 'SIGKILL');
    }
  });

  it('may leave its input unread', async () => {
    const provider = await program(
      `process.stdin.destroy(); process.stdout.write(fs.readFileSync(${JSON.stringify(wav)}));`,
    );
    expect((await say(provider)).samples).toEqual(SAMPLES);
  });

  it('is missed at the start', async () => {
    for (const command of ['no-such-program-of-ours', join(folder, 'none'), wav]) {
      await expect(program('', { command })).rejects.toMatchObject({
        fault: 'tts_failed',
        message: expect.stringContaining(command),
      });
    }
    expect(providers.map((one) => one.locales())).toEqual([[], [], []]);
  });

  it('is told from another by its fingerprint, whatever it is called', async () => {
    const print = async (more: object) => (await program('', more)).fingerprint;
    const [plain, ...others] = [
      await print({}),
      await print({ sampleRate: 8000 }),
      await print({ voices: { 'en-US': 'other' } }),
      await print({ rate: 'percent' }),
    ];
    expect(new Set([plain, ...others]).size).toBe(4);
    const config = { type: 'program', preset: 'flite' } as const;
    const [a, b] = ['a', 'b'].map((id) => new ProgramProvider({ ...config, id }).fingerprint);
    expect(a).toBe(b);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
