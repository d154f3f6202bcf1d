import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programArguments } from '../program.ts';
import { Client } from './client.ts';
import type { Settings } from './site.ts';

const START_TIMEOUT_MS = 20_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A command of ours as a child process. */
export interface Command {
  readonly pid: number;
  readonly child: ChildProcess;
  /** All that it has written so far, to standard output and standard error. */
  output(): string;
  readonly exited: Promise<Exit>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Modules that Node loads first. */
  readonly preload?: readonly string[];
  /** Where its standard output goes instead of to us. */
  readonly output?: number | undefined;
}

export function startCommand(args: readonly string[], options: CommandOptions = {}): Command {
  const child = spawn(process.execPath, [...programArguments(options.preload), ...args], {
    stdio: ['ignore', options.output ?? 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => void (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => void (output += chunk.toString()));
  const exited = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }));
  return {
    pid: child.pid ?? 0,
    child,
    output: () => output,
    exited,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

export interface Served extends Command {
  readonly client: Client;
}

/** `serve` with these settings, once it listens; with one folder a second one takes up where the first stopped. */
export async function serve(
  folder: string,
  settings: Settings,
  options: CommandOptions = {},
): Promise<Served> {
  const file = join(folder, 'config.yaml');
  // Every JSON text is YAML.
  await writeFile(file, JSON.stringify(settings));
  const command = startCommand(['serve', '--config', file], options);
  const url = new Promise<string>((resolve) => {
    command.child.stdout?.on('data', () => {
      const found = /"url":"([^"]+)"[^\n]*"msg":"listening"/.exec(command.output())?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  const timer = new AbortController();
  const failed = Promise.race([
    command.exited.then(({ code }) => `it ended with ${code}`),
    new Promise<string>((resolve) => {
      const timeout = setTimeout(() => resolve('it does not listen'), START_TIMEOUT_MS);
      timer.signal.addEventListener('abort', () => clearTimeout(timeout));
    }),
  ]).then(async (why) => {
    await command.kill();
    throw new Error(`serve: ${why}\n${command.output()}`);
  });
  failed.catch(() => undefined);
  const client = new Client(await Promise.race([url, failed]));
  timer.abort();
  return { ...command, client };
}
