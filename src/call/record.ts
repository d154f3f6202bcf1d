import type { CallEvent } from '../engine/engine.ts';
import type { Store } from '../store/store.ts';
import { timeLimit } from '../time-limit.ts';
import type { AttemptContext } from './apply.ts';
import { apply, endCall } from './apply.ts';
import type { Call } from './call.ts';
import { mayProve } from './call.ts';
import type { CallFeed } from './feed.ts';
import type { CallLog } from './log.ts';
import type { Outcome } from './outcome.ts';
import { insist, isUnavailable } from './persistence.ts';

/** The call is ended in the store by somebody else: it is no longer ours to carry or to write. */
export class Superseded extends Error {}

export interface CallRecordPorts {
  readonly store: Pick<Store, 'saveCall' | 'finishCall' | 'call'>;
  readonly feed: CallFeed;
  readonly log: CallLog;
  readonly now: () => number;
  /** What the times of this machine are off by: what is to be added to them. */
  readonly clockOffsetMs: () => number;
  /** How long an INVITE waits for a store that is unavailable. */
  readonly storePatienceMs: number;
  /** The signal that is aborted when writing to the store is given up. */
  readonly giveUp: () => AbortSignal;
}

/** A call under way as it is kept: every change of it is told to listeners, and stored where it has to be. */
export class CallRecord {
  readonly #ports: CallRecordPorts;
  readonly #hangUp: AbortSignal;
  #call: Call;
  /** What the times of the present leg are moved by. */
  #shiftMs = 0;

  /** @param hangUp ends the waiting for a store before an INVITE */
  constructor(call: Call, hangUp: AbortSignal, ports: CallRecordPorts) {
    this.#call = call;
    this.#hangUp = hangUp;
    this.#ports = ports;
  }

  get call(): Call {
    return this.#call;
  }

  /** A change that is no event of a leg; the next write carries it. */
  note(call: Call): void {
    this.#call = call;
    this.#ports.feed.publish(call);
  }

  /** An event of a leg. @throws Superseded; StoreLost before an INVITE */
  async take(told: CallEvent, context: AttemptContext): Promise<void> {
    const event = this.#timed(told);
    this.#call = apply(this.#call, event, context);
    await this.#save(event);
    this.#ports.feed.publish(this.#call);
  }

  /** Whether the call is still ours, now. @throws Superseded; AppError store_unavailable */
  async confirm(): Promise<void> {
    if (!(await this.#ports.store.saveCall(this.#call))) throw new Superseded();
  }

  /** Writes the call between two legs; where the store is away, the next write carries it. */
  async keep(): Promise<void> {
    const { store, log } = this.#ports;
    const call = this.#call;
    try {
      if (!(await store.saveCall(call))) throw new Superseded();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      log.warn({ callId: call.id }, 'a call waits although the store is unavailable');
    }
  }

  /** @throws Superseded; StoreLost */
  async finish({ disposition, blame }: Pick<Outcome, 'disposition' | 'blame'>): Promise<Call> {
    const { store, feed, log, now, giveUp } = this.#ports;
    // A call is over when its last leg is: not later, because a store came back or a BYE went unanswered.
    const waited = this.#call.timeline.at(-1)?.type === 'waiting';
    const at = waited ? now() : (this.#call.attempts.at(-1)?.endedAt ?? now());
    const ended = endCall(this.#call, at, disposition, blame);
    if (!(await insist(() => store.finishCall(ended, !mayProve(ended), now()), giveUp)))
      throw new Superseded();
    this.#call = ended;
    feed.publish(ended);
    log.info({ callId: ended.id, attempts: ended.attempts.length, disposition, blame }, 'a call has ended');
    return ended;
  }

  /** Tells listeners what somebody else has stored. */
  async abandon(): Promise<void> {
    const { store, feed, log, giveUp } = this.#ports;
    log.warn(
      { callId: this.#call.id },
      'another process has ended a call, or carries it: it is hung up here',
    );
    const ended = await insist(() => store.call(this.#call.id), giveUp);
    if (ended === undefined)
      log.error({ callId: this.#call.id }, 'the store has lost a call: it has no record');
    if (ended?.state === 'ended') {
      feed.publish(ended);
    }
  }

  /**
   * A leg counts its times from its beginning, by the clock of this machine: all of it moves to the clock of the store;
   * and on, should that have been set back before.
   */
  #timed(event: CallEvent): CallEvent {
    if (event.type === 'trying') {
      const at = event.at + this.#ports.clockOffsetMs();
      this.#shiftMs = Math.max(at, this.#call.timeline.at(-1)?.at ?? at) - event.at;
    }
    return { ...event, at: event.at + this.#shiftMs };
  }

  /** `ended` needs no write of its own: the next `trying`, or the final record, follows at once. */
  async #save(event: CallEvent): Promise<void> {
    const { store, log, storePatienceMs, giveUp } = this.#ports;
    const call = this.#call;
    let saved: boolean;
    switch (event.type) {
      case 'trying':
        saved = await insist(
          () => store.saveCall(call),
          () => timeLimit(storePatienceMs, giveUp(), this.#hangUp),
        );
        break;
      case 'sent':
      case 'ringing':
      case 'answered':
        try {
          saved = await store.saveCall(call);
        } catch (error) {
          if (!isUnavailable(error)) {
            throw error;
          }
          log.warn({ callId: call.id, err: error }, 'a call goes on although the store is unavailable');
          return;
        }
        break;
      case 'progress':
      case 'early_media':
      case 'dtmf':
      case 'gate_opened':
      case 'detected':
      case 'tone_heard':
      case 'prompt_finished':
      case 'again':
      case 'ended':
        return;
    }
    if (!saved) {
      throw new Superseded();
    }
  }
}
