import { randomBytes } from 'node:crypto';
import { createKey } from '../clients/keys.ts';
import { command, JSON_OPTION, UsageError } from './command.ts';
import { writeJson } from './screen.ts';

/** @throws UsageError where the configuration would not take it as the id of a client */
export function checkClientId(id: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(id)) {
    throw new UsageError('The id has 1 to 64 letters, digits, `_`, `.` or `-`, the first a letter or digit.');
  }
}

/** `key`: shows a new API key once, and the line for the configuration. */
export const key = command({
  options: {
    operator: { type: 'boolean', gist: 'may read and do what is of all clients' },
    ...JSON_OPTION,
  },
  about:
    'The key belongs to the client; the configuration has its hash. `client add` makes a client with terms of its own.',
  run: ({ values, positionals: [id = ''], out }) => {
    checkClientId(id);
    const made = createKey(id, randomBytes);
    const operator = values.operator ? { operator: true } : {};
    if (values.json) {
      writeJson(out, { ...made, ...operator });
      return 0;
    }
    const entry = `{ id: ${made.id}, hash: '${made.hash}'${values.operator ? ', operator: true' : ''} }`;
    out.write(`The key, shown only now:\n  ${made.key}\n\nFor the configuration:\n`);
    out.write(`  api:\n    keys:\n      - ${entry}\n`);
    return 0;
  },
});
