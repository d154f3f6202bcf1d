import { join } from 'node:path';
import { expect } from 'vitest';
import type { Cdr } from '../../../src/cdr/cdr.ts';
import type { ChainReport } from '../../../src/cdr/chain.ts';
import { verifyLedger } from '../../../src/cdr/export.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { eventually } from '../eventually.ts';
import type { Client } from './client.ts';
import type { Site } from './site.ts';

/**
 * What a callee's phone does, by the end of its number (see src/lab/behaviour.ts), and what a call to it ends as: also
 * where a datagram is lost on the way, since a machine under load loses some.
 */
const FATES = [
  { suffix: '200', result: 'answered none' },
  { suffix: '486', result: 'busy callee' },
  { suffix: '600', result: 'busy callee' },
  { suffix: '404', result: 'invalid_number callee' },
  { suffix: '603', result: 'declined callee' },
  { suffix: '210', result: 'answered none' },
  { suffix: '480', result: 'unreachable callee' },
  { suffix: '186', result: 'no_answer callee' },
  { suffix: '693', result: 'blocked us' },
  { suffix: '183', result: 'answered none' },
] as const;

/** The page of metrics costs some milliseconds. */
const PATIENT = { timeoutMs: 120_000, intervalMs: 100 };

/** A call whose end is known before it begins. */
export interface FatedCall {
  readonly to: string;
  /** Disposition and blame. */
  readonly result: string;
}

/** So many calls to a number of their own each, from a number on: all fates in turn. */
export function fatedCalls(count: number, from = 0): readonly FatedCall[] {
  return Array.from({ length: count }, (_, i) => {
    const { suffix, result } = FATES[i % FATES.length] ?? FATES[0];
    return { to: `+4420${30_000 + from + i}${suffix}`, result };
  });
}

/** Places calls, at most so many at a time, and waits until all are over; gives their ids in the order of the calls. */
export async function place(
  client: Client,
  calls: readonly FatedCall[],
  atOnce: number,
): Promise<readonly string[]> {
  const ids: string[] = [];
  while (ids.length < calls.length) {
    const room = await eventually(async () => {
      const active = await activeCalls(client);
      if (active >= atOnce) throw new Error(`${active} calls are still up`);
      return atOnce - active;
    }, PATIENT);
    const next = calls.slice(ids.length, ids.length + room);
    ids.push(...(await Promise.all(next.map((call) => begin(client, call)))));
  }
  await eventually(async () => expect(await activeCalls(client)).toBe(0), PATIENT);
  return ids;
}

async function begin(client: Client, { to, result }: FatedCall): Promise<string> {
  // Only of those that nobody answers: any other phone may take its time.
  const patience = result.startsWith('no_answer') ? { ringTimeoutSeconds: 1 } : {};
  const body = { to, playlist: [{ pauseMs: 100 }], ...patience };
  const answer = await client.ask('POST', '/v1/calls', body);
  if (answer.status !== 201) throw new Error(`${answer.status} instead of 201: ${answer.text}`);
  return answer.body.id;
}

async function activeCalls(client: Client): Promise<number> {
  const { text } = await client.ask('GET', '/metrics');
  return Number(/^voice_otp_active_calls (\d+)$/m.exec(text)?.[1]);
}

/** What the service has recorded of its attempts, by call, and whether the chain of it holds. */
export async function recordsOf({ folder }: Pick<Site, 'folder'>): Promise<{
  readonly chain: ChainReport;
  readonly byCall: ReadonlyMap<string, readonly Cdr[]>;
}> {
  const store = new SqliteStore({ path: join(folder, 'store.db'), synchronous: 'normal' });
  try {
    const byCall = new Map<string, Cdr[]>();
    const { head } = await store.cdrs.ends();
    for (let after = 0; after < head.seq; ) {
      const rows = await store.cdrs.page({ after, upTo: head.seq }, 1000);
      for (const { record } of rows) {
        const cdr = JSON.parse(record) as Cdr;
        const known = byCall.get(cdr.callId) ?? [];
        byCall.set(cdr.callId, [...known, cdr]);
      }
      after = rows.at(-1)?.seq ?? head.seq;
    }
    return { chain: await verifyLedger(store.cdrs), byCall };
  } finally {
    await store.close();
  }
}
