import type { CliRequest } from '../../src/store/store.ts';
import { NOW } from './records.ts';

const DAY_MS = 86_400_000;
/** Between two calls, on their own clock: a callee's come every 20,000 s, two at a time. */
const CALL_EVERY_MS = 10_000;

/** So many flash calls are simulated, to so many callees, with so many numbers; 3 checks at 0.02 need 150. */
export const FLASH_CALLS = 10_000;
const CALLEES = 1000;
const FEWEST = 150;

export const FLASH_CLIS = Array.from({ length: 200 }, (_, i) => `+4989900${String(i).padStart(5, '0')}`);

/** A call by its number, and what it was given. */
export type CliCall = readonly [call: number, cli: string | undefined];

/** What a call by its number asks for. */
export function cliRequest(call: number, random: number): CliRequest {
  return {
    clis: FLASH_CLIS,
    callee: calleeOf(call),
    now: NOW + call * CALL_EVERY_MS,
    reuseWindowMs: DAY_MS,
    fewest: FEWEST,
    random,
  };
}

/** What came of the calls: how often a callee was shown a number again within its window, and all uses. */
export function cliTally(calls: readonly CliCall[]): {
  readonly reused: number;
  readonly none: number;
  readonly fewestUses: number;
  readonly mostUses: number;
} {
  const uses = new Map(FLASH_CLIS.map((cli) => [cli, 0]));
  const shownAt = new Map<string, number>();
  let reused = 0;
  let none = 0;
  for (const [call, cli] of calls.toSorted(([a], [b]) => a - b)) {
    if (cli === undefined) {
      none++;
      continue;
    }
    uses.set(cli, (uses.get(cli) ?? 0) + 1);
    const pair = `${calleeOf(call)} ${cli}`;
    const before = shownAt.get(pair) ?? Number.NEGATIVE_INFINITY;
    if ((call - before) * CALL_EVERY_MS < DAY_MS) reused++;
    shownAt.set(pair, call);
  }
  const counts = [...uses.values()];
  return { reused, none, fewestUses: Math.min(...counts), mostUses: Math.max(...counts) };
}

/** Two calls in a row are to the same callee, so that two processes that share the calls meet at it. */
function calleeOf(call: number): string {
  return `+49301${Math.floor(call / 2) % CALLEES}`;
}
