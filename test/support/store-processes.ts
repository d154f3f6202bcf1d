import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { CliCall } from './cli-calls.ts';
import { eventually } from './eventually.ts';

interface StoreProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly lines: () => string[];
}

/** Processes of store-process.ts that a test starts over its store. */
export class StoreProcesses {
  readonly #children: ChildProcessWithoutNullStreams[] = [];

  /** @param where path of a SQLite file, or `redis:<port>:<prefix>` */
  start(task: 'accept' | 'check' | 'take', where: string, half = ''): StoreProcess {
    const script = fileURLToPath(new URL('store-process.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, task, where, half]);
    this.#children.push(child);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
    });
    child.stderr.on('data', (chunk) => process.stderr.write(chunk));
    // What follows the last line break may be half a line.
    return { child, lines: () => output.split('\n').slice(0, -1) };
  }

  /** Lets processes that are ready begin at the same moment; what they say at their end. */
  async together(processes: readonly StoreProcess[]): Promise<readonly unknown[]> {
    for (const { lines } of processes) {
      await eventually(() => expect(lines()).toContain('ready'), { timeoutMs: 20_000 });
    }
    const closed = processes.map(({ child }) => once(child, 'close'));
    for (const { child } of processes) {
      child.stdin.write('go\n');
    }
    await Promise.all(closed);
    return processes.map(({ lines }) => JSON.parse(lines().at(-1) ?? '') as unknown);
  }

  /** Two processes check the same codes at once: how often they were right and wrong, both together. */
  async checkTogether(where: string): Promise<{ readonly approved: number; readonly wrong: number }> {
    const counts = (await this.together([this.start('check', where), this.start('check', where)])) as Record<
      string,
      number
    >[];
    const total = (key: string): number => counts.reduce((sum, count) => sum + (count[key] ?? 0), 0);
    return { approved: total('approved'), wrong: total('wrong') };
  }

  /** Two processes take numbers at once, each for half of the flash calls. */
  async takeTogether(where: string): Promise<readonly (readonly CliCall[])[]> {
    return (await this.together([
      this.start('take', where, 'even'),
      this.start('take', where, 'odd'),
    ])) as CliCall[][];
  }

  /** Ends those that still run. */
  end(): void {
    for (const child of this.#children.splice(0)) {
      child.kill('SIGKILL');
    }
  }
}
