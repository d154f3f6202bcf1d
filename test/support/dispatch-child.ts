import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { eventually } from './eventually.ts';

/** A node in a process of its own, as a test sees it; see dispatch-process.ts. */
export class DispatchChild {
  readonly said: string[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(port: number, prefix: string, channels: number): Promise<DispatchChild> {
    const path = fileURLToPath(new URL('dispatch-process.ts', import.meta.url));
    const args = ['--import', 'tsx', path, String(port), prefix, String(channels)];
    const process_ = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const child = new DispatchChild(process_);
    createInterface({ input: process_.stdout }).on('line', (line) => child.said.push(line));
    await child.hears('ready');
    return child;
  }

  /** Null as long as it runs, and where a signal has ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  async hears(line: string): Promise<void> {
    await eventually(() => expect(this.said).toContain(line), { timeoutMs: 20_000 });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
