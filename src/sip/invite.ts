import { randomBytes } from 'node:crypto';
import type { Authorization } from './authorization.ts';
import type { ClientHandle, ClientListener } from './client-transactions.ts';
import { type Dialog, dialogOfUac, requestIn } from './dialog.ts';
import { EarlyDialogs } from './early-dialogs.ts';
import type { SipEndpoint } from './endpoint.ts';
import { parseCSeq, parseSessionExpires, tagOf } from './header.ts';
import {
  ackRequest,
  cancelRequest,
  type InviteParts,
  inviteRequest,
  type SentInvite,
  sentInvite,
} from './invite-request.ts';
import { header, headerList, type SipRequest, type SipResponse } from './message.ts';
import type { ServerHandle } from './server-transactions.ts';
import { peerFor } from './session.ts';
import { TimerSet } from './timer-set.ts';
import { transactionMs } from './timers.ts';
import type { Peer } from './transport.ts';

/** The answer that won: all that a session needs. */
export interface Answer {
  readonly dialog: Dialog;
  readonly response: SipResponse;
  readonly peer: Peer;
  /** The peer's description: in the 2xx, or before it in a reliable provisional response (RFC 3262 §5); '' where there was none. */
  readonly sdp: string;
  /** Resolves when the ACK has left: whatever follows in the dialog waits for it. Never rejects. */
  readonly acked: Promise<void>;
}

export type InviteFailure =
  | { readonly kind: 'response'; readonly response: SipResponse }
  /** Nothing final from any destination (Timer B), or nothing after our CANCEL. */
  | { readonly kind: 'timeout' }
  /** The far end does not know the INVITE that we canceled, or has said that it is canceled and no more. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'transport'; readonly error: Error };

export interface InviteListener {
  /** An INVITE was handed to the network: each of them, and each time that it is sent again. */
  sent?(): void;
  /** One more INVITE is due: it leaves when `leave` is called. Without this it leaves at once. */
  again?(leave: () => void): void;
  provisional(response: SipResponse, dialog: Dialog | undefined): void;
  /** Once, and then never `failed`. The ACK is on its way (`acked`). A CANCEL of ours may have crossed it: `canceled` tells. */
  answered(answer: Answer): void;
  /** Once, and then never `answered`. */
  failed(failure: InviteFailure): void;
}

export interface InviteOptions extends InviteParts {
  readonly endpoint: SipEndpoint;
  readonly localAddress: string;
  /** In the order in which to try; at least one (RFC 3263 §4.3). */
  readonly peers: readonly Peer[];
  readonly authorization?: Authorization | undefined;
  readonly listener: InviteListener;
}

/** How often an INVITE may leave again for a challenge, a stale nonce and a 422. */
const MAX_RETRIES = 4;

interface Outgoing {
  readonly request: SipRequest;
  readonly peer: Peer;
}

/** For requests whose outcome changes nothing. */
const NOBODY: ClientListener = { response: () => {}, timeout: () => {}, transportError: () => {} };

/**
 * The calling side of one INVITE until its final response (RFC 3261 §13.2): challenges, 422, the next
 * destination on silence and 503, reliable provisionals (RFC 3262), forking, CANCEL and its race with a 2xx.
 */
export class Invite {
  readonly #options: InviteOptions;
  readonly #early: EarlyDialogs;
  readonly #timers = new TimerSet<'canceled'>();
  readonly #branch = randomBytes(12).toString('hex');
  #peers: Peer[];
  #cseq = 1;
  #retriesLeft = MAX_RETRIES;
  #adopted = false;
  #sessionInterval: number | undefined;
  #handle: ClientHandle | undefined;
  #provisional = false;
  /** A 180 came. */
  #rang = false;
  #cancelWanted = false;
  #cancelSent = false;
  /** One more INVITE is due, and none is out. */
  #due = false;
  #settled = false;
  readonly #dismissed = new Map<string, Promise<Outgoing>>();
  #winner: { readonly tag: string; readonly ack: Promise<Outgoing> } | undefined;

  constructor(options: InviteOptions) {
    this.#options = options;
    this.#early = new EarlyDialogs(options.contact);
    this.#peers = [...options.peers];
  }

  /** CANCEL was asked for. */
  get canceled(): boolean {
    return this.#cancelWanted;
  }

  /** What is on its way, so that a later process can cancel it; undefined before the first INVITE. */
  get sent(): SentInvite | undefined {
    return this.#handle === undefined ? undefined : sentInvite(this.#handle.request, this.#handle.peer);
  }

  /**
   * Every INVITE that may leave, known before the first one does: a process that dies between a challenge and
   * the next event would otherwise leave one behind that nobody can name.
   */
  foreseen(): SentInvite[] {
    const { peers, authorization } = this.#options;
    const tries = peers.length + (authorization === undefined ? 1 : 2);
    return Array.from({ length: tries }, (_, i) => i + 1).flatMap((cseq) =>
      peers.map((peer) => {
        const request = inviteRequest(this.#options, cseq, undefined);
        return sentInvite(
          { ...request, headers: [['Via', this.#via(peer, cseq)], ...request.headers] },
          peer,
        );
      }),
    );
  }

  /** Sends the INVITE. */
  send(): void {
    const [peer] = this.#peers;
    if (peer === undefined) return;
    const { endpoint, localAddress } = this.#options;
    const request = this.#signed(inviteRequest(this.#options, this.#cseq, this.#sessionInterval));
    const via = this.#via(peer, this.#cseq);
    this.#handle = endpoint.request(request, peer, localAddress, this.#transactionListener(), { via });
  }

  /** Takes over an INVITE of an earlier process; nothing is sent. */
  adopt(sent: SentInvite): void {
    const { endpoint, localAddress } = this.#options;
    this.#cseq = parseCSeq(header(sent.request, 'CSeq'))?.number ?? 1;
    this.#handle = endpoint.request(sent.request, sent.peer, localAddress, this.#transactionListener(), {
      resume: true,
    });
    // Whether a provisional came is not known; the CANCEL of an INVITE that never arrived does no harm.
    this.#provisional = true;
    this.#adopted = true;
  }

  /**
   * Wants the call to end before its answer. CANCEL leaves once a provisional response is there (RFC 3261
   * §9.1); until then the INVITE is not sent again. Without any answer to both, `failed` tells `timeout`.
   */
  cancel(): void {
    if (this.#settled || this.#cancelWanted) return;
    this.#cancelWanted = true;
    if (this.#due) this.#fail({ kind: 'gone' });
    else if (this.#provisional) this.#sendCancel();
    else this.#handle?.hush();
  }

  /** Whether a request of the peer is for an early dialog of this INVITE; it is answered then (RFC 3311 §5.2). */
  request(handle: ServerHandle): boolean {
    return this.#early.request(handle);
  }

  /** A 2xx: the first one, the same again, or one from another fork. */
  #answer(response: SipResponse): void {
    const tag = tagOf(response, 'To');
    if (this.#winner?.tag === tag) void this.#transmit(this.#winner.ack);
    else if (this.#settled) void this.#dismiss(response, tag);
    else this.#accept(response, tag);
  }

  #transactionListener() {
    return {
      sent: () => this.#options.listener.sent?.(),
      response: (response: SipResponse) => this.#response(response),
      timeout: () => this.#nextOr({ kind: 'timeout' }),
      transportError: (error: Error) => this.#nextOr({ kind: 'transport', error }),
    };
  }

  #via(peer: Peer, cseq: number): string {
    return this.#options.endpoint.newVia(peer, this.#options.localAddress, `${this.#branch}.${cseq}`);
  }

  #response(response: SipResponse): void {
    if (response.status >= 200 && response.status < 300) return this.#answer(response);
    if (this.#settled) return;
    if (response.status < 200) return this.#provisionalResponse(response);
    if (!this.#cancelWanted && this.#retries(response)) return;
    this.#fail({ kind: 'response', response });
  }

  #retries(response: SipResponse): boolean {
    const { status } = response;
    if ((status === 401 || status === 407) && this.#options.authorization?.challenged(response) === true) {
      return this.#again();
    }
    // RFC 4028 §7.3: once, with the interval that the far end wants.
    const minimum = parseSessionExpires(header(response, 'Min-SE'))?.seconds;
    if (status === 422 && minimum !== undefined && this.#sessionInterval === undefined) {
      this.#sessionInterval = Math.min(minimum, 86_400);
      return this.#again();
    }
    // RFC 3263 §4.3: 503 is like no answer; the next server may do better.
    if (status === 503 && this.#early.size === 0 && this.#peers.length > 1) {
      this.#peers.shift();
      return this.#again();
    }
    return false;
  }

  /** The same call, one CSeq further, in a new transaction. A phone that has rung is not rung once more for it. */
  #again(): boolean {
    if (this.#rang || this.#retriesLeft-- <= 0) return false;
    this.#cseq++;
    this.#provisional = false;
    this.#early.clear();
    this.#due = true;
    const leave = (): void => {
      if (!this.#due || this.#settled) return;
      this.#due = false;
      this.send();
    };
    const { listener } = this.#options;
    if (listener.again === undefined) leave();
    else listener.again(leave);
    return true;
  }

  #nextOr(failure: InviteFailure): void {
    if (this.#settled) return;
    const next = !this.#cancelWanted && !this.#provisional && this.#peers.length > 1;
    if (next) this.#peers.shift();
    if (!next || !this.#again()) this.#fail(failure);
  }

  #provisionalResponse(response: SipResponse): void {
    const first = !this.#provisional;
    this.#provisional = true;
    this.#rang ||= response.status === 180;
    if (first && this.#cancelWanted) this.#sendCancel();
    const invite = this.#handle?.request;
    const quiet = invite === undefined || response.status === 100;
    const kept = quiet ? undefined : this.#early.keep(invite, response, this.#cseq);
    if (kept === 'again') return;
    // Its outcome changes nothing: a lost PRACK is sent again by its transaction, a refused one ends with the INVITE.
    if (kept?.prack !== undefined) void this.#sendIn(kept.dialog, kept.prack);
    this.#options.listener.provisional(response, kept?.dialog);
  }

  #accept(response: SipResponse, tag: string): void {
    const acknowledged = this.#acknowledgement(response);
    const peer = this.#handle?.peer;
    if (acknowledged === undefined || peer === undefined) return this.#fail({ kind: 'response', response });
    const { dialog, ack } = acknowledged;
    this.#settled = true;
    this.#timers.clear();
    this.#winner = { tag, ack: this.#addressed(dialog, ack) };
    const acked = this.#transmit(this.#winner.ack);
    const early = this.#early.of(tag);
    const sdp = response.body === '' ? (early?.sdp ?? '') : response.body;
    // Requests of ours in the early dialog have used up numbers.
    const localCSeq = Math.max(dialog.localCSeq, early?.dialog.localCSeq ?? 0);
    this.#options.listener.answered({ dialog: { ...dialog, localCSeq }, response, peer, sdp, acked });
  }

  /** RFC 3261 §13.2.2.4: a further 2xx is another phone that was picked up: ACK it, then hang it up. */
  async #dismiss(response: SipResponse, tag: string): Promise<void> {
    const known = this.#dismissed.get(tag);
    if (known !== undefined) return this.#transmit(known);
    const acknowledged = this.#acknowledgement(response);
    if (acknowledged === undefined) return;
    const { dialog, ack } = acknowledged;
    const outgoing = this.#addressed(dialog, ack);
    this.#dismissed.set(tag, outgoing);
    await this.#transmit(outgoing);
    const [, bye] = requestIn(dialog, 'BYE');
    await this.#sendIn(dialog, bye);
  }

  async #sendIn(dialog: Dialog, bare: SipRequest): Promise<void> {
    const { endpoint, localAddress } = this.#options;
    const request = this.#signed(bare);
    endpoint.request(request, await this.#peerOf(dialog), localAddress, NOBODY);
  }

  #signed(request: SipRequest): SipRequest {
    const credentials = this.#options.authorization?.headersFor(request) ?? [];
    return { ...request, headers: [...request.headers, ...credentials] };
  }

  #acknowledgement(response: SipResponse): { dialog: Dialog; ack: SipRequest } | undefined {
    const invite = this.#handle?.request;
    const dialog = invite === undefined ? undefined : dialogOfUac(invite, response);
    if (invite === undefined || dialog === undefined) return undefined;
    return { dialog, ack: ackRequest(invite, dialog) };
  }

  #sendCancel(): void {
    const handle = this.#handle;
    if (handle === undefined || this.#cancelSent) return;
    this.#cancelSent = true;
    const { request, peer } = handle;
    const via = headerList(request, 'Via')[0] ?? '';
    const { endpoint, localAddress } = this.#options;
    endpoint.request(cancelRequest(request), peer, localAddress, this.#cancelListener(), { via });
    // §9.1: without a final response after 64 × T1 the INVITE counts as canceled, and its transaction is destroyed.
    this.#timers.start('canceled', transactionMs(endpoint.timers), () => this.#abandon({ kind: 'timeout' }));
  }

  /**
   * 481: there is nothing to cancel (any more). A final response to the INVITE may be on its way all the same;
   * that of an adopted INVITE may also go where the earlier process was, so that the word of the CANCEL counts.
   */
  #cancelListener(): ClientListener {
    const { t1Ms, t4Ms } = this.#options.endpoint.timers;
    const response = ({ status }: SipResponse): void => {
      if (status !== 481 && !(this.#adopted && status >= 200)) return;
      this.#timers.start('canceled', this.#adopted ? 2 * t1Ms : t4Ms, () => this.#abandon({ kind: 'gone' }));
    };
    return { ...NOBODY, response };
  }

  /**
   * An INVITE that has had a provisional response has no timer of its own that would end it. A phone whose answer found
   * nobody sends it again, seconds later as it may be: it is hung up then.
   */
  #abandon(failure: InviteFailure): void {
    if (failure.kind === 'gone') this.#handle?.linger();
    else this.#handle?.forget();
    this.#fail(failure);
  }

  #fail(failure: InviteFailure): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#timers.clear();
    this.#options.listener.failed(failure);
  }

  #peerOf(dialog: Dialog): Promise<Peer> {
    return peerFor(dialog, this.#handle?.peer ?? (this.#peers[0] as Peer));
  }

  async #addressed(dialog: Dialog, ack: SipRequest): Promise<Outgoing> {
    const { endpoint, localAddress } = this.#options;
    const peer = await this.#peerOf(dialog);
    return {
      peer,
      request: { ...ack, headers: [['Via', endpoint.newVia(peer, localAddress)], ...ack.headers] },
    };
  }

  /** Never rejects: a lost ACK brings the 2xx again, and with it another ACK. */
  async #transmit(outgoing: Promise<Outgoing>): Promise<void> {
    try {
      const { request, peer } = await outgoing;
      await this.#options.endpoint.transmit(request, peer);
    } catch {
      // Said above.
    }
  }
}
