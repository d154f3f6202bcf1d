import { readFile } from 'node:fs/promises';
import { CodeSearch } from './code-search.ts';
import { CODE_LENGTH } from './codes.ts';
import { type RedisEntry, redisContent } from './redis-content.ts';
import { none, type Verdict } from './verdict.ts';

/** Keys that live for ever: what BullMQ keeps of a queue as long as it is in use, and records, which nothing deletes. */
const KEPT = /^\{[^}]*-q-[^}]*\}:|:\{cdr\}:/;

/** What Redis says of a key without an expiry; of one that has just gone it says -2. */
const FOR_EVER = -1;

/** Codes in keys and values. @returns what was found, of how many keys, and those that live for ever without a reason */
export async function codesInRedis(
  entries: AsyncIterable<RedisEntry> | Iterable<RedisEntry>,
  search: CodeSearch,
): Promise<{
  readonly keys: number;
  readonly found: readonly string[];
  readonly immortal: readonly string[];
}> {
  let keys = 0;
  const found: string[] = [];
  const immortal: string[] = [];
  for await (const { key, content, ttlMs } of entries) {
    keys += 1;
    found.push(...search.inText(`${key}\n${content}`).map((code) => `${key}: ${code}`));
    if (ttlMs === FOR_EVER && !KEPT.test(key)) immortal.push(key);
  }
  return { keys, found, immortal };
}

/** A look at a running server, under a name of the moment. */
export async function judgeRedis(
  port: number,
  search: CodeSearch,
  moment: string,
): Promise<readonly Verdict[]> {
  const { keys, found, immortal } = await codesInRedis(redisContent(port), search);
  return [
    none(`codes in Redis's memory, ${moment}`, found, keys),
    none(`keys that never expire, queues and ledger aside, ${moment}`, immortal, keys),
  ];
}

/**
 * Codes in the files below a folder.
 *
 * @param known a text of ten characters that must be found there: the search sees what is there
 */
export async function judgeFolder(
  line: string,
  folder: string,
  search: CodeSearch,
  known?: string,
): Promise<readonly Verdict[]> {
  const { files, found } = await search.inFolder(folder);
  const verdicts = [none(line, found, files)];
  if (known === undefined) return verdicts;
  const control = await new CodeSearch([known.slice(-CODE_LENGTH)]).inFolder(folder);
  const count = control.found.length;
  return [
    ...verdicts,
    {
      line: `${line}: a call that must be there is found`,
      wanted: '≥ 1',
      found: String(count),
      ok: count > 0,
    },
  ];
}

/** What a log says of faults that nobody expected. */
const FAULTS = /unhandled|uncaught|"level":"fatal"|FATAL ERROR|MaxListenersExceeded/i;

/** How the processes did. @param ends what ended by itself, or not as it was asked to */
export async function judgeHealth(
  logs: readonly string[],
  ends: readonly string[],
): Promise<readonly Verdict[]> {
  const faults: string[] = [];
  let lines = 0;
  for (const log of logs) {
    for (const line of (await readFile(log, 'utf8')).split('\n')) {
      lines += 1;
      if (FAULTS.test(line)) faults.push(line.slice(0, 300));
    }
  }
  return [
    none('nodes that ended otherwise than they were told to', ends, logs.length),
    none('lines of logs about faults that nobody caught', faults, lines),
  ];
}
