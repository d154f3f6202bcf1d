import { setTimeout as sleep } from 'node:timers/promises';

/** Tries again until `check` does not throw, and gives its result; after `timeoutMs` its last error is thrown. */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs = 5000, intervalMs = 20 }: { timeoutMs?: number; intervalMs?: number } = {},
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() >= end) {
        throw error;
      }
    }
    await sleep(intervalMs);
  }
}
