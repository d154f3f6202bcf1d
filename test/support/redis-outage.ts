import { expect } from 'vitest';
import type { AppError } from '../../src/errors.ts';
import { openRedis, type RedisLink } from '../../src/redis/connection.ts';
import type { RedisTerms } from '../../src/redis/terms.ts';
import { guarded } from '../../src/redis/unavailable.ts';
import { eventually } from './eventually.ts';

/** Requests get their 503 within a second; the rest is for a machine that is busy. */
const QUICK_MS = 1500;
const BACK_MS = 20_000;
const READY_MS = 10_000;

type Terms = Omit<RedisTerms, 'commandTimeoutMs'>;

/** A link with the default times. */
export function linkTo(terms: Terms, name = 'voice-otp:test'): RedisLink {
  return openRedis({ terms: { ...terms, commandTimeoutMs: 800 }, name });
}

/** The same, once commands can be sent. */
export async function readyLinkTo(terms: Terms, name?: string): Promise<RedisLink> {
  const link = linkTo(terms, name);
  try {
    await link.ready(READY_MS);
    return link;
  } catch (error) {
    await link.close();
    throw error;
  }
}

/** Expects that the store counts as away, and that this is known within a second. */
export async function expectAway(work: () => Promise<unknown>): Promise<AppError> {
  const from = performance.now();
  const error = await guarded(work).then(
    (answer) => expect.fail(`it was answered: ${String(answer)}`),
    (reason: unknown) => reason,
  );
  const took = performance.now() - from;
  expect(error).toMatchObject({ code: 'store_unavailable', status: 503 });
  expect((error as AppError).retryAfterSeconds).toBeGreaterThan(0);
  expect(took).toBeLessThan(QUICK_MS);
  return error as AppError;
}

/** Waits until it works again without anybody's help; each failure meanwhile is an outage, and a quick one. */
export async function expectBack<T>(work: () => Promise<T>): Promise<T> {
  const faults: unknown[] = [];
  const answer = await eventually(
    async () => {
      const from = performance.now();
      try {
        return await guarded(work);
      } catch (error) {
        const took = performance.now() - from;
        if ((error as AppError).code !== 'store_unavailable' || took >= QUICK_MS) faults.push(error, took);
        throw error;
      }
    },
    { timeoutMs: BACK_MS },
  );
  expect(faults).toEqual([]);
  return answer;
}
