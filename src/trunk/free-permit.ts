import type { Permit } from './capacity.ts';

/** A permit that takes up nothing: of a trunk without limits, or of a leg whose channel is counted elsewhere. */
export function freePermit(trunkId: string): Permit {
  return {
    trunkId,
    waitedMs: 0,
    moment: async () => undefined,
    leaving: () => undefined,
    sent: () => undefined,
    again: async () => undefined,
    keep: () => () => undefined,
    release: () => undefined,
  };
}
