import { readFileSync } from 'node:fs';
import type { Report } from './config-secrets.ts';

/** A value that a key holds itself, or that stands in the file which `<key>File` names instead. */
export interface Kept<Value> {
  readonly owner: readonly PropertyKey[];
  readonly key: 'hash' | 'key' | 'nextSecret' | 'password' | 'secret';
  readonly given: Value | undefined;
  readonly file: string | undefined;
  readonly from: (line: string) => Value;
  readonly report: Report;
}

/** The value; what is wrong goes to `report`, also that there is none. */
export function required<Value>(value: Kept<Value>): Value | undefined {
  const { owner, key, given, file, report } = value;
  if (given === undefined && file === undefined) {
    report([...owner, key], `required, unless \`${key}File\` names a file that holds it`);
  }
  return kept(value);
}

/** The value, undefined where there is none; what is wrong with its file goes to `report`. */
export function kept<Value>({ owner, key, given, file, from, report }: Kept<Value>): Value | undefined {
  if (file === undefined) {
    return given;
  }
  const place = [...owner, `${key}File`];
  if (given !== undefined) {
    report(place, `expected either \`${key}\` or \`${key}File\`, not both`);
  }
  let line: string;
  try {
    line = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch {
    report(place, 'expected a file that can be read');
    return undefined;
  }
  if (line === '' || /\p{Cc}/u.test(line)) {
    report(place, 'expected a file that holds one line');
    return undefined;
  }
  return from(line);
}
