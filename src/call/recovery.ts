import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../store/store.ts';
import type { Capacity, Permit } from '../trunk/capacity.ts';
import type { Trunk } from '../trunk/definition.ts';
import type { Vault } from '../verification/vault.ts';
import { endCall } from './apply.ts';
import type { Call } from './call.ts';
import { mayProve } from './call.ts';
import type { CallLog } from './log.ts';
import { callCredentials, tlsOf } from './plan.ts';
import { openLeftover } from './sealed-leftover.ts';

export interface RecoveryPorts {
  readonly store: Pick<Store, 'finishCall'>;
  readonly engine: Pick<Engine, 'endLeftover'>;
  readonly vault: Pick<Vault, 'open'>;
  readonly capacity: Pick<Capacity, 'occupy'>;
  /** Whose passwords a BYE may be asked for. */
  readonly trunks: readonly Trunk[];
  readonly now: () => number;
  /** Hears of every call that was stored as ended. */
  readonly onEnded: (call: Call) => void;
  readonly log: CallLog;
}

/** Legs that are being ended at the same time. */
const MAX_PARALLEL = 200;

/** How long a far end may take to say that its leg is over, before the call is closed without its word. */
const LEG_PATIENCE_MS = 3000;

/**
 * Ends what another process left up, one that is no more, and closes its calls, which are ours now, as `interrupted`. A
 * leg is ended before its call is closed, since the closed call no longer holds what a BYE needs: a crash in between only
 * repeats the BYE. The verification of a call that somebody had answered stays pending, for the code may have been heard.
 */
export async function closeInterrupted(calls: readonly Call[], ports: RecoveryPorts): Promise<void> {
  // All of them count from the beginning: the next call is not to find room that is still in use.
  const waiting = await Promise.all(
    calls.map(async (call) => ({ call, permit: await occupied(call, ports) })),
  );
  const worker = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      await closeOne(one.call, () => one.permit?.release(), ports);
    }
  };
  await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL, calls.length) }, worker));
}

async function occupied(call: Call, { capacity }: RecoveryPorts): Promise<Permit | undefined> {
  const attempt = call.attempts.at(-1);
  return attempt === undefined || attempt.leftover === null ? undefined : capacity.occupy(attempt.trunkId);
}

/** @param over is told when the leg has gone, however long after the call was closed that is */
async function closeOne(call: Call, over: () => void, ports: RecoveryPorts): Promise<void> {
  const { store, now, onEnded, log } = ports;
  const legEnded = await endLeg(call, over, ports);
  try {
    const ended = endCall(call, now(), 'interrupted', 'us');
    const closed = await store.finishCall(ended, !mayProve(ended), now());
    if (!closed) return;
    log.warn({ callId: call.id, legEnded }, 'a call that another process left open is closed');
    onEnded(ended);
  } catch (error) {
    log.error({ callId: call.id, err: error }, 'a call that another process left open stays so');
  }
}

/** Null where there was no leg. A text message has none: nothing takes it back. */
async function endLeg(
  call: Call,
  over: () => void,
  { engine, vault, trunks, log }: RecoveryPorts,
): Promise<boolean | null> {
  const attempt = call.attempts.at(-1);
  const leftover = attempt?.leftover ?? null;
  if (attempt === undefined || leftover === null || attempt.channel === 'sms') {
    over();
    return null;
  }
  const trunk = trunks.find(({ id }) => id === attempt.trunkId);
  const timer = new AbortController();
  const end = async (): Promise<boolean> =>
    engine.endLeftover(
      openLeftover(leftover, call.id, vault),
      trunk === undefined ? undefined : callCredentials(call.to, trunk),
      trunk === undefined ? undefined : tlsOf(call.to, trunk).tls,
    );
  try {
    return await Promise.race([
      end().finally(over),
      sleep(LEG_PATIENCE_MS, false, { signal: timer.signal }).catch(() => false),
    ]);
  } catch (error) {
    log.error({ callId: call.id, err: error }, 'a leg that another process left up cannot be ended');
    return false;
  } finally {
    timer.abort();
  }
}
