import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerMessage, Peers } from '../cluster/peers.ts';
import type { Permit } from '../trunk/capacity.ts';
import type { InHand } from './attempts.ts';
import type { Call } from './call.ts';
import { isInAttempt } from './call.ts';
import type { CoursePorts, CourseSettings } from './course.ts';
import { CallCourse } from './course.ts';
import { Lines } from './lines.ts';
import { insist } from './persistence.ts';
import { takeOverCalls } from './takeover.ts';

export interface DialerSettings extends CourseSettings {
  /** Calls under way at the same time. */
  readonly maxConcurrent: number;
}

type Heard = 'onEnded' | 'onApproved' | 'onAttempt' | 'onLeg';

export interface DialerOptions
  extends Omit<CoursePorts, 'settings' | 'giveUp' | 'token' | 'isTrusted' | Heard>,
    Partial<Pick<CoursePorts, Heard>> {
  readonly settings: DialerSettings;
  readonly peers: Pick<Peers, 'token' | 'isAlive' | 'isTrusted' | 'send'>;
}

/** A call that another process waits with, and for which there is room here. */
export interface CallOffer {
  readonly callId: string;
  /** Who waits with it. */
  readonly from: string;
  readonly trunkId: string;
}

export interface TakenOver {
  /** Resolves when the call needs its permit no more. */
  readonly over: Promise<void>;
}

/** How long the start waits for legs of an earlier process; what is not done by then goes on beside it. */
const RECOVERY_WAIT_MS = 3000;

/** After `drain` hung everything up: what BYE or CANCEL need on a network that loses packets. */
const HANG_UP_MS = 4000;

/** After that: the last chance of final records to reach the store. */
const LAST_WRITE_MS = 500;

/** Longer than a store takes to write what it was told, and than it takes until somebody looks. */
const DISOWNED_MS = 120_000;

/** For so long it is tried to reach whoever carries a call that is to be hung up, while it moves about. */
const REACH_MS = 20_000;
const REACH_PAUSE_MS = 300;

/** Carries stored calls, so many at a time. */
export class Dialer {
  readonly #ports: CoursePorts;
  readonly #settings: DialerSettings;
  readonly #peers: DialerOptions['peers'];
  readonly #lines = new Lines();
  readonly #giveUp = new AbortController();
  /** Calls that were refused, and may be stored all the same. */
  readonly #disowned = new Set<string>();
  #recovery: Promise<unknown> = Promise.resolve();
  /** Calls of which it is just being asked whether they can be had. */
  readonly #moving = new Set<Promise<boolean>>();
  #leaving = false;
  #draining = false;

  constructor(options: DialerOptions) {
    this.#settings = options.settings;
    // While the store is away, every call waits for it and listens.
    setMaxListeners(0, this.#giveUp.signal);
    this.#peers = options.peers;
    this.#ports = {
      ...options,
      token: () => this.#peers.token,
      isTrusted: () => this.#peers.isTrusted(),
      onEnded: options.onEnded ?? (() => undefined),
      onApproved: options.onApproved ?? (() => undefined),
      onAttempt: options.onAttempt ?? (() => undefined),
      onLeg: options.onLeg ?? (() => undefined),
      giveUp: () => this.#giveUp.signal,
    };
  }

  /** Whether one more call can be taken. */
  room(): boolean {
    return !this.#draining && this.#lines.size < this.#settings.maxConcurrent;
  }

  /** What is missing for a call to be carried; empty when all is there. */
  missing(): readonly string[] {
    return this.#ports.engine.missing();
  }

  /** Whether the process is about to stop: new calls are to be given to another one. */
  draining(): boolean {
    return this.#leaving;
  }

  /** The process is about to stop: whoever asks is told so. Calls that come nevertheless are taken until `drain`. */
  leave(): void {
    this.#leaving = true;
  }

  /** Calls under way, those included whose line is only kept. */
  active(): number {
    return this.#lines.size;
  }

  /** Of the calls under way. */
  callIds(): readonly string[] {
    return this.#lines.ids();
  }

  /** What this process is called: the `node` of the calls that it takes. */
  token(): string {
    return this.#peers.token;
  }

  /** Keeps a line for a call that is about to be stored; false when there is none. */
  reserve(callId: string): boolean {
    if (!this.room()) {
      return false;
    }
    this.#lines.of(callId);
    return true;
  }

  /** Gives back a line whose call was not stored. */
  release(callId: string): void {
    if (this.#lines.get(callId)?.dialled === false) {
      this.#lines.free(callId);
    }
  }

  /** See `CallPort`: a store that was silent may write for a while what it was told before. */
  disown(callId: string): void {
    this.#disowned.add(callId);
    setTimeout(() => this.#disowned.delete(callId), DISOWNED_MS).unref();
  }

  /**
   * Places a stored call. Returns at once and never throws; a call that is under way already is left alone.
   * A call without a reserved line is taken all the same: it is stored, and must come to an end.
   */
  dial(callId: string): void {
    if (this.#lines.get(callId)?.dialled !== true) void this.#carry(callId, undefined);
  }

  /**
   * Carries a call that another process waits with, now that there is room for it here.
   *
   * @param permit is released by whoever offers it
   * @returns undefined where it is not to be had
   */
  async takeOver({ callId, from, trunkId }: CallOffer, permit: Permit): Promise<TakenOver | undefined> {
    if (this.#draining || this.#lines.has(callId)) return undefined;
    const moving = this.#move(callId, from);
    this.#moving.add(moving);
    const isOurs = await moving.finally(() => this.#moving.delete(moving));
    if (!isOurs) return undefined;
    void this.#peers.send(from, { kind: 'moved', callId });
    return { over: this.#carry(callId, { trunkId, permit }) };
  }

  /** Whether it is ours now. One that came as the process was about to end goes back to who waits with it. */
  async #move(callId: string, from: string): Promise<boolean> {
    const { store } = this.#ports;
    const to = this.#peers.token;
    const moved = await store.moveCall(callId, { from, to, attempt: 'none' }).catch(() => undefined);
    if (moved === undefined || !this.#draining) return moved !== undefined;
    await store.moveCall(callId, { from: to, to: from, attempt: 'none' }).catch(() => undefined);
    return false;
  }

  /** What a call was to prove is settled: one that waits for that ends, any other goes on to its end. */
  settle(callId: string): void {
    this.#tell({ kind: 'settle', callId });
  }

  /** Ends a call: CANCEL or BYE, whichever fits, wherever it is carried. Returns at once. */
  hangUp(callId: string): void {
    this.#tell({ kind: 'hang_up', callId });
  }

  /** What another process asks for. */
  told(message: PeerMessage): void {
    if (message.kind !== 'moved') this.#tell(message);
  }

  /**
   * To be called before the first call is taken: takes over the calls of processes that are no more. Waits a few
   * seconds at most for the ends of their legs; the rest goes on beside what follows.
   *
   * @returns how many calls there were
   * @throws AppError store_unavailable
   */
  async recover(): Promise<number> {
    return this.takeOverFrom((node) => node === null || !this.#peers.isAlive(node));
  }

  /** @param isOrphan whether the calls of this node are nobody's; see `recover` */
  async takeOverFrom(isOrphan: (node: string | null) => boolean): Promise<number> {
    const { routing, capacity } = this.#ports;
    // Others are to look after them.
    if (this.#draining) return 0;
    const { calls, closed } = await takeOverCalls(isOrphan, {
      ...this.#ports,
      trunks: routing.trunks,
      isHere: (callId) => this.#lines.has(callId),
      dial: (callId) => {
        if (!this.#draining) this.dial(callId);
      },
      dialsAgain: (callId) => capacity.shared && !this.#disowned.has(callId),
      deadlineMs: this.#settings.deadlineMs,
    });
    this.#recovery = Promise.all([this.#recovery, closed]);
    await atMost(closed, RECOVERY_WAIT_MS);
    return calls;
  }

  /** This process was given up for dead, and goes on: what others carry by now is hung up here. */
  async checkLines(): Promise<void> {
    await Promise.all(this.#lines.ids().map((callId) => this.#checkLine(callId)));
  }

  /**
   * Takes no new calls and waits for those under way; when the signal is aborted, hangs up what is left and
   * waits a few seconds more. Afterwards nothing is dialled or written any more.
   */
  async drain(signal: AbortSignal): Promise<void> {
    this.#leaving = true;
    this.#draining = true;
    const idle = Promise.all([this.#lines.idle(), this.#recovery, ...this.#moving]);
    await Promise.race([idle, aborted(signal)]);
    // Those that wait are taken over as soon as this process has left.
    if (this.#ports.capacity.shared) this.#lines.leaveAll();
    this.#lines.hangUpAll();
    await atMost(idle, HANG_UP_MS);
    this.#giveUp.abort();
    await atMost(idle, LAST_WRITE_MS);
  }

  async #carry(callId: string, inHand: InHand | undefined): Promise<void> {
    const line = this.#lines.of(callId);
    line.dialled = true;
    await CallCourse.run(callId, line.signals, this.#ports, inHand);
    this.#lines.free(callId);
    // It may have moved just before this was asked.
    for (const kind of line.asked) void this.#reach({ kind, callId });
  }

  /** One that waits is left to whoever has it; of one in an attempt nothing is to stay up here. */
  async #checkLine(callId: string): Promise<void> {
    const { store, giveUp } = this.#ports;
    const call = await insist(() => store.call(callId), giveUp).catch(() => undefined);
    const line = this.#lines.get(callId);
    if (line === undefined || (call !== undefined && this.#isMine(call))) return;
    const waits = call !== undefined && call.state !== 'ended' && !isInAttempt(call);
    if (waits) line.leave();
    else line.hangUp();
  }

  /** Here where the call is under way, else whoever carries it. */
  #tell(message: Exclude<PeerMessage, { kind: 'moved' }>): void {
    const line = this.#lines.get(message.callId);
    if (line === undefined) {
      void this.#reach(message);
      return;
    }
    line.asked.add(message.kind);
    if (message.kind === 'hang_up') line.hangUp();
    else line.settle();
  }

  /** Asks until somebody has heard of it, for the call may be moving, or its node have just died. */
  async #reach(message: Exclude<PeerMessage, { kind: 'moved' }>): Promise<void> {
    const { store } = this.#ports;
    const end = performance.now() + REACH_MS;
    while (performance.now() < end && !this.#giveUp.signal.aborted) {
      const call = await store.call(message.callId).catch(() => 'unknown' as const);
      if (this.#lines.has(message.callId)) return this.#tell(message);
      if (call !== 'unknown') {
        if (call === undefined || call.state === 'ended' || call.node === null) return;
        // One that is ours by now, as its node has died, is about to get a line.
        if (!this.#isMine(call) && (await this.#peers.send(call.node, message))) return;
      }
      await sleep(REACH_PAUSE_MS, undefined, { signal: this.#giveUp.signal }).catch(() => undefined);
    }
  }

  #isMine({ node }: Call): boolean {
    return node === null || node === this.#peers.token;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    } else {
      signal.addEventListener('abort', () => resolve(), { once: true });
    }
  });
}

async function atMost(work: Promise<unknown>, waitMs: number): Promise<void> {
  const timer = new AbortController();
  const timeout = sleep(waitMs, undefined, { signal: timer.signal }).catch(() => undefined);
  await Promise.race([work, timeout]);
  timer.abort();
}
