import type { CallEvent } from '../engine.ts';

/** One leg from its first to its last event, as an engine carries it. */
export interface CarriedLeg {
  /** Takes what the leg needs; nothing leaves yet. Gives `trying`, whatever was found. */
  prepare(): Promise<CallEvent>;
  /** Sends the INVITE. */
  begin(): void;
  /** Sends the INVITE that `again` has told of. */
  repeat(): void;
  next(): Promise<CallEvent>;
  /** Ends the leg the way that fits: not at all sent, CANCEL or BYE. */
  abort(): void;
  /** Ends the leg where it is still up; resolves when nothing of it is held any more. */
  release(): Promise<void>;
}

/** What `Engine.originate` promises, kept: `legs` has the leg for as long as anything of it is held. */
export async function* carryLeg<L extends CarriedLeg>(
  leg: L,
  legs: Set<L>,
  signal: AbortSignal,
): AsyncGenerator<CallEvent, void, undefined> {
  const abort = (): void => leg.abort();
  legs.add(leg);
  try {
    yield await leg.prepare();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) leg.abort();
    else leg.begin();
    for (;;) {
      const event = await leg.next();
      yield event;
      if (event.type === 'ended') return;
      if (event.type === 'again') leg.repeat();
    }
  } finally {
    signal.removeEventListener('abort', abort);
    await leg.release();
    legs.delete(leg);
  }
}

/** Resolves when all legs are over, or the signal is aborted. */
export async function endLegs(legs: ReadonlySet<CarriedLeg>, signal: AbortSignal): Promise<void> {
  const given = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([given, Promise.all([...legs].map((leg) => leg.release()))]);
}
