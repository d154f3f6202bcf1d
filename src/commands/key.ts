import { randomBytes } from 'node:crypto';
import { createKey } from '../api/keys.ts';

/** `key`: prints a new API key once, and the line for the configuration. Answers the exit code. */
export function key(id: string): number {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(id)) {
    process.stderr.write(
      'The id has 1 to 64 letters, digits, `_`, `.` or `-`, the first a letter or digit.\n',
    );
    return 2;
  }
  const made = createKey(id, randomBytes);
  process.stdout.write(`The key, shown only now:\n  ${made.key}\n\nFor the configuration:\n`);
  process.stdout.write(`  api:\n    keys:\n      - { id: ${made.id}, hash: '${made.hash}' }\n`);
  return 0;
}
