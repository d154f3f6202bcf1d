import type { Authorization } from './authorization.ts';
import { type Dialog, nextHopUri, receiveIn, requestIn } from './dialog.ts';
import type { SipEndpoint } from './endpoint.ts';
import { contactUri, parseCSeq, parseSessionExpires } from './header.ts';
import { answerInfo, type InfoKey } from './info.ts';
import { hasToken, header, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { ReliableAnswer } from './reliable-answer.ts';
import { resolveDestination } from './resolver.ts';
import { responseTo } from './response.ts';
import type { ServerHandle } from './server-transactions.ts';
import { SessionTimer } from './session-timer.ts';
import type { Peer } from './transport.ts';
import { parseUri } from './uri.ts';

/** The methods that a session answers, for Allow. */
export const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO';

/** What the owner of a session decides. */
export interface SessionListener {
  /** A new offer: our answer, or undefined where nothing in it can be used (488). */
  offer(sdp: string): string | undefined;
  /** The peer wants our offer: the current description. */
  currentOffer(): string;
  /** The answer to it. */
  answer(sdp: string): void;
  /** The peer hung up. */
  bye(request: SipRequest): void;
  /** The dialog is gone without a BYE: no ACK, no refresh, or 481 to a request of ours. BYE was sent where it makes sense. */
  lost(why: 'no_ack' | 'session_expired' | 'gone'): void;
  /** A key was pressed: the peer tells it in SIP INFO. */
  key?(key: InfoKey): void;
}

export interface SessionOptions {
  readonly endpoint: SipEndpoint;
  readonly dialog: Dialog;
  /** Where the INVITE went or came from: the transport for what follows, and the fallback address. */
  readonly peer: Peer;
  readonly localAddress: string;
  /** Our Contact, `<sip:…>`. */
  readonly contact: string;
  readonly authorization?: Authorization | undefined;
  readonly listener: SessionListener;
  /** Requests of ours wait for it: the ACK of the INVITE, which must be first. */
  readonly after?: Promise<unknown>;
}

/** What became of a request in the dialog. */
export type Answered = { readonly response: SipResponse } | { readonly silence: true };

/** A confirmed dialog: sends requests in it, and answers the peer's (RFC 3261 §12.2, RFC 3311, RFC 4028). */
export class Session {
  readonly #options: SessionOptions;
  readonly #timer: SessionTimer;
  readonly #answers = new Set<ReliableAnswer>();
  #dialog: Dialog;
  #inviting = false;
  #ended = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#dialog = options.dialog;
    this.#timer = new SessionTimer({
      refresh: () => void this.#refresh(),
      expired: () => void this.bye().then(() => options.listener.lost('session_expired')),
    });
  }

  get dialog(): Dialog {
    return this.#dialog;
  }

  /** Reads Session-Expires of the response that confirmed the dialog (RFC 4028 §7.2); we are its UAC. */
  obeySessionTimer(response: SipResponse): void {
    const interval = parseSessionExpires(header(response, 'Session-Expires'));
    if (interval === undefined) return;
    this.#allowsUpdate = hasToken(response, 'Allow', 'update');
    this.#timer.start(interval.seconds, interval.refresher === 'uac');
  }

  #allowsUpdate = false;

  /**
   * Sends a request and waits for its final response; a challenge is answered once.
   *
   * @param left hears when it leaves, which may be after a look-up
   */
  async send(
    method: string,
    parts: { headers?: readonly SipHeader[]; body?: string } = {},
    left: () => void = () => {},
  ): Promise<Answered> {
    const first = await this.#attempt(method, parts, left);
    if (!('response' in first) || (first.response.status !== 401 && first.response.status !== 407))
      return first;
    if (this.#options.authorization?.challenged(first.response) !== true) return first;
    return this.#attempt(method, parts);
  }

  /** Hangs up. True: the peer answered, whatever it said. Further calls do nothing. `left` is that of `send`. */
  async bye(left?: () => void): Promise<boolean> {
    if (this.#ended) return true;
    this.#end();
    return 'response' in (await this.send('BYE', {}, left));
  }

  /** Stops all timers, without a word to the peer. */
  close(): void {
    this.#end();
  }

  /** Answers an INVITE of the peer with this 2xx and sends it again until the ACK comes (RFC 3261 §13.3.1.4). */
  answerInvite(handle: ServerHandle, response: SipResponse, acked: (ack: SipRequest) => void): void {
    const answer = new ReliableAnswer(handle, response, this.#options.endpoint.timers, {
      acked: (ack) => {
        this.#answers.delete(answer);
        acked(ack);
      },
      timeout: () => {
        this.#answers.delete(answer);
        void this.bye().then(() => this.#options.listener.lost('no_ack'));
      },
    });
    this.#answers.add(answer);
  }

  /** The ACK to a 2xx of ours. */
  ack(request: SipRequest): void {
    for (const answer of this.#answers) answer.ack(request);
  }

  /** Answers a request of the peer in this dialog. */
  request(handle: ServerHandle): void {
    const { request } = handle;
    const received = receiveIn(this.#dialog, request);
    if (received.kind === 'foreign' || this.#ended)
      return this.#respond(handle, request.method === 'BYE' && this.#ended ? 200 : 481);
    if (received.kind === 'out_of_order') return this.#respond(handle, 500);
    this.#dialog = received.dialog;
    switch (request.method) {
      case 'BYE':
        this.#respond(handle, 200);
        this.#end();
        return this.#options.listener.bye(request);
      case 'INVITE':
        return this.#reinvite(handle);
      case 'UPDATE':
        return this.#update(handle);
      case 'INFO':
        return this.#info(handle);
      case 'OPTIONS':
        return this.#respond(handle, 200, [['Allow', ALLOW]]);
      case 'PRACK':
        return this.#respond(handle, 481);
      default:
        return this.#respond(handle, 405, [['Allow', ALLOW]]);
    }
  }

  #reinvite(handle: ServerHandle): void {
    // RFC 3261 §14.2: one at a time in each direction.
    if (this.#inviting) return this.#respond(handle, 491);
    if (this.#answers.size > 0) return this.#respond(handle, 500, [['Retry-After', '1']]);
    const { request } = handle;
    const offered = request.body !== '';
    const sdp = offered ? this.#options.listener.offer(request.body) : this.#options.listener.currentOffer();
    if (sdp === undefined) return this.#respond(handle, 488);
    const response = responseTo(request, 200, {
      headers: [...this.#description(), ...this.#timerHeaders(request)],
      body: sdp,
    });
    this.answerInvite(handle, response, (ack) => {
      if (!offered && ack.body !== '') this.#options.listener.answer(ack.body);
    });
  }

  #info(handle: ServerHandle): void {
    const { status, headers, key } = answerInfo(handle.request);
    this.#respond(handle, status, headers);
    if (key !== undefined) this.#options.listener.key?.(key);
  }

  #update(handle: ServerHandle): void {
    const { request } = handle;
    const timer = this.#timerHeaders(request);
    if (request.body === '')
      return this.#respond(handle, 200, [['Contact', this.#options.contact], ...timer]);
    if (this.#inviting || this.#answers.size > 0) return this.#respond(handle, 491);
    const sdp = this.#options.listener.offer(request.body);
    if (sdp === undefined) return this.#respond(handle, 488);
    handle.respond(responseTo(request, 200, { headers: [...this.#description(), ...timer], body: sdp }));
  }

  /** RFC 4028 §9: take the interval that the peer asks for, and let it refresh unless it asks us to. */
  #timerHeaders(request: SipRequest): SipHeader[] {
    const interval = parseSessionExpires(header(request, 'Session-Expires'));
    if (interval === undefined) return [];
    const refresher = interval.refresher ?? 'uac';
    this.#allowsUpdate = hasToken(request, 'Allow', 'update');
    this.#timer.start(interval.seconds, refresher === 'uas');
    return [
      ['Session-Expires', `${interval.seconds};refresher=${refresher}`],
      ['Require', 'timer'],
    ];
  }

  async #refresh(): Promise<void> {
    const { seconds } = this.#timer;
    const timer: SipHeader[] = [
      ['Supported', 'timer'],
      ['Session-Expires', `${seconds};refresher=uac`],
    ];
    const answered = this.#allowsUpdate
      ? await this.send('UPDATE', { headers: [['Contact', this.#options.contact], ...timer] })
      : await this.send('INVITE', {
          headers: [...this.#description(), ...timer],
          body: this.#options.listener.currentOffer(),
        });
    if (this.#ended) return;
    const status = 'response' in answered ? answered.response.status : 408;
    // RFC 4028 §10, RFC 5057: 408 and 481 end the dialog; after any other refusal it lasts one more interval.
    if (status === 408 || status === 481) {
      await this.bye();
      this.#options.listener.lost('gone');
    } else this.#timer.start(seconds, status < 300);
  }

  async #attempt(
    method: string,
    parts: { headers?: readonly SipHeader[]; body?: string },
    left: () => void = () => {},
  ): Promise<Answered> {
    const { endpoint, authorization, localAddress } = this.#options;
    const [dialog, bare] = requestIn(this.#dialog, method, parts);
    this.#dialog = dialog;
    const request = { ...bare, headers: [...bare.headers, ...(authorization?.headersFor(bare) ?? [])] };
    await this.#options.after;
    const peer = await this.#nextHop();
    const invite = method === 'INVITE';
    this.#inviting ||= invite;
    let ack: SipRequest | undefined;
    left();
    return new Promise<Answered>((resolve) => {
      const settle = (answered: Answered) => {
        if (invite) this.#inviting = false;
        resolve(answered);
      };
      endpoint.request(request, peer, localAddress, {
        response: (response) => {
          if (response.status < 200) return;
          const first = ack === undefined;
          if (first && response.status < 300) this.#refreshTarget(method, response);
          if (invite && response.status < 300) {
            ack ??= this.#ackTo(request, peer);
            // A lost ACK brings the 2xx again, and with it this.
            endpoint.transmit(ack, peer).catch(() => {});
            if (first && response.body !== '') this.#options.listener.answer(response.body);
          }
          settle({ response });
        },
        timeout: () => settle({ silence: true }),
        transportError: () => settle({ silence: true }),
      });
    });
  }

  /** RFC 3261 §12.2.1.2, RFC 3311 §5.1: a 2xx to a target refresh request may name another Contact. */
  #refreshTarget(method: string, response: SipResponse): void {
    const remoteTarget = method === 'INVITE' || method === 'UPDATE' ? contactUri(response) : undefined;
    if (remoteTarget !== undefined) this.#dialog = { ...this.#dialog, remoteTarget };
  }

  /** The ACK to a 2xx, with the credentials of its INVITE (RFC 3261 §22.1). */
  #ackTo(invite: SipRequest, peer: Peer): SipRequest {
    const ackFor = parseCSeq(header(invite, 'CSeq'))?.number ?? 0;
    const headers = invite.headers.filter(
      ([name]) => name === 'Authorization' || name === 'Proxy-Authorization',
    );
    const [, ack] = requestIn(this.#dialog, 'ACK', { ackFor, headers });
    const via = this.#options.endpoint.newVia(peer, this.#options.localAddress);
    return { ...ack, headers: [['Via', via], ...ack.headers] };
  }

  async #nextHop(): Promise<Peer> {
    return peerFor(this.#dialog, this.#options.peer);
  }

  #description(): SipHeader[] {
    return [
      ['Contact', this.#options.contact],
      ['Allow', ALLOW],
      ['Content-Type', 'application/sdp'],
    ];
  }

  #respond(handle: ServerHandle, status: number, headers: readonly SipHeader[] = []): void {
    handle.respond(responseTo(handle.request, status, { headers }));
  }

  #end(): void {
    this.#ended = true;
    this.#timer.stop();
    for (const answer of this.#answers) answer.stop();
    this.#answers.clear();
  }
}

/** Where the next request of a dialog goes (RFC 3261 §12.2.1.1); `fallback` where its target leads nowhere. */
export async function peerFor(dialog: Dialog, fallback: Peer): Promise<Peer> {
  const uri = parseUri(nextHopUri(dialog));
  if (uri === undefined) return fallback;
  const named = uri.params.get('transport')?.toLowerCase();
  // What began over TLS stays there: a target that does not ask for TLS gets its requests where the INVITE went.
  if (fallback.transport === 'tls') {
    if (named !== 'tls' && uri.scheme !== 'sips') return fallback;
    const [secure] = await resolveDestination({ host: uri.host, port: uri.port, transport: 'tls' });
    if (secure === undefined) return fallback;
    return fallback.tls === undefined ? secure : { ...secure, tls: fallback.tls };
  }
  const transport = named === 'tcp' || named === 'udp' ? named : fallback.transport;
  const [peer] = await resolveDestination({ host: uri.host, port: uri.port, transport });
  return peer ?? fallback;
}
