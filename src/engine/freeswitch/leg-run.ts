import { randomBytes } from 'node:crypto';
import { SdpError } from '../../media/sdp.ts';
import type { InviteFailure } from '../../sip/invite.ts';
import type { SipRequest } from '../../sip/message.ts';
import { resolveDestination } from '../../sip/resolver.ts';
import type { CallEvent, Codec, Leftover, Leg, LegEnd, LegWire, MediaStats } from '../engine.ts';
import type { CarriedLeg } from '../leg/carry-leg.ts';
import { within } from '../leg/deadline.ts';
import { hungUpByCallee, unanswered } from '../leg/leg-end.ts';
import { LegProgress } from '../leg/leg-progress.ts';
import { LegSpeech } from '../leg/leg-speech.ts';
import type { DrachtioConnection } from './drachtio-connection.ts';
import { authorizationOf } from './hang-up.ts';
import { checkLeg, inviteHeaders } from './invite-headers.ts';
import { endLeftover } from './leftover.ts';
import { LegHoldings, type LegSources } from './leg-holdings.ts';
import type { LegMediaListener } from './leg-media.ts';
import { type PhoneAnswer, PhoneInvite } from './phone-invite.ts';
import { PhoneSession } from './phone-session.ts';

export interface LegSurroundings extends LegSources {
  readonly userAgent: string;
  readonly wire: LegWire | undefined;
}

type HungUp = Extract<LegEnd, { kind: 'hung_up' }>;
type Why = HungUp['why'];

/** drachtio says BYE by itself when our CANCEL crossed the answer; if it does not, we do. */
const CROSSED_MS = 1000;

/** One leg from its first to its last event. */
export class LegRun implements CarriedLeg {
  readonly #leg: Leg;
  readonly #around: LegSurroundings;
  readonly #holdings: LegHoldings;
  readonly #progress: LegProgress;
  readonly #speech: LegSpeech;
  readonly #callId = randomBytes(16).toString('hex');
  readonly #fromTag = randomBytes(8).toString('hex');
  #invite: PhoneInvite | undefined;
  #session: PhoneSession | undefined;
  #building: Promise<void> | undefined;
  #trouble: LegEnd | undefined;
  /** The end that we are working towards, from the moment that we want it. */
  #wanted: LegEnd | undefined;
  #begun = false;
  #ended = false;
  #settled = false;
  readonly #over: Promise<void>;
  #markOver: () => void = () => {};

  constructor(leg: Leg, around: LegSurroundings) {
    this.#leg = leg;
    this.#around = around;
    this.#holdings = new LegHoldings(leg, around);
    this.#progress = new LegProgress({
      timeouts: leg.timeouts,
      flash: leg.flash,
      leftover: () => this.#inviting(),
      giveUp: (end) => this.#late(end),
    });
    this.#speech = new LegSpeech({
      gate: leg.gate,
      repeat: leg.repeat,
      detection: leg.detection,
      lingerMs: leg.timeouts.lingerMs,
      progress: this.#progress,
      say: (what) => this.#holdings.media?.say(what),
      hangUp: (why) => this.#hangUp(why),
    });
    this.#over = new Promise((resolve) => {
      this.#markOver = resolve;
    });
  }

  /** Finds servers, and for speech takes an endpoint and writes it down; no INVITE leaves yet. Says `trying` whatever was found. */
  async prepare(): Promise<CallEvent> {
    const building = this.#build();
    this.#building = building.catch(() => undefined);
    try {
      await building;
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#trouble ??= { kind: 'failed', detail };
    }
    return {
      type: 'trying',
      at: this.#progress.now(),
      sipCallId: this.#callId,
      leftover: this.#inviting(),
    };
  }

  /** Sends the INVITE. */
  begin(): void {
    if (this.#ended) return;
    if (this.#trouble !== undefined) return this.#finish(this.#trouble);
    this.#begun = true;
    this.#progress.begun();
    this.#invite?.send();
  }

  repeat(): void {
    this.#progress.repeat();
  }

  next(): Promise<CallEvent> {
    return this.#progress.next();
  }

  /** Ends the leg the way that fits: not at all sent, CANCEL or BYE. */
  abort(): void {
    if (this.#session === undefined) this.#giveUp({ kind: 'canceled' });
    else this.#hangUp('aborted');
  }

  /** Ends the leg where it is still up; resolves when nothing of it is held any more. */
  async release(): Promise<void> {
    this.#trouble ??= { kind: 'canceled' };
    // What is just being taken has to be given back too.
    await this.#building;
    if (!this.#ended) this.abort();
    await this.#over;
  }

  async #build(): Promise<void> {
    const leg = this.#leg;
    const refused = checkLeg(leg);
    if (refused !== undefined) throw new Error(refused);
    const via = await this.#holdings.takeServer();
    const lookUp = resolveDestination(leg.nextHop);
    const peers = await within(leg.timeouts.setupMs, lookUp, 'the look-up of the trunk takes too long');
    if (peers.length === 0) {
      this.#trouble = { kind: 'unreachable', detail: `no address for ${leg.nextHop.host}` };
      return;
    }
    const offer = await this.#holdings.openMedia(via, peers, this.#mediaListener());
    const { userAgent } = this.#around;
    const identity = { callId: this.#callId, fromTag: this.#fromTag, userAgent };
    const authorization = authorizationOf(leg.credentials);
    this.#invite = new PhoneInvite({
      connection: via,
      requestUri: leg.requestUri,
      headers: (cseq, added) => inviteHeaders(leg, { ...identity, cseq, authorization: added }),
      offer,
      peers,
      authorization,
      listener: {
        again: (leave) => this.#progress.again(leave),
        sent: () => {
          this.#around.wire?.sent();
          this.#progress.tell({ type: 'sent', leftover: this.#inviting() });
        },
        provisional: (response) => this.#progress.provisional(response),
        answered: (answer) => this.#answered(answer, via, authorization),
        unusable: (detail) => this.#unusable(detail),
        failed: (failure) => this.#failed(failure),
      },
    });
    via.lost.addEventListener('abort', this.#onLost);
    if (via.lost.aborted) this.#onLost();
  }

  #mediaListener(): LegMediaListener {
    return {
      onDtmf: (digit, durationMs) => this.#speech.key(digit, durationMs, 'rtp'),
      onFinished: () => this.#speech.finished(),
      onFinding: (finding) => this.#speech.finding(finding),
      onFailed: (detail) => this.#hangUp('aborted', { kind: 'failed', detail }),
      reinvite: (moved) => this.#session?.reinvite(moved) ?? Promise.reject(new Error('no call is up')),
    };
  }

  /** The dialog outlives the connection, and the prompt goes on; an INVITE that nobody hears of any more does not. */
  readonly #onLost = (): void => {
    if (this.#ended || this.#session !== undefined) return;
    const end: LegEnd = this.#wanted ?? { kind: 'failed', detail: 'the connection to drachtio is lost' };
    // No INVITE has left, and none will.
    if (!this.#begun) return void (this.#trouble ??= end);
    this.#progress.timers.clear();
    this.#wanted = end;
    const at = this.#progress.now();
    void endLeftover(this.#inviting(), () => this.#holdings.reconnected(), undefined)
      .catch(() => false)
      .then(() => this.#finish(end, at));
  };

  #inviting(): Leftover {
    const transactionId = this.#invite?.transactionId ?? '';
    return this.#holdings.inviting({ callId: this.#callId, fromTag: this.#fromTag, transactionId });
  }

  /** It took too long: the network's fault, unless no INVITE has left so far. */
  #late(end: LegEnd): void {
    const sent = this.#invite !== undefined && this.#invite.transactionId !== '';
    this.#giveUp(sent ? end : { kind: 'failed', detail: 'drachtio does not take the INVITE' });
  }

  /** Wants to end before the answer. drachtio does not tell of a 100: it cancels as soon as it has any response. */
  #giveUp(wanted: LegEnd): void {
    if (this.#ended || this.#wanted !== undefined) return;
    this.#wanted = wanted;
    this.#progress.timers.clear();
    this.#invite?.cancel();
    if (this.#progress.made) return;
    if (wanted.kind === 'setup_timeout') this.#progress.awaitCrossing(() => this.#finish(wanted));
    else this.#finish(wanted);
  }

  #failed(failure: InviteFailure): void {
    // The loss of the connection ends the leg in its own way.
    if (!this.#holdings.isCutOff) this.#finish(unanswered(failure, this.#wanted));
    this.#settle();
  }

  #unusable(detail: string): void {
    if (!this.#ended) {
      this.#progress.tell({ type: 'answered', codec: null, leftover: this.#inviting() });
      this.#finish({ kind: 'media_rejected', detail });
    }
    this.#settle();
  }

  #answered(
    answer: PhoneAnswer,
    connection: DrachtioConnection,
    authorization: ReturnType<typeof authorizationOf>,
  ): void {
    const { srfDialog, dialog, peer, sdp } = answer;
    // What follows takes its time, and the call is charged from here on.
    const at = this.#progress.now();
    const leg = { dialogId: srfDialog.id, dialog, peer };
    const session = new PhoneSession({
      leg,
      srfDialog,
      connection,
      connect: () => this.#holdings.reconnected(),
      authorization,
      listener: {
        offer: (offered) => this.#holdings.media?.reoffered(offered),
        currentOffer: () => this.#holdings.media?.description ?? '',
        answer: (answered) => this.#holdings.media?.answered(answered),
        bye: (bye) => this.#byeCame(bye),
        key: ({ digit, durationMs }) => this.#speech.key(digit, durationMs, 'info'),
        lost: (why) => this.#finish(lostEnd(why)),
      },
    });
    this.#session = session;
    this.#progress.timers.clear();
    const crossed = this.#invite?.canceled === true;
    // Too late for us: nobody is waiting for this answer any more.
    if (this.#ended)
      return void (crossed ? this.#afterCrossing(session) : session.bye().then(() => this.#settle()));
    const leftover = this.#holdings.up(leg);
    if (crossed) {
      this.#wanted = lostEnd('crossed_cancel');
      this.#progress.tell({ type: 'answered', codec: null, leftover }, at);
      return this.#afterCrossing(session);
    }
    if (this.#holdings.media === undefined) {
      this.#progress.tell({ type: 'answered', codec: null, leftover }, at);
      return this.#hangUp('flash_answered');
    }
    const played = this.#play(sdp);
    this.#progress.tell({ type: 'answered', codec: played.codec, leftover }, at);
    if (played.refused !== undefined) return this.#hangUp('aborted', played.refused);
    this.#progress.timers.start('max', this.#leg.timeouts.maxCallMs, () => this.#hangUp('max_duration'));
  }

  /** The phone may still be up, and be billed: it gets its BYE when drachtio is back. */
  #sayByeLater(session: PhoneSession): void {
    if (this.#holdings.isCutOff) void session.byeLater(() => this.#holdings.reconnectedLate());
  }

  /** drachtio sends ACK and BYE by itself, and tells. */
  #afterCrossing(session: PhoneSession): void {
    this.#progress.timers.start('crossed', CROSSED_MS, () => {
      void session.bye().then(() => this.#finish(lostEnd('crossed_cancel')));
    });
  }

  #play(sdp: string): { codec: Codec | null; refused?: LegEnd } {
    try {
      return { codec: this.#holdings.media?.start(sdp, this.#speech.begin()) ?? null };
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      // Whatever it is, the phone is off the hook and must not stay so.
      const kind = error instanceof SdpError ? 'media_rejected' : 'failed';
      return { codec: null, refused: { kind, detail } };
    }
  }

  #byeCame(bye: SipRequest | undefined): void {
    this.#finish(
      this.#wanted ??
        (bye === undefined ? { kind: 'hung_up', by: 'callee', why: 'peer' } : hungUpByCallee(bye)),
    );
  }

  /** BYE; the sound stops at once, the event follows when the phone has answered, or nobody did for long enough. */
  #hangUp(why: Why, end: LegEnd = { kind: 'hung_up', by: 'us', why }): void {
    if (this.#ended || this.#wanted !== undefined) return;
    const session = this.#session;
    if (session === undefined) return this.#giveUp(end);
    this.#wanted = end;
    this.#speech.close();
    this.#progress.timers.clear();
    const at = this.#progress.now();
    void this.#holdings.media?.close();
    void session.bye().then((result) => {
      if (result === 'silent') this.#sayByeLater(session);
      // The connection was lost meanwhile, and with it the callee's BYE.
      const byCallee = result === 'over' && this.#holdings.isCutOff && end.kind === 'hung_up';
      this.#finish(byCallee ? { kind: 'hung_up', by: 'callee', why: 'peer' } : end, at);
    });
  }

  #finish(end: LegEnd, at = this.#progress.now()): void {
    const lost = this.#holdings.via?.lost;
    if (this.#session !== undefined || !this.#begun || lost === undefined || lost.aborted) this.#settle();
    // An INVITE is still out there; what becomes of it is not told on a connection that is lost.
    else lost.addEventListener('abort', this.#settleOnLoss, { once: true });
    if (this.#ended) return;
    this.#ended = true;
    this.#wanted = end;
    this.#speech.close();
    this.#progress.silence();
    this.#holdings.via?.lost.removeEventListener('abort', this.#onLost);
    void this.#closing(end, at);
  }

  readonly #settleOnLoss = (): void => this.#settle();

  /** The phone's network has nothing of it any more. */
  #settle(): void {
    this.#holdings.via?.lost.removeEventListener('abort', this.#settleOnLoss);
    if (this.#settled) return;
    this.#settled = true;
    this.#around.wire?.over();
  }

  async #closing(end: LegEnd, at: number): Promise<void> {
    let media: MediaStats | undefined;
    try {
      media = await this.#holdings.release();
    } finally {
      const heard = this.#session === undefined ? undefined : media;
      this.#progress.ended({ type: 'ended', at, end, ...(heard === undefined ? {} : { media: heard }) });
      this.#markOver();
    }
  }
}

function lostEnd(why: 'session_expired' | 'crossed_cancel' | 'gone'): LegEnd {
  return { kind: 'hung_up', by: 'us', why: why === 'gone' ? 'peer_lost' : why };
}
