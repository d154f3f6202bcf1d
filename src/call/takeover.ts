import type { Store } from '../store/store.ts';
import type { Call } from './call.ts';
import { isInAttempt, waitsUntil } from './call.ts';
import type { CallLog } from './log.ts';
import type { RecoveryPorts } from './recovery.ts';
import { closeInterrupted } from './recovery.ts';

export interface TakeoverPorts extends RecoveryPorts {
  readonly store: Pick<Store, 'unfinishedCalls' | 'moveCall' | 'finishCall'>;
  /** What this process is called among those that share the store. */
  readonly token: () => string;
  /** Whether a call is under way in this process. */
  readonly isHere: (callId: string) => boolean;
  /** Carries a call that waits. */
  readonly dial: (callId: string) => void;
  /** Whether a call that waits may be dialled by another process than the one that took it. */
  readonly dialsAgain: (callId: string) => boolean;
  /** See `AttemptSettings`. */
  readonly deadlineMs: number;
  readonly log: CallLog;
}

/** Calls that are moved at the same time. */
const MAX_PARALLEL = 50;

export interface Takeover {
  /** How many calls are ours now. */
  readonly calls: number;
  /** Resolves when those of them that cannot go on are closed. */
  readonly closed: Promise<void>;
}

/**
 * Takes over the calls of processes that are no more. One whose INVITE never left is dialled here, where its deadline
 * has not passed; any other one is ended at the far end and closed as `interrupted`. Several processes may do so at the
 * same time: each call goes to one of them.
 *
 * @param isOrphan whether nobody carries the calls of this node any more
 * @throws AppError store_unavailable
 */
export async function takeOverCalls(
  isOrphan: (node: string | null) => boolean,
  ports: TakeoverPorts,
): Promise<Takeover> {
  const { store, isHere } = ports;
  const unfinished = await store.unfinishedCalls();
  const orphans = unfinished.filter(({ id, node }) => !isHere(id) && isOrphan(node));
  const claimed: Call[] = [];
  const faults: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let one = orphans.shift(); one !== undefined; one = orphans.shift()) {
      try {
        const moved = await claim(one, ports);
        if (moved !== undefined) claimed.push(moved);
      } catch (error) {
        faults.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: MAX_PARALLEL }, worker));
  // Others may have been faster, here too: what is known of such a call is old.
  const ours = claimed.filter(({ id }) => !isHere(id));
  const [again, over] = parted(ours, (call) => mayDial(call, ports));
  for (const { id } of again) ports.dial(id);
  const closed = closeInterrupted(over, ports);
  // What could be had is looked after all the same.
  if (faults.length > 0) throw faults[0];
  return { calls: ours.length, closed };
}

/** Undefined where another process was faster. A call that was ours already stays so. */
async function claim(call: Call, { store, token }: TakeoverPorts): Promise<Call | undefined> {
  if (call.node === token()) return call;
  return store.moveCall(call.id, { from: call.node, to: token(), attempt: 'any' });
}

function mayDial(call: Call, { dialsAgain, deadlineMs, now }: TakeoverPorts): boolean {
  return dialsAgain(call.id) && !isInAttempt(call) && now() < roundBegunAt(call) + deadlineMs;
}

/** Of a flash call that a voice call may follow: the end of the one, or of the waiting after it. */
function roundBegunAt(call: Call): number {
  const flash = call.attempts.findLast(({ channel }) => channel === 'flash');
  return waitsUntil(call) ?? flash?.endedAt ?? call.createdAt;
}

function parted<T>(items: readonly T[], test: (item: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
