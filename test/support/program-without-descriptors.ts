import { closeSync, openSync } from 'node:fs';
import { runProgram } from '../../src/prompt/tts/program-run.ts';

/** Run as a process that may have few files open: runs a program while it has all of them, and once more after that. */
const taken: number[] = [];
const run = async (): Promise<string> => {
  const call = { command: process.execPath, args: ['--version'], stdin: '', maxBytes: 1000 };
  return (await runProgram(call, new AbortController().signal)).how;
};
try {
  for (;;) taken.push(openSync('/dev/null', 'r'));
} catch {
  // There are no more.
}
const without = await run();
for (const descriptor of taken) closeSync(descriptor);
process.stdout.write(`${without}, then ${await run()}`);
