import type { Trunk, TrunkRetry } from './definition.ts';

/** What is known of an attempt that is over. */
export interface RetrySight {
  /** What the table of results says. */
  readonly retry: TrunkRetry;
  /** Its disposition; `blocked` stands for 603+ (ATIS-1000099), 607 and 608. */
  readonly disposition: string;
  /** The final response; 408 where silence ended it, null where neither is the case. */
  readonly status: number | null;
  /** A 180 came. */
  readonly rang: boolean;
}

/** The callee's network, or somebody in its name, has said that this caller is not wanted (RFC 8197, RFC 8688). */
const BLOCKS: readonly (number | null)[] = [607, 608];

/**
 * Whether another trunk may be tried: what the trunk's overrides say, else the table. After a 180 never, since the
 * phone has rung; after 603+, 607 and 608 never, since calling on by another way is what they forbid; and no override
 * speaks of an attempt that was answered, canceled, or failed here.
 */
export function retryOf({ retry }: Pick<Trunk, 'retry'>, seen: RetrySight): TrunkRetry {
  const { status, rang, disposition } = seen;
  if (rang || disposition === 'blocked' || BLOCKS.includes(status)) return 'never';
  if (status === null || status < 300 || disposition === 'canceled') return seen.retry;
  return retry?.[String(status)] ?? seen.retry;
}
