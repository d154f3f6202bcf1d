import type { Store } from '../store/store.ts';
import type { TrunkResults, VerificationResult } from '../trunk/results.ts';
import type { Call } from './call.ts';

export interface PastResultsPorts {
  readonly store: Pick<Store, 'calls' | 'verification'>;
  readonly results: Pick<TrunkResults, 'restore'>;
  /** Epoch ms. */
  readonly now: () => number;
  /** Ms since some moment; never set. */
  readonly elapsed: () => number;
}

export interface PastResultsBounds {
  /** Calls that are read at most, the latest ones. */
  readonly maxCalls: number;
  /** Reading ends where it takes longer than this. */
  readonly patienceMs: number;
  /** What is older is of no use. */
  readonly maxAgeMs: number;
  /** Calls that are read at a time: 1–500. */
  readonly pageSize: number;
}

/** More would change little: of each trunk and prefix the last 200 attempts and 100 verifications count. */
const BOUNDS: PastResultsBounds = { maxCalls: 10_000, patienceMs: 2000, maxAgeMs: 86_400_000, pageSize: 250 };

interface Ended {
  readonly call: Pick<Call, 'to' | 'attempts' | 'verificationId'>;
  readonly verification?: VerificationResult;
}

/**
 * Tells the results of trunks what the store knows of the last day, so that a trunk which approves nothing is not tried
 * anew after each start. To be called once, before the first call.
 *
 * @returns how many calls were told
 * @throws AppError store_unavailable
 */
export async function restoreResults(
  { store, results, now, elapsed }: PastResultsPorts,
  { maxCalls, patienceMs, maxAgeMs, pageSize }: PastResultsBounds = BOUNDS,
): Promise<number> {
  const [since, over] = [now() - maxAgeMs, elapsed() + patienceMs];
  const ended: Ended[] = [];
  let last: string | undefined;
  while (ended.length < maxCalls && elapsed() < over) {
    const limit = Math.min(pageSize, maxCalls - ended.length);
    const page = await store.calls({ state: 'ended', limit, ...(last === undefined ? {} : { after: last }) });
    const recent = page.filter(({ createdAt }) => createdAt > since);
    for (const call of recent) ended.push(await endedOf(call, store));
    last = page.at(-1)?.id;
    if (recent.length < limit) break;
  }
  results.restore(ended);
  return ended.length;
}

/** Without the timeline, which is the most of a call. */
async function endedOf(
  { to, attempts, verificationId }: Call,
  store: PastResultsPorts['store'],
): Promise<Ended> {
  const call = { to, attempts, verificationId };
  const verification = verificationId === null ? undefined : await store.verification(verificationId);
  if (verification === undefined) return { call };
  const { status, approvedBy } = verification;
  return { call, verification: { status, approvedBy } };
}
