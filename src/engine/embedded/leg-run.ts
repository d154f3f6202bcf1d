import { randomBytes } from 'node:crypto';
import type { AnswerFinding } from '../../media/answer-detector.ts';
import type { Rtp } from '../../media/rtp.ts';
import { RtpError } from '../../media/rtp-error.ts';
import { SdpError } from '../../media/sdp-reader.ts';
import { Authorization } from '../../sip/authorization.ts';
import type { Dialog } from '../../sip/dialog.ts';
import type { SipEndpoint } from '../../sip/endpoint.ts';
import { type Answer, Invite, type InviteFailure } from '../../sip/invite.ts';
import type { SipHeader, SipResponse } from '../../sip/message.ts';
import { resolveDestination } from '../../sip/resolver.ts';
import { responseTo } from '../../sip/response.ts';
import type { ServerHandle } from '../../sip/server-transactions.ts';
import { ALLOW, Session } from '../../sip/session.ts';
import type { Peer } from '../../sip/transport.ts';
import { formatHost } from '../../sip/uri.ts';
import type { CallEvent, Codec, Leftover, Leg, LegEnd, LegWire } from '../engine.ts';
import type { CarriedLeg } from '../leg/carry-leg.ts';
import { within } from '../leg/deadline.ts';
import { isMute, LegDescription } from '../leg/leg-description.ts';
import { hungUpByCallee, unanswered } from '../leg/leg-end.ts';
import { LegProgress } from '../leg/leg-progress.ts';
import { LegSpeech } from '../leg/leg-speech.ts';
import { invitingLeftover, upLeftover } from './leftover.ts';
import { LegMedia } from './leg-media.ts';

export interface LegSurroundings {
  readonly endpoint: SipEndpoint;
  readonly rtp: Rtp;
  readonly userAgent: string;
  /** What the SDP names instead of the address that SIP uses. */
  readonly mediaAddress: string | undefined;
  readonly wire: LegWire | undefined;
}

type HungUp = Extract<LegEnd, { kind: 'hung_up' }>;
type Why = HungUp['why'];

/** One leg from its first to its last event. */
export class LegRun implements CarriedLeg {
  readonly #leg: Leg;
  readonly #around: LegSurroundings;
  readonly #progress: LegProgress;
  readonly #speech: LegSpeech;
  readonly #callId = randomBytes(16).toString('hex');
  readonly #dialogs = new Map<string, Dialog>();
  #peers: Peer[] = [];
  #media: LegMedia | undefined;
  #invite: Invite | undefined;
  #session: Session | undefined;
  #disown: (() => void) | undefined;
  #trouble: LegEnd | undefined;
  /** The end that we are working towards, from the moment that we want it. */
  #wanted: LegEnd | undefined;
  #ended = false;
  #forgotten = false;
  #over: Promise<void>;
  #markOver: () => void = () => {};

  constructor(leg: Leg, around: LegSurroundings) {
    this.#leg = leg;
    this.#around = around;
    this.#progress = new LegProgress({
      timeouts: leg.timeouts,
      flash: leg.flash,
      leftover: () => this.#inviting(),
      giveUp: (end) => this.#giveUp(end),
    });
    this.#speech = new LegSpeech({
      gate: leg.gate,
      repeat: leg.repeat,
      detection: leg.detection,
      lingerMs: leg.timeouts.lingerMs,
      progress: this.#progress,
      say: (what) => this.#media?.say(what),
      hangUp: (why) => this.#hangUp(why),
    });
    this.#over = new Promise((resolve) => {
      this.#markOver = resolve;
    });
  }

  /** Looks up where to go and takes ports; nothing leaves yet. The event says `trying` whatever was found. */
  async prepare(): Promise<CallEvent> {
    let leftover: Leftover = {};
    try {
      leftover = await this.#build();
    } catch (error) {
      // Whatever it is (no route to the host, no free port), it is this leg's trouble and nobody else's.
      const detail = error instanceof Error ? error.message : String(error);
      this.#trouble ??=
        error instanceof RtpError ? { kind: 'failed', detail } : { kind: 'unreachable', detail };
    }
    return { type: 'trying', at: this.#progress.now(), sipCallId: this.#callId, leftover };
  }

  /** Sends the INVITE. */
  begin(): void {
    if (this.#ended) return;
    if (this.#trouble !== undefined) return this.#finish(this.#trouble);
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
    if (!this.#ended) this.abort();
    await this.#over;
  }

  async #build(): Promise<Leftover> {
    const { leg, endpoint, userAgent } = { leg: this.#leg, ...this.#around };
    // A name server that is silent must not keep a call for longer than a silent trunk does.
    this.#peers = await within(
      leg.timeouts.setupMs,
      resolveDestination(leg.nextHop),
      'the look-up of the trunk takes too long',
    );
    if (this.#peers.length === 0) throw new Error(`no address for ${leg.nextHop.host}`);
    const secured = endpoint.secured(this.#peers, leg.tls ?? {}, leg.nextHop.host);
    // A connection tells nothing of the call, and who is at its other end has to be known before anything does.
    this.#peers = [
      ...(await within(
        leg.timeouts.setupMs,
        endpoint.reachable(secured),
        'the TLS handshake takes too long',
      )),
    ];
    const [peer] = this.#peers as [Peer];
    const localAddress = await endpoint.localAddress(peer);
    const offer = await this.#offer(this.#around.mediaAddress ?? localAddress);
    const transport = peer.transport === 'udp' ? '' : `;transport=${peer.transport}`;
    const port = await endpoint.contactPort(peer);
    const contact = `<sip:voice-otp@${formatHost(localAddress)}:${port}${transport}>`;
    const name = leg.from.displayName === undefined ? '' : `"${leg.from.displayName}" `;
    const authorization = leg.credentials === undefined ? undefined : new Authorization(leg.credentials);
    const headers: SipHeader[] = [
      ['Allow', ALLOW],
      ['Supported', '100rel, timer'],
      ['User-Agent', userAgent],
      ...leg.headers,
    ];
    const invite = new Invite({
      endpoint,
      localAddress,
      requestUri: leg.requestUri,
      from: `${name}<${leg.from.uri}>;tag=${randomBytes(8).toString('hex')}`,
      to: `<${leg.requestUri}>`,
      callId: this.#callId,
      contact,
      headers,
      offer,
      peers: this.#peers,
      authorization,
      listener: {
        sent: () => this.#around.wire?.sent(),
        again: (leave) => this.#progress.again(leave),
        provisional: (response, dialog) => this.#provisional(response, dialog),
        answered: (answer) => this.#answered(answer, localAddress, contact, authorization),
        failed: (failure) => this.#failed(failure),
      },
    });
    this.#invite = invite;
    this.#disown = endpoint.own(this.#callId, {
      request: (handle) => this.#request(handle),
      ack: (request) => this.#session?.ack(request),
    });
    return invitingLeftover(invite.foreseen(), [], peer);
  }

  /** Opens the media, where any is wanted. */
  async #offer(address: string): Promise<string> {
    const leg = this.#leg;
    if (isMute(leg)) return LegDescription.withoutMedia(leg.codecs, address, leg.srtp);
    this.#media = await LegMedia.open(this.#around.rtp, leg, address, {
      onDtmf: (digit, durationMs) => this.#speech.key(digit, durationMs, 'rtp'),
      onFinished: () => this.#speech.finished(),
      ...(leg.detection === undefined
        ? {}
        : { onFinding: (finding: AnswerFinding) => this.#speech.finding(finding) }),
      onError: (error) => this.#hangUp('aborted', { kind: 'failed', detail: error.message }),
    });
    return this.#media.description;
  }

  #request(handle: ServerHandle): void {
    if (this.#session !== undefined) return this.#session.request(handle);
    if (this.#invite?.request(handle) !== true) handle.respond(responseTo(handle.request, 481));
  }

  #provisional(response: SipResponse, dialog: Dialog | undefined): void {
    if (dialog !== undefined && !this.#ended) this.#dialogs.set(dialog.remoteTag, dialog);
    this.#progress.provisional(response);
  }

  #inviting(): Leftover {
    const sent = this.#invite?.sent;
    return invitingLeftover(
      sent === undefined ? [] : [sent],
      [...this.#dialogs.values()],
      this.#peers[0] as Peer,
    );
  }

  /** Wants to end before the answer. Without any response there is nothing to wait for: the INVITE cancels itself later. */
  #giveUp(wanted: LegEnd): void {
    if (this.#ended || this.#wanted !== undefined) return;
    this.#wanted = wanted;
    this.#progress.timers.clear();
    const sent = this.#invite?.sent !== undefined;
    this.#invite?.cancel();
    if (!sent) this.#forget();
    if (sent && this.#progress.made) return;
    if (sent && this.#progress.tried && wanted.kind === 'setup_timeout')
      this.#progress.awaitCrossing(() => this.#finish(wanted));
    else this.#finish(wanted);
  }

  #failed(failure: InviteFailure): void {
    this.#forget();
    this.#finish(unanswered(failure, this.#wanted));
  }

  #answered(
    answer: Answer,
    localAddress: string,
    contact: string,
    authorization: Authorization | undefined,
  ): void {
    const { endpoint } = this.#around;
    // What follows takes its time, and the call is charged from here on.
    const at = this.#progress.now();
    const session = new Session({
      endpoint,
      dialog: answer.dialog,
      peer: answer.peer,
      localAddress,
      contact,
      authorization,
      after: answer.acked,
      listener: {
        offer: (sdp) => this.#media?.reoffered(sdp),
        currentOffer: () => this.#media?.description ?? '',
        answer: (sdp) => this.#media?.answered(sdp),
        bye: (bye) => this.#finish(this.#wanted ?? hungUpByCallee(bye)),
        lost: (why) => this.#finish(lostEnd(why)),
        key: ({ digit, durationMs }) => this.#speech.key(digit, durationMs, 'info'),
      },
    });
    this.#session = session;
    this.#progress.timers.clear();
    // Too late for us: nobody is waiting for this answer any more.
    if (this.#ended) return void session.bye().then(() => this.#forget());
    const leftover = upLeftover(answer.dialog, answer.peer);
    if (this.#invite?.canceled === true) {
      this.#progress.tell({ type: 'answered', codec: null, leftover }, at);
      return this.#hangUp('crossed_cancel');
    }
    if (this.#media === undefined) {
      this.#progress.tell({ type: 'answered', codec: null, leftover }, at);
      return this.#hangUp('flash_answered');
    }
    const played = this.#play(answer.sdp);
    this.#progress.tell({ type: 'answered', codec: played.codec, leftover }, at);
    if (played.refused !== undefined)
      return this.#hangUp('aborted', { kind: 'media_rejected', detail: played.refused });
    session.obeySessionTimer(answer.response);
    this.#progress.timers.start('max', this.#leg.timeouts.maxCallMs, () => this.#hangUp('max_duration'));
  }

  #play(sdp: string): { codec: Codec | null; refused?: string } {
    try {
      return { codec: this.#media?.start(sdp, this.#speech.begin()) ?? null };
    } catch (error) {
      if (error instanceof SdpError) return { codec: null, refused: error.message };
      throw error;
    }
  }

  /** BYE; the audio stops at once, the event follows when the peer has answered or Timer F is over. */
  #hangUp(why: Why, end: LegEnd = { kind: 'hung_up', by: 'us', why }): void {
    if (this.#ended || (this.#wanted !== undefined && why !== 'crossed_cancel')) return;
    this.#wanted = end;
    this.#speech.close();
    this.#progress.timers.clear();
    const session = this.#session;
    // The RTP worker can fail before the answer too.
    if (session === undefined) {
      this.#wanted = undefined;
      return this.#giveUp(end);
    }
    let at = this.#progress.now();
    const left = (): void => {
      at = this.#progress.now();
    };
    void session.bye(left).then(() => this.#finish(end, at));
    void this.#media?.close();
  }

  #finish(end: LegEnd, at = this.#progress.now()): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wanted = end;
    this.#speech.close();
    this.#progress.silence();
    this.#session?.close();
    // An INVITE that is still out there keeps the Call-ID until it is settled.
    if (this.#session !== undefined || this.#invite?.sent === undefined) this.#forget();
    void this.#closing(end, at);
  }

  async #closing(end: LegEnd, at: number): Promise<void> {
    const media = await this.#media?.close();
    const heard = this.#session === undefined ? undefined : media;
    this.#progress.ended({ type: 'ended', at, end, ...(heard === undefined ? {} : { media: heard }) });
    this.#markOver();
  }

  /** The far end has nothing of it any more. */
  #forget(): void {
    this.#disown?.();
    this.#disown = undefined;
    if (this.#forgotten) return;
    this.#forgotten = true;
    this.#around.wire?.over();
  }
}

function lostEnd(why: 'no_ack' | 'session_expired' | 'gone'): LegEnd {
  return { kind: 'hung_up', by: 'us', why: why === 'session_expired' ? 'session_expired' : 'peer_lost' };
}
