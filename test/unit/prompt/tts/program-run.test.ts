import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ENTRY = fileURLToPath(new URL('../../../support/program-without-descriptors.ts', import.meta.url));

it('a program that cannot be run since there are no file descriptors left fails, and runs when there are', async () => {
  const node = [process.execPath, '--import', import.meta.resolve('tsx'), ENTRY];
  const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', ...node]);
  expect(stdout).toBe('failed, then done');
});
