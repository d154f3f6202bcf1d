#!/usr/bin/env node
import { dispatch } from './commands/command.ts';
import { COMMANDS } from './commands/table.ts';

/** Exit codes of what went wrong for reasons that people can mend; told in a line, without a stack. */
const EXPECTED: Readonly<Record<string, 1 | 2>> = { StartError: 1, ServiceError: 2 };

/** What is wrong on this machine or with the service, in a line; a bug with its stack. */
function explain(error: unknown): 1 | 2 {
  const code = error instanceof Error ? EXPECTED[error.name] : undefined;
  const told = error instanceof Error ? (code === undefined ? error.stack : error.message) : String(error);
  process.stderr.write(`${told}\n`);
  return code ?? 1;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads has enough, as `head` has: there is nobody to tell.
  if (error.code === 'EPIPE') process.exit();
  process.stderr.write(`standard output cannot be written: ${error.message}\n`);
  process.exit(1);
});
process.stderr.on('error', () => undefined);

try {
  process.exitCode = await dispatch(COMMANDS, process.argv.slice(2));
} catch (error) {
  process.exitCode = explain(error);
}
