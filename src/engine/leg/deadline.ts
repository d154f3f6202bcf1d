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
