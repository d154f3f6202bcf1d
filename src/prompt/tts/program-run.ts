import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { environment } from './program-environment.ts';

export interface ProgramCall {
  readonly command: string;
  readonly args: readonly string[];
  /** What it reads from standard input. */
  readonly stdin: string;
  /** It is ended when it has written more to standard output, or to `outputFile`. */
  readonly maxBytes: number;
  readonly outputFile?: string | undefined;
}

export interface ProgramEnd {
  readonly how: 'done' | 'failed' | 'not_found' | 'too_much' | 'aborted';
  readonly stdout: Buffer;
}

/** From SIGTERM to SIGKILL. */
const TERM_MS = 300;
const SIZE_CHECK_MS = 200;

/**
 * Runs a program to its end, without a shell. It leads a process group of its own, which is ended with it. Resolves
 * when the program is gone and nobody writes to its standard output any more, and where it could not be made at all;
 * rejects only for what no program can be given. What it writes to standard error is dropped: it may hold the text.
 */
export function runProgram(call: ProgramCall, signal: AbortSignal): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ how: 'aborted', stdout: Buffer.alloc(0) });
    const child = spawn(call.command, call.args, {
      cwd: '/',
      env: environment(),
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
      shell: false,
    });
    child.on('error', ({ code }: NodeJS.ErrnoException) => {
      // Also for a signal that could not be sent, and then the program has yet to end.
      if (child.pid !== undefined) return;
      resolve({ how: code === 'ENOENT' ? 'not_found' : 'failed', stdout: Buffer.alloc(0) });
    });
    // Where there are no file descriptors it has no streams either.
    if (child.pid === undefined) return;
    const chunks: Buffer[] = [];
    let length = 0;
    let stopped: 'too_much' | 'aborted' | undefined;
    let force: NodeJS.Timeout | undefined;
    const stop = (why: 'too_much' | 'aborted'): void => {
      if (stopped !== undefined) return;
      stopped = why;
      killGroup(child.pid, 'SIGTERM');
      force = setTimeout(() => killGroup(child.pid, 'SIGKILL'), TERM_MS);
      // What it left behind may hold the pipe open, and is of no use any more.
      child.stdout.destroy();
    };
    const onAbort = (): void => stop('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
    const watch = watchSize(call, () => stop('too_much'));
    const end = (how: ProgramEnd['how']): void => {
      clearTimeout(force);
      clearInterval(watch);
      signal.removeEventListener('abort', onAbort);
      resolve({ how: stopped ?? how, stdout: Buffer.concat(chunks) });
    };
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > call.maxBytes) stop('too_much');
      else chunks.push(chunk);
    });
    child.once('close', (code) => end(code === 0 ? 'done' : 'failed'));
    // A program that does not read all of its input says so with its exit code, or needs no more.
    child.stdin.on('error', () => undefined);
    child.stdin.end(call.stdin);
  });
}

function watchSize({ outputFile, maxBytes }: ProgramCall, onTooMuch: () => void): NodeJS.Timeout | undefined {
  if (outputFile === undefined) return undefined;
  return setInterval(() => {
    stat(outputFile).then(
      ({ size }) => {
        if (size > maxBytes) onTooMuch();
      },
      () => undefined,
    );
  }, SIZE_CHECK_MS);
}

/** The whole group: the program may have started others. */
function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone already.
  }
}
