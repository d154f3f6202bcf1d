import { ReplyError } from 'ioredis';
import { AppError } from '../errors.ts';

/** A failover by Sentinel or a restart takes some seconds; whoever asks sooner asks in vain. */
const RETRY_AFTER_SECONDS = 2;

/**
 * First words of answers by which a server says that it cannot serve now, or not us: the command itself was right.
 * NOAUTH, WRONGPASS and NOPERM are mistakes of whoever set the two up, and an outage to everybody else.
 */
const CANNOT_SERVE = new Set([
  'ASK',
  'BUSY',
  'CLUSTERDOWN',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'MOVED',
  'NOAUTH',
  'NOPERM',
  'NOREPLICAS',
  'OOM',
  'READONLY',
  'TRYAGAIN',
  'UNBLOCKED',
  'UNKILLABLE',
  'WRONGPASS',
]);
/** What has no word of its own; the last two are of a script. */
const ANSWERS =
  /^ERR (?:max number of clients|The user executing the script can't run|.*Script killed by user)/;
/** The word, also where a script raised what it had caught. */
const FIRST_WORD = /^(?:ERR (?:@?user_script:\d+: ))?-?([A-Z]+)(?: |$)/;

/** What ioredis says by itself: it gave no class to these, so that they are known by their text. */
const CLIENT =
  /^(?:Reached the max retries per request limit|Command timed out|Command aborted due to connection close|Stream isn't writeable and enableOfflineQueue|Connection is (?:closed|aborted|discarded)|Socket timeout\.|Failed to refresh slots cache|None of startup nodes is available|Cluster (?:isn't ready|is ended|is disconnect)|Too many Cluster redirections|Node is disconnected|No subscriber for the cluster|All sentinels are unreachable)/;

/** Codes of the system, such as ECONNREFUSED and EAI_AGAIN; those of Node itself begin with ERR_. */
const SYSTEM = /^E(?!RR_)[A-Z_]+$/;

/**
 * What to throw where Redis threw `error`: AppError store_unavailable where it cannot serve at the moment, with the
 * error as its cause; the error itself where that is a bug of ours (or an AppError already).
 */
export function unavailable(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof AppError || !cannotServe(error)) return error;
  return new AppError('store_unavailable', { retryAfterSeconds: RETRY_AFTER_SECONDS, cause: error });
}

/**
 * Does what talks to Redis.
 *
 * @throws AppError store_unavailable where Redis cannot serve; whatever else `work` throws
 */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unavailable(error);
  }
}

function cannotServe(error: Error): boolean {
  const { message } = error;
  if (error instanceof ReplyError) {
    const word = FIRST_WORD.exec(message)?.[1] ?? '';
    if (word === 'EXECABORT') return causesOf(error).some(cannotServe);
    return CANNOT_SERVE.has(word) || ANSWERS.test(message);
  }
  const { code } = error as NodeJS.ErrnoException;
  return CLIENT.test(message) || (typeof code === 'string' && SYSTEM.test(code));
}

/** Why commands of a transaction were refused, as ioredis keeps it. */
function causesOf(error: Error): readonly Error[] {
  const { previousErrors } = error as { previousErrors?: readonly unknown[] };
  return (previousErrors ?? []).filter((cause) => cause instanceof Error);
}
