export interface RetryRules {
  /** The first pause, at most; each one after it may be twice as long as the one before. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** From the first attempt at an event on; after that it is given up. Time in which it could not be tried is no part of it. */
  readonly giveUpMs: number;
}

/** What a receiver did not take, so far. */
export interface Trying {
  /** Attempts in vain, from 1. */
  readonly tries: number;
  readonly triedSince: number;
  readonly now: number;
  /** 0, inclusive, to 1, exclusive. */
  readonly random: number;
  /** What the receiver asked for. */
  readonly askedMs?: number | undefined;
}

/** Of a notice, what says since when its next event is tried, and when that is to be tried again. */
interface Retried {
  readonly triedSince: number | null;
  readonly dueAt: number;
}

const HTTP_DATE = /^[A-Z][a-z]+, .* GMT$/;
/** Of the first pause, at least. */
const LEAST_SHARE = 0.2;

/**
 * When the next attempt is made, epoch milliseconds; undefined: never. At random between now and a bound that doubles with
 * each attempt (full jitter), so that those who failed together do not come back together. The last attempt is made at
 * the end of the time.
 */
export function nextTry(
  { tries, triedSince, now, random, askedMs = 0 }: Trying,
  { firstPauseMs, longestPauseMs, giveUpMs }: RetryRules,
): number | undefined {
  const end = triedSince + giveUpMs;
  if (now >= end) return undefined;
  const bound = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(tries - 1, 40));
  const own = Math.max(firstPauseMs * LEAST_SHARE, random * bound);
  const asked = Math.min(askedMs, longestPauseMs);
  return Math.min(end, Math.round(now + Math.max(own, asked)));
}

/**
 * The same, as if what came between its time and now had not been, but for what was waited for a turn: nobody told anything
 * meanwhile, or the clock was set ahead. Of neither is a notice given up that was not tried for as long as it is to be.
 *
 * @param now when it is taken up, epoch milliseconds
 * @param waitedMs for its turn, by a clock that is never set
 */
export function withoutLostTime<T extends Retried>(retried: T, now: number, waitedMs: number): T {
  const { triedSince, dueAt } = retried;
  const lostMs = Math.round(now - dueAt - waitedMs);
  return triedSince === null || lostMs <= 0 ? retried : { ...retried, triedSince: triedSince + lostMs };
}

/**
 * What a `Retry-After` asks for, in ms from now on (RFC 9110 §10.2.3: seconds or a date); undefined where it says nothing.
 *
 * @param now epoch milliseconds
 */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined || value.length > 64) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
