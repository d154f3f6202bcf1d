import { apply, endCall } from '../../src/call/apply.ts';
import { NO_MARKS } from '../../src/prompt/delivered.ts';
import type { Store } from '../../src/store/store.ts';
import { acceptedPair } from './records.ts';

export interface PastCall {
  readonly name: string;
  readonly trunkId: string;
  /** When it was asked for, epoch ms. */
  readonly at: number;
  readonly approved: boolean;
}

/** Stores a call that was answered, and what became of its verification. */
export async function storePast(store: Store, { name, trunkId, at, approved }: PastCall): Promise<void> {
  const { verification, call } = acceptedPair(name, { createdAt: at });
  await store.accept(verification, call, null);
  const context = { trunkId, channel: 'voice', cli: '+1', marks: NO_MARKS } as const;
  const course = [
    { type: 'trying', at, leftover: {} },
    { type: 'answered', at: at + 2000, codec: 'PCMU', leftover: {} },
    { type: 'ended', at: at + 9000, end: { kind: 'hung_up', by: 'callee', why: 'peer' } },
  ] as const;
  const carried = course.reduce((so, event) => apply(so, event, context), call);
  if (approved) await store.check(verification.id, { by: 'code', digest: 'd'.repeat(64) }, at + 20_000);
  await store.finishCall(endCall(carried, at + 9000, 'answered', 'none'), false, at + 9000);
}
