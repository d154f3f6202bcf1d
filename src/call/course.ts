import { setTimeout as wait } from 'node:timers/promises';
import type { PromptPort } from '../prompt/prepared-prompt.ts';
import { PromptError } from '../prompt/prompt-error.ts';
import type { Store } from '../store/store.ts';
import { Moved } from '../trunk/openings.ts';
import type { Vault } from '../verification/vault.ts';
import type { Verification } from '../verification/verification.ts';
import { expire } from '../verification/verification.ts';
import { markPrepared, markUnprepared, markWaiting } from './apply.ts';
import type { AttemptPorts, AttemptSettings, InHand, Result } from './attempts.ts';
import { Attempts, CANCELED, FAILED } from './attempts.ts';
import type { Call, Disposition } from './call.ts';
import { mayProve, waitsUntil } from './call.ts';
import type { CallFeed } from './feed.ts';
import { insist, StoreLost } from './persistence.ts';
import { CallRecord, Superseded } from './record.ts';
import type { Round, RoundPorts, RoundSettings, RoundSpeech } from './round.ts';
import { playlistRound, verificationRounds } from './round.ts';

/** See `AttemptSettings` and `RoundSettings`. */
export interface CourseSettings extends AttemptSettings, RoundSettings {}

/** Everything that the course of a call needs of the world. */
export interface CoursePorts extends Omit<AttemptPorts, 'settings' | 'vault'> {
  readonly store: Store;
  readonly feed: CallFeed;
  readonly vault: Pick<Vault, 'open' | 'seal'>;
  readonly prompts: PromptPort;
  readonly settings: CourseSettings;
  /** See `CallRecordPorts`. */
  readonly clockOffsetMs: () => number;
  /** The signal that is aborted when the process ends whatever is open: writing to the store is then given up. */
  readonly giveUp: () => AbortSignal;
  /** Hears of every verification that a call has approved by itself. */
  readonly onApproved: (verification: Verification) => void;
  /** Hears of every call that was stored as ended. */
  readonly onEnded: (call: Call) => void;
}

/** What somebody may want of a call that is under way. */
export interface CourseSignals {
  /** To end it. */
  readonly hangUp: AbortSignal;
  /** To begin nothing more: what it was to prove is settled. */
  readonly settled: AbortSignal;
  /** To leave it to other processes, where it waits for room. */
  readonly left: AbortSignal;
}

/** After these a further call is of no use, or not wanted. */
const IN_VAIN: readonly Disposition[] = [
  'busy',
  'invalid_number',
  'blocked',
  'canceled',
  'identity_rejected',
];

/** The call was hung up while its prompt was made ready. */
class HungUp extends Error {}

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
  readonly #settled: AbortSignal;
  readonly #left: AbortSignal;
  readonly #record: CallRecord;
  /** For the round that it was waited for, and no other one. */
  #inHand: InHand | undefined;
  #confirming: Promise<void> | undefined;

  private constructor(
    call: Call,
    { hangUp, settled, left }: CourseSignals,
    ports: CoursePorts,
    inHand: InHand | undefined,
  ) {
    const { storePatienceMs } = ports.settings;
    this.#record = new CallRecord(call, hangUp, { ...ports, storePatienceMs });
    this.#inHand = inHand;
    this.#signal = hangUp;
    this.#settled = settled;
    this.#left = left;
    this.#ports = ports;
  }

  /**
   * Resolves when the call is over and stored as such, or another process carries it. Never rejects.
   *
   * @param inHand is released by whoever gave it
   */
  static async run(
    callId: string,
    signals: CourseSignals,
    ports: CoursePorts,
    inHand?: InHand,
  ): Promise<void> {
    try {
      const call = await insist(() => ports.store.call(callId), ports.giveUp);
      if (call === undefined || call.state === 'ended') {
        ports.log.warn({ callId }, 'a call that is not in the store, or has ended there, is not dialled');
        return;
      }
      if (call.node !== null && call.node !== ports.token()) {
        ports.log.warn({ callId }, 'a call that another process carries by now is not dialled');
        return;
      }
      await new CallCourse(call, signals, ports, inHand).#run();
    } catch (error) {
      // What is open in the store now is closed as `interrupted` at the next start.
      ports.log.error({ callId, err: error }, 'the end of a call could not be stored');
    } finally {
      ports.feed.forget(callId);
    }
  }

  get #call(): Call {
    return this.#record.call;
  }

  async #run(): Promise<void> {
    try {
      const result = await this.#result();
      await this.#confirming;
      this.#ports.onEnded(await this.#record.finish(result));
    } catch (error) {
      if (error instanceof Moved) {
        this.#ports.log.info(
          { callId: this.#call.id },
          'another process got room for a call, and carries it',
        );
      } else if (error instanceof Superseded) {
        await this.#record.abandon();
      } else {
        throw error;
      }
    }
  }

  /** @throws Superseded; Moved */
  async #result(): Promise<Result> {
    try {
      return await this.#carry();
    } catch (error) {
      if (error instanceof Superseded || error instanceof Moved) throw error;
      // A hang-up that came while the INVITE waited for the store.
      const canceled = error instanceof StoreLost && this.#signal.aborted;
      const why =
        error instanceof StoreLost
          ? 'a call failed since the store was away before its INVITE'
          : 'a call failed by a fault of ours';
      if (!canceled) this.#ports.log.error({ callId: this.#call.id, err: error }, why);
      return canceled ? CANCELED : FAILED;
    }
  }

  async #carry(): Promise<Result> {
    const rounds = await this.#rounds();
    if (rounds === 'canceled' || this.#signal.aborted) {
      return CANCELED;
    }
    let result = this.#earlierResult ?? FAILED;
    const begun = this.#roundBegun(rounds);
    for (const [index, round] of rounds.entries()) {
      if (index < begun) continue;
      if (index > 0 && !this.#isBegun(round) && !(await this.#isWanted(round, result))) {
        return this.#signal.aborted ? CANCELED : result;
      }
      result = await this.#carryOut(round);
    }
    return result;
  }

  /** Of what an earlier process has tried: the last of it. */
  get #earlierResult(): Result | undefined {
    const { disposition, blame } = this.#call.attempts.at(-1) ?? { disposition: null, blame: null };
    return disposition === null || blame === null ? undefined : { disposition, blame };
  }

  #isBegun({ channel }: Round): boolean {
    return this.#call.attempts.some((attempt) => (attempt.channel ?? 'voice') === channel);
  }

  /** With which round it goes on: a flash call has one trunk, and is over with its attempt. */
  #roundBegun(rounds: readonly Round[]): number {
    const last = rounds.findLastIndex((round) => this.#isBegun(round));
    return last >= 0 && rounds[last]?.channel === 'flash' ? last + 1 : Math.max(0, last);
  }

  async #carryOut(round: Round): Promise<Result> {
    const onGateOpened = (): void => {
      this.#confirming = this.#confirm();
    };
    const inHand = this.#inHand;
    this.#inHand = undefined;
    const options = { signal: this.#signal, left: this.#left, inHand, onGateOpened };
    try {
      return await new Attempts(this.#ports, this.#record, options).carry(round, () => this.#prepare(round));
    } catch (error) {
      if (error instanceof HungUp) return CANCELED;
      if (error instanceof PromptError) return this.#unprepared(error);
      throw error;
    } finally {
      inHand?.permit.release();
    }
  }

  /** @throws PromptError; HungUp */
  async #prepare(round: Round): Promise<RoundSpeech> {
    let speech: RoundSpeech;
    try {
      speech = await round.prepare(this.#signal);
    } catch (error) {
      throw this.#signal.aborted ? new HungUp() : error;
    }
    if (speech.prompt !== null) {
      this.#record.note(markPrepared(this.#call, this.#ports.now(), speech.prompt.report));
    }
    return speech;
  }

  /** None where there is nothing that could be said, or nobody who waits for it. */
  async #rounds(): Promise<readonly Round[] | 'canceled'> {
    const { store, giveUp, now, log } = this.#ports;
    const { id, verificationId, sealedPlaylist } = this.#call;
    if (verificationId === null) {
      return sealedPlaylist === null ? [] : [playlistRound(this.#call, sealedPlaylist, this.#roundPorts)];
    }
    const stored = await insist(() => store.verification(verificationId), giveUp);
    const verification = stored === undefined ? undefined : expire(stored, now());
    if (verification?.status === 'canceled') return 'canceled';
    // Nobody needs the call any more. One that has proven it, in another process, keeps what became of it.
    if (verification?.status === 'approved') return this.#earlierResult === undefined ? 'canceled' : [];
    const rounds =
      verification?.status === 'pending'
        ? verificationRounds(this.#call, verification, this.#roundPorts)
        : [];
    if (rounds.length === 0) {
      log.warn({ callId: id }, 'a call whose code nobody waits for is not dialled');
    }
    return rounds;
  }

  get #roundPorts(): RoundPorts {
    const { vault, prompts, settings } = this.#ports;
    return { vault, prompts, settings };
  }

  /**
   * Whether a further round is of use: what the one before has proven is waited for, unless it proved nothing, and
   * whoever cannot be reached now is not called again.
   */
  async #isWanted({ afterMs, until }: Round, before: Result): Promise<boolean> {
    const { store, now, giveUp, capacity } = this.#ports;
    const { verificationId } = this.#call;
    // A trunk that has no route to a number says nothing of the number: another one may have.
    const inVain = IN_VAIN.includes(before.disposition) && before.blame !== 'trunk';
    if (this.#signal.aborted || verificationId === null || inVain) {
      return false;
    }
    if (mayProve(this.#call)) {
      await this.#waitForCheck(Math.min(afterMs, until - now()));
    } else if (capacity.shared) {
      // So that whoever gets room for it next knows that the attempt before is over.
      await this.#record.keep();
    }
    if (this.#signal.aborted) {
      return false;
    }
    const verification = await insist(() => store.verification(verificationId), giveUp);
    return verification !== undefined && expire(verification, now()).status === 'pending';
  }

  /** What is left of it, where an earlier process has begun to wait. */
  async #waitForCheck(forMs: number): Promise<void> {
    const { now } = this.#ports;
    let until = waitsUntil(this.#call);
    if (until === undefined) {
      until = now() + Math.max(0, forMs);
      this.#record.note(markWaiting(this.#call, now(), Math.max(0, forMs)));
      await this.#record.keep();
    }
    const leftMs = Math.max(0, until - now());
    const signal = AbortSignal.any([this.#signal, this.#settled]);
    await wait(leftMs, undefined, { signal }).catch(() => undefined);
  }

  #unprepared(error: PromptError): Result {
    const { now, log } = this.#ports;
    this.#record.note(markUnprepared(this.#call, now(), error));
    log.warn(
      { callId: this.#call.id, fault: error.fault },
      'a call whose prompt cannot be played is not dialled',
    );
    const ours = error.fault === 'tts_failed' || error.fault === 'tts_timeout';
    return { disposition: 'prompt_failed', blame: ours ? 'us' : 'unknown' };
  }

  /** The keys were the right ones: the call goes on meanwhile, and does not end before this is stored. */
  async #confirm(): Promise<void> {
    const { store, giveUp, now, log, onApproved } = this.#ports;
    const { id, verificationId } = this.#call;
    if (verificationId === null) {
      return;
    }
    const at = now();
    try {
      const checked = await insist(async () => {
        const digest = (await store.verification(verificationId))?.codeDigest ?? undefined;
        return digest === undefined ? undefined : store.check(verificationId, { by: 'keys', digest }, at);
      }, giveUp);
      if (checked?.verdict === 'approved') onApproved(checked.verification);
      else log.warn({ callId: id }, 'the keys were right, but the verification is no longer pending');
    } catch (error) {
      log.error({ callId: id, err: error }, 'an approval by keys could not be stored');
    }
  }
}
