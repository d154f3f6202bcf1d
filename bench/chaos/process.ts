import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Ends with us, whatever ends us, short of a SIGKILL. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A script of ours as a process of its own; its outputs go to a file, or its standard output to the reader of lines. */
export function startScript(
  args: readonly string[],
  logFile: string,
  onLine?: (line: string) => void,
): ChildProcess {
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, ['--trace-warnings', '--import', 'tsx', ...args], {
    cwd: ROOT,
    stdio: ['ignore', onLine === undefined ? log : 'pipe', log],
  });
  closeSync(log);
  running.add(child);
  child.once('exit', () => running.delete(child));
  if (onLine !== undefined && child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', onLine);
  return child;
}

/** Ends a process and waits until it is gone. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
