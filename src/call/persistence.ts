import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../errors.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2000;

/** A store that answered nothing until the one who waited gave up. */
export class StoreLost extends Error {
  constructor(cause: unknown) {
    super('the store did not come back in time', { cause });
    this.name = 'StoreLost';
  }
}

/**
 * Does work of the store again and again, with longer and longer pauses, as long as the store is unavailable.
 * Other errors are thrown at once.
 *
 * @param patience gives the signal that ends the insisting; called at the first failure only
 * @throws StoreLost when that signal is aborted first
 */
export async function insist<T>(work: () => Promise<T>, patience: () => AbortSignal): Promise<T> {
  let giveUp: AbortSignal | undefined;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error)) {
        throw error;
      }
      giveUp ??= patience();
      if (giveUp.aborted) {
        throw new StoreLost(error);
      }
      await sleep(pauseMs, undefined, { signal: giveUp }).catch(() => undefined);
    }
  }
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.code === 'store_unavailable';
}
