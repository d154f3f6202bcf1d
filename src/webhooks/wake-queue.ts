/** Passes on that something is to be told, to any process that tells. What it loses is found by looking for what is due. */
export interface WakeQueue {
  /** Never fails, and returns at once. */
  add(noticeId: string): void;
  /** @param look is told of each notice; it never rejects */
  start(look: (noticeId: string) => Promise<void>): void;
  close(): Promise<void>;
}

/** For a process that shares its notices with nobody. */
export function localWakeQueue(): WakeQueue {
  let look: ((noticeId: string) => Promise<void>) | undefined;
  return {
    add: (noticeId) => void look?.(noticeId),
    start: (by) => {
      look = by;
    },
    close: async () => {
      look = undefined;
    },
  };
}
