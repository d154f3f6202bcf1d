import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { programArguments } from '../../support/program.ts';

/** A command that ran as a process of its own, its output in pipes. */
export interface ProcessRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Options of Node itself. */
  readonly node?: readonly string[];
  /** What it reads from standard input. */
  readonly input?: string;
  /** Sees standard output as it comes. */
  readonly onOutput?: (soFar: string, child: ChildProcess) => void;
}

/** Runs `voice-otp` with these arguments to its end. */
export async function runProcess(
  args: readonly string[],
  { env = {}, node = [], input = '', onOutput }: ProcessOptions = {},
): Promise<ProcessRun> {
  const child = spawn(process.execPath, [...node, ...programArguments(), ...args], {
    stdio: 'pipe',
    env: { ...process.env, ...env },
  });
  child.stdin.end(input);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    onOutput?.(stdout, child);
  });
  child.stderr.on('data', (chunk: Buffer) => void (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}
