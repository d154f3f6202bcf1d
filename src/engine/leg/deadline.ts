/**
 * The result of `work`, or an Error with `complaint` where it is not there after `ms`. Work that is late goes
 * on, since nothing can stop a promise: its result is dropped, and its error too.
 */
export async function within<T>(ms: number, work: Promise<T>, complaint: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The result of `work`, or this Error as soon as the signal is aborted. */
export function untilAborted<T>(signal: AbortSignal, work: Promise<T>, error: Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(error);
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
  });
}
