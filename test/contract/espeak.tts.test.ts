import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EspeakProvider } from '../../src/prompt/tts/espeak.ts';
import { eventually } from '../support/eventually.ts';
import { descendants, ttsContract } from './tts-contract.ts';

const OPTIONS = { id: 'espeak', processes: 1, wordsPerMinute: 150, pitch: 50 };
const SAMPLE = ['en-US', 'en-GB', 'es', 'fr', 'de', 'it', 'pt-BR', 'ru', 'zh', 'hi'];
const SOURCES = fileURLToPath(new URL('../../src', import.meta.url));

ttsContract(
  'espeak-ng from npm',
  () => {
    const processes = () => espeakProcesses().length;
    return Promise.resolve({
      provider: new EspeakProvider(OPTIONS),
      held: () => processes() - 1,
      left: processes,
      remove: () => Promise.resolve(),
    });
  },
  { sample: SAMPLE, voice: 'en-GB-scotland+f2', processes: true },
);

describe('the process of espeak-ng', () => {
  let provider: EspeakProvider;
  const pids = () => espeakProcesses();
  const say = (text: string, signal = AbortSignal.timeout(20_000)) =>
    provider.synthesize({ text, locale: 'en-US', speed: 1 }, signal);

  beforeEach(() => {
    provider = new EspeakProvider(OPTIONS);
  });
  afterEach(() => provider.close());

  it('is made anew when it is killed, for those that wait and for those that come', async () => {
    await provider.start();
    for (let kills = 0; kills < 4; kills++) {
      const [pid, ...more] = pids();
      if (pid === undefined) throw new Error('it has no process');
      expect(more).toEqual([]);
      process.kill(pid, 'SIGSTOP');
      const [first, second] = [say('one'), say('two')];
      process.kill(pid, 'SIGKILL');
      await expect(first).rejects.toMatchObject({ fault: 'tts_failed' });
      expect((await second).samples.length).toBeGreaterThan(1000);
      expect(pids()).not.toContain(pid);
    }
  });

  it('is killed when it does not come to an end in time', async () => {
    await provider.start();
    const [pid = 0] = pids();
    process.kill(pid, 'SIGSTOP');
    const late = new AbortController();
    const waiting = say('one', late.signal);
    const next = say('two');
    late.abort(new DOMException('late', 'TimeoutError'));
    await expect(waiting).rejects.toMatchObject({ fault: 'tts_timeout' });
    expect((await next).samples.length).toBeGreaterThan(1000);
    expect(pids()).not.toContain(pid);
  });

  it('does not wait for a process that hangs when it is closed', async () => {
    await provider.start();
    for (const pid of pids()) process.kill(pid, 'SIGSTOP');
    await provider.close();
    expect(pids()).toEqual([]);
  });

  it('can be closed while it starts', async () => {
    const starting = provider.start();
    await provider.close();
    await starting.catch((error: unknown) => expect(error).toMatchObject({ fault: 'tts_failed' }));
    expect(pids()).toEqual([]);
  });

  it('is there as often as the configuration says, and speaks as many texts at a time', async () => {
    await provider.close();
    provider = new EspeakProvider({ ...OPTIONS, processes: 3 });
    await provider.start();
    expect(pids()).toHaveLength(3);
    const [stopped = 0] = pids();
    process.kill(stopped, 'SIGSTOP');
    const spoken = Array.from({ length: 6 }, (_, i) => say(`${i}`));
    // One of them has to wait for the process that was stopped; the others are spoken beside it.
    const done = await Promise.all(spoken.map((one) => Promise.race([one.then(() => 1), halfOf(spoken)])));
    expect(done.reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(3);
    process.kill(stopped, 'SIGCONT');
    await Promise.all(spoken);
  });

  it('does not end with a signal to all processes, and does end with the one that started it', async () => {
    const code = `
      const { EspeakProvider } = await import(${JSON.stringify(join(SOURCES, 'prompt/tts/espeak.ts'))});
      const provider = new EspeakProvider(${JSON.stringify(OPTIONS)});
      await provider.start();
      console.log('started');
      setInterval(() => {}, 1000);
    `;
    const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code];
    const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(createInterface({ input: parent.stdout }), 'line');
    const [child = 0, ...more] = espeakProcesses(parent.pid);
    expect(more).toEqual([]);
    process.kill(child, 'SIGTERM');
    process.kill(child, 'SIGINT');
    const exited = once(parent, 'exit');
    // Both signals have come through, or they never do.
    await eventually(async () =>
      expect(await readFile(`/proc/${child}/status`, 'utf8')).toMatch(/^SigPnd:\s0+$/m),
    );
    expect(espeakProcesses(parent.pid)).toEqual([child]);
    parent.kill('SIGKILL');
    await exited;
    await eventually(() => expect(isAlive(child)).toBe(false));
  });
});

describe('without the package', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-otp-espeak-'));
    await cp(SOURCES, join(folder, 'src'), { recursive: true });
    await mkdir(join(folder, 'node_modules'));
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    const tsx = dirname(dirname(fileURLToPath(import.meta.resolve('tsx'))));
    await symlink(tsx, join(folder, 'node_modules', 'tsx'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('says what to install, and leaves no process', async () => {
    const code = `
      const { EspeakProvider } = await import(${JSON.stringify(join(folder, 'src/prompt/tts/espeak.ts'))});
      const provider = new EspeakProvider(${JSON.stringify(OPTIONS)});
      for (let i = 0; i < 2; i++) {
        await provider.start().catch((error) => console.log(error.fault + ' ' + error.message));
      }
      console.log(JSON.stringify(provider.locales()));
    `;
    const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
    });
    // It ends by itself: nothing of the provider keeps it.
    expect(await exited).toEqual([0, null]);
    const message =
      'tts_failed the speech provider espeak needs the package @echogarden/espeak-ng-emscripten: npm install @echogarden/espeak-ng-emscripten';
    expect(output.trim().split('\n')).toEqual([message, message, '[]']);
  });
});

/** Ours, or those of another process. The loader of TypeScript may have started others beside them. */
function espeakProcesses(of?: number): number[] {
  return descendants(of).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('espeak-process');
    } catch {
      return false;
    }
  });
}

/** Resolves with 0 when half of them are done. */
function halfOf(all: readonly Promise<unknown>[]): Promise<number> {
  return new Promise((resolve) => {
    let done = 0;
    for (const one of all) {
      void one.then(() => {
        done++;
        if (done * 2 >= all.length) resolve(0);
      });
    }
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
