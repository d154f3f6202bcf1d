import type { CallEvent, Engine, LegEnd } from '../engine/engine.ts';
import type { Playlist } from '../prompt/playlist.ts';
import type { PreparedPrompt, PromptPort } from '../prompt/prepared-prompt.ts';
import { PromptError } from '../prompt/prompt-error.ts';
import type { Secret } from '../secret.ts';
import type { Store } from '../store/store.ts';
import type { Trunk } from '../trunk/definition.ts';
import type { Vault } from '../verification/vault.ts';
import type { FlashDetails } from '../verification/verification.ts';
import { expire } from '../verification/verification.ts';
import { apply, endCall, markPrepared, markUnprepared } from './apply.ts';
import type { Call } from './call.ts';
import { mayProve } from './call.ts';
import type { CallFeed } from './feed.ts';
import type { Outcome } from './outcome.ts';
import { historyOf, judge } from './outcome.ts';
import { insist, isUnavailable, StoreLost } from './persistence.ts';
import type { PlanInput, PlannedLeg } from './plan.ts';
import { plan, restingLast, withOtherCodecs } from './plan.ts';

/** What is written of calls; a pino logger fits. No field ever holds a code or a number. */
export interface CallLog {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

export interface CallSettings {
  /** Legs of one call at most, whatever the number of trunks. */
  readonly maxAttempts: number;
  /** No further trunk is tried once this has passed since the call was accepted. */
  readonly deadlineMs: number;
  /** See `LegTimeouts`. */
  readonly maxCallMs: number;
  readonly lingerMs: number;
  /** How long an INVITE waits for a store that is unavailable. */
  readonly storePatienceMs: number;
}

/** Everything that the course of a call needs of the world. */
export interface CoursePorts {
  readonly store: Store;
  readonly engine: Engine;
  readonly feed: CallFeed;
  readonly vault: Pick<Vault, 'open'>;
  readonly prompts: PromptPort;
  /** In the order in which they are to be tried. */
  readonly trunks: readonly Trunk[];
  readonly now: () => number;
  readonly log: CallLog;
  readonly settings: CallSettings;
  /** Until when a trunk asked to be left alone, by its id; shared by all calls. */
  readonly restUntil: Map<string, number>;
  /** The signal that is aborted when the process ends whatever is open: writing to the store is then given up. */
  readonly giveUp: () => AbortSignal;
  /** Hears of every call that was stored as ended, for metrics. */
  readonly onEnded: (call: Call) => void;
}

type Result = Pick<Outcome, 'disposition' | 'blame'>;

/** What a call is to say, and until when somebody waits for it, epoch milliseconds. */
interface Said {
  /** Null where nothing is said, since nobody is to answer. */
  readonly prepare: (signal: AbortSignal) => Promise<PreparedPrompt | null>;
  readonly until: number;
  readonly flash?: PlanInput['flash'];
}

const FAILED: Result = { disposition: 'failed', blame: 'us' };
const CANCELED: Result = { disposition: 'canceled', blame: 'none' };

/** A trunk's Retry-After is believed up to this; a carrier's slip must not take a trunk away for a day. */
const MAX_REST_MS = 300_000;

/** The call is ended in the store by somebody else: it is no longer ours to carry or to write. */
class Superseded extends Error {}

/**
 * Carries one stored call from its acceptance to its final record. Where the store fails on the way:
 *
 * - before the INVITE, nothing is dialled, since a crash would then leave a phone ringing that nobody knows of;
 * - after it, the call goes on: the phone rings or speaks, and the next write carries everything;
 * - at the end, the final record is written as soon as the store is back, and the line is held until then.
 */
export class CallCourse {
  readonly #ports: CoursePorts;
  readonly #signal: AbortSignal;
  #call: Call;
  /** What the times of the present leg are moved by. */
  #shiftMs = 0;

  private constructor(call: Call, signal: AbortSignal, ports: CoursePorts) {
    this.#call = call;
    this.#signal = signal;
    this.#ports = ports;
  }

  /** Resolves when the call is over and stored as such. Never rejects. Abort hangs up. */
  static async run(callId: string, signal: AbortSignal, ports: CoursePorts): Promise<void> {
    try {
      const call = await insist(() => ports.store.call(callId), ports.giveUp);
      if (call === undefined || call.state === 'ended') {
        ports.log.warn({ callId }, 'a call that is not in the store, or has ended there, is not dialled');
        return;
      }
      await new CallCourse(call, signal, ports).#run();
    } catch (error) {
      // What is open in the store now is closed as `interrupted` at the next start.
      ports.log.error({ callId, err: error }, 'the end of a call could not be stored');
    } finally {
      ports.feed.forget(callId);
    }
  }

  async #run(): Promise<void> {
    let result: Result;
    try {
      result = await this.#carry();
    } catch (error) {
      if (error instanceof Superseded) {
        await this.#abandon();
        return;
      }
      // A hang-up that came while the INVITE waited for the store.
      const canceled = error instanceof StoreLost && this.#signal.aborted;
      if (!canceled) {
        this.#ports.log.error({ callId: this.#call.id, err: error }, 'a call failed by a fault of ours');
      }
      result = canceled ? CANCELED : FAILED;
    }
    await this.#finish(result);
  }

  async #carry(): Promise<Result> {
    const said = await this.#whatToSay();
    if (said === undefined || this.#signal.aborted) {
      return this.#signal.aborted ? CANCELED : FAILED;
    }
    if (said === 'canceled') {
      return CANCELED;
    }
    let prompt: PreparedPrompt | null;
    try {
      prompt = await said.prepare(this.#signal);
    } catch (error) {
      if (this.#signal.aborted) {
        return CANCELED;
      }
      if (!(error instanceof PromptError)) {
        throw error;
      }
      return this.#unprepared(error);
    }
    const { now, feed } = this.#ports;
    if (prompt !== null) {
      this.#call = markPrepared(this.#call, now(), prompt.report);
      feed.publish(this.#call);
    }
    return this.#dial(said, prompt?.speech ?? null);
  }

  /** Undefined where there is nothing that could be said, or nobody who waits for it. */
  async #whatToSay(): Promise<Said | 'canceled' | undefined> {
    const { store, giveUp, now, prompts, vault, log } = this.#ports;
    const { id, verificationId, sealedPlaylist } = this.#call;
    if (verificationId === null) {
      if (sealedPlaylist === null) {
        return undefined;
      }
      const playlist = JSON.parse(vault.open(id, sealedPlaylist).reveal()) as Playlist;
      return { prepare: (signal) => prompts.forPlaylist(playlist, signal), until: Number.POSITIVE_INFINITY };
    }
    const stored = await insist(() => store.verification(verificationId), giveUp);
    const verification = stored === undefined ? undefined : expire(stored, now());
    if (verification?.status === 'canceled') {
      return 'canceled';
    }
    if (verification === undefined || verification.status !== 'pending' || verification.sealedCode === null) {
      log.warn({ callId: id }, 'a call whose code nobody waits for is not dialled');
      return undefined;
    }
    const code = vault.open(verificationId, verification.sealedCode);
    if (verification.flash !== null) {
      return this.#flash(verification.flash, code, verification.expiresAt);
    }
    return {
      prepare: (signal) => prompts.forCode(verification, code, signal),
      until: verification.expiresAt,
    };
  }

  /** One that cannot say its text is not placed: somebody might answer, and hear nothing. */
  #flash(details: FlashDetails, cli: Secret, until: number): Said {
    const { prompts } = this.#ports;
    const { ringHoldMs, maxRingMs, fallbackText } = details;
    const onAnswer = fallbackText === null ? 'hangup' : 'speak';
    return {
      prepare: async (signal) =>
        fallbackText === null
          ? null
          : prompts.forPlaylist({ items: [{ tts: fallbackText }], repeat: 1, repeatPauseMs: 0 }, signal),
      until,
      flash: { cli: cli.reveal(), terms: { ringHoldMs, maxRingMs, onAnswer } },
    };
  }

  #unprepared(error: PromptError): Result {
    const { now, log } = this.#ports;
    this.#call = markUnprepared(this.#call, now(), error);
    log.warn(
      { callId: this.#call.id, fault: error.fault },
      'a call whose prompt cannot be played is not dialled',
    );
    const ours = error.fault === 'tts_failed' || error.fault === 'tts_timeout';
    return { disposition: 'prompt_failed', blame: ours ? 'us' : 'unknown' };
  }

  async #dial({ until, flash }: Said, prompt: PreparedPrompt['speech'] | null): Promise<Result> {
    const { settings, restUntil, now } = this.#ports;
    const legs = plan({
      callId: this.#call.id,
      to: this.#call.to,
      trunks: restingLast(this.#ports.trunks, restUntil, now()),
      wishes: this.#call.wishes,
      ...(flash === undefined ? {} : { flash }),
      prompt,
      timeouts: { maxCallMs: settings.maxCallMs, lingerMs: settings.lingerMs },
    });
    const lastMoment = Math.min(until, this.#call.createdAt + settings.deadlineMs);
    let result: Result = FAILED;
    let refused: PlannedLeg['leg']['codecs'] = [];
    for (const planned of legs.slice(0, settings.maxAttempts)) {
      if (this.#signal.aborted) {
        return CANCELED;
      }
      // A code that nobody could check any more is not said, however late its prompt was ready.
      const tooLate = now() >= (this.#call.attempts.length > 0 ? lastMoment : until);
      if (tooLate) {
        return result;
      }
      const leg = withOtherCodecs(planned.leg, refused);
      const outcome = await this.#attempt({ ...planned, leg });
      result = outcome;
      if (outcome.retry === 'never') {
        return result;
      }
      refused = outcome.disposition === 'media_rejected' ? [...refused, ...leg.codecs] : refused;
    }
    return result;
  }

  /** One leg. The engine is asked for the next event only when this one is dealt with. */
  async #attempt({ leg, trunk, cli }: PlannedLeg): Promise<Outcome> {
    let end: LegEnd | undefined;
    for await (const told of this.#ports.engine.originate(leg, this.#signal)) {
      const event = this.#timed(told);
      this.#call = apply(this.#call, event, { trunkId: trunk.id, cli: this.#shown(cli) });
      await this.#save(event);
      this.#ports.feed.publish(this.#call);
      if (event.type === 'ended') {
        end = event.end;
        this.#heedRest(trunk, event.end);
      }
    }
    if (end === undefined) {
      throw new Error('the engine left a leg without an end');
    }
    const outcome = judge(end, historyOf(this.#call, trunk.retryRejected));
    this.#ports.log.info(
      { callId: this.#call.id, trunkId: trunk.id, end: end.kind, ...outcome },
      'an attempt is over',
    );
    return outcome;
  }

  /** What the record of a flash call may show of its calling number. */
  #shown(cli: string): string {
    const { flash } = this.#call.wishes;
    if (flash === undefined) return cli;
    return cli.slice(0, -flash.hiddenDigits) + '•'.repeat(flash.hiddenDigits);
  }

  /** A leg counts its times from its beginning; should the clock have been set back before that, all of it moves. */
  #timed(event: CallEvent): CallEvent {
    if (event.type === 'trying') {
      this.#shiftMs = Math.max(0, (this.#call.timeline.at(-1)?.at ?? event.at) - event.at);
    }
    return { ...event, at: event.at + this.#shiftMs };
  }

  /** `ended` needs no write of its own: the next `trying`, or the final record, follows at once. */
  async #save(event: CallEvent): Promise<void> {
    const { store, log, settings, giveUp } = this.#ports;
    const call = this.#call;
    let saved: boolean;
    switch (event.type) {
      case 'trying':
        saved = await insist(
          () => store.saveCall(call),
          () => AbortSignal.any([giveUp(), this.#signal, AbortSignal.timeout(settings.storePatienceMs)]),
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
      case 'prompt_finished':
      case 'ended':
        return;
    }
    if (!saved) {
      throw new Superseded();
    }
  }

  /** Retry-After (RFC 3261 §21.5.4): other calls spare this trunk for so long, where there is another one. */
  #heedRest(trunk: Trunk, end: LegEnd): void {
    if (end.kind !== 'rejected' || end.sip.status < 500 || end.sip.status >= 600) {
      return;
    }
    const restMs = Math.min((end.sip.retryAfterSeconds ?? 0) * 1000, MAX_REST_MS);
    if (restMs > 0) {
      this.#ports.restUntil.set(trunk.id, this.#ports.now() + restMs);
    }
  }

  async #finish({ disposition, blame }: Result): Promise<void> {
    const { store, feed, log, now, giveUp, onEnded } = this.#ports;
    // A call is over when its last leg is: not later, because a store came back or a BYE went unanswered.
    const ended = endCall(this.#call, this.#call.attempts.at(-1)?.endedAt ?? now(), disposition, blame);
    await insist(() => store.finishCall(ended, !mayProve(ended), now()), giveUp);
    this.#call = ended;
    feed.publish(ended);
    log.info({ callId: ended.id, attempts: ended.attempts.length, disposition, blame }, 'a call has ended');
    onEnded(ended);
  }

  async #abandon(): Promise<void> {
    const { store, feed, log, giveUp } = this.#ports;
    log.warn({ callId: this.#call.id }, 'a call was ended by another process, and is hung up here');
    const ended = await insist(() => store.call(this.#call.id), giveUp);
    if (ended !== undefined) {
      feed.publish(ended);
    }
  }
}
