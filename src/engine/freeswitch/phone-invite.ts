import type { Authorization } from '../../sip/authorization.ts';
import { type Dialog, dialogOfUac } from '../../sip/dialog.ts';
import { parseSessionExpires, tagOf } from '../../sip/header.ts';
import type { InviteFailure } from '../../sip/invite.ts';
import {
  header,
  parseMessage,
  type SipHeader,
  type SipRequest,
  type SipResponse,
} from '../../sip/message.ts';
import type { Peer } from '../../sip/transport.ts';
import { formatHost } from '../../sip/uri.ts';
import { type DrachtioConnection, DrachtioError, sipResponse } from './drachtio-connection.ts';
import { spelledApart } from './invite-headers.ts';
import type { SrfDialog, SrfMessage, SrfRequest, SrfResponse } from './srf.ts';

export interface PhoneAnswer {
  readonly srfDialog: SrfDialog;
  readonly dialog: Dialog;
  readonly peer: Peer;
  /** The phone's description: of the 2xx, or of a reliable provisional response before it (RFC 3262 §5). */
  readonly sdp: string;
}

export interface PhoneInviteListener {
  /** One more INVITE is due: it leaves when `leave` is called. */
  again(leave: () => void): void;
  /** An INVITE has left: the first, or one more for a challenge or another address. */
  sent(): void;
  provisional(response: SipResponse): void;
  /** Once, and then never `failed`. drachtio-srf has sent the ACK. */
  answered(answer: PhoneAnswer): void;
  /** An answer that makes no dialog, for it says no Contact: it was hung up. Once, and last. */
  unusable(detail: string): void;
  failed(failure: InviteFailure): void;
}

export interface PhoneInviteOptions {
  readonly connection: DrachtioConnection;
  readonly requestUri: string;
  /** All headers of the INVITE with this CSeq, with these ones added. */
  readonly headers: (cseq: number, added: readonly SipHeader[]) => Record<string, string>;
  readonly offer: string;
  /** In the order in which to try; at least one (RFC 3263 §4.3). */
  readonly peers: readonly Peer[];
  readonly authorization: Authorization | undefined;
  readonly listener: PhoneInviteListener;
}

/** How often an INVITE may leave again for a challenge, a stale nonce, a 422 and another address. */
const MAX_RETRIES = 4;

/**
 * The calling side of one INVITE by drachtio, until its final response. Challenges are answered here, since
 * drachtio-srf knows MD5 alone; PRACK and ACK are its own.
 */
export class PhoneInvite {
  readonly #options: PhoneInviteOptions;
  readonly #earlySdp = new Map<string, string>();
  #peers: Peer[];
  #cseq = 0;
  #retriesLeft = MAX_RETRIES;
  #sessionInterval: number | undefined;
  #request: SrfRequest | undefined;
  #invite: SipRequest | undefined;
  /** In the INVITE that is under way. */
  #credentials: readonly SipHeader[] = [];
  #provisional = false;
  /** A 180 came. */
  #rang = false;
  #cancelWanted = false;
  /** One more INVITE is due, and none is out. */
  #due = false;
  #settled = false;

  constructor(options: PhoneInviteOptions) {
    this.#options = options;
    this.#peers = [...options.peers];
  }

  /** CANCEL was asked for. */
  get canceled(): boolean {
    return this.#cancelWanted;
  }

  /** What drachtio calls the INVITE that is under way; empty until it is. */
  get transactionId(): string {
    return this.#request?.stackTxnId ?? '';
  }

  /** Sends the INVITE. */
  send(): void {
    const { connection, requestUri, offer, authorization } = this.#options;
    const [peer] = this.#peers;
    if (peer === undefined || this.#settled) return;
    this.#cseq++;
    const bare = { method: 'INVITE', uri: requestUri, body: offer };
    this.#credentials = authorization?.headersFor(bare) ?? [];
    const added = [...this.#intervalHeaders(), ...this.#credentials];
    this.#request = undefined;
    this.#provisional = false;
    connection.createUac(
      requestUri,
      { headers: this.#options.headers(this.#cseq, added), localSdp: offer, proxy: proxyUri(peer) },
      {
        cbRequest: (error, request) => {
          if (error === null || error === undefined) this.#left(request);
        },
        cbProvisional: (response) => this.#provisionalResponse(response),
      },
      (error, dialog) => this.#final(error, dialog),
    );
  }

  /** Wants the call to end before its answer. drachtio holds the CANCEL back until it may leave (RFC 3261 §9.1). */
  cancel(): void {
    if (this.#settled || this.#cancelWanted) return;
    this.#cancelWanted = true;
    if (this.#due) this.#fail({ kind: 'gone' });
    else this.#sendCancel();
  }

  #left(request: SrfRequest): void {
    this.#request = request;
    const parsed = parseMessage(Buffer.from(request.msg.raw ?? '', 'utf8'));
    if (parsed.kind === 'request') this.#invite = parsed;
    acknowledgeWith(request, this.#credentials);
    if (this.#cancelWanted) this.#sendCancel();
    this.#options.listener.sent();
  }

  #sendCancel(): void {
    const transaction = this.#request?.stackTxnId;
    if (transaction === undefined) return;
    const cancel = { method: 'CANCEL', uri: this.#options.requestUri, headers: {}, stackTxnId: transaction };
    // Refused: there is nothing to cancel any more, and the final response is on its way to us.
    this.#options.connection.tell(cancel).catch(() => undefined);
  }

  #provisionalResponse(message: SrfResponse): void {
    const response = sipResponse(message);
    if (response === undefined || this.#settled) return;
    this.#provisional = true;
    this.#rang ||= response.status === 180;
    if (header(response, 'RSeq') !== undefined && response.body !== '')
      this.#earlySdp.set(tagOf(response, 'To'), response.body);
    this.#options.listener.provisional(response);
  }

  #final(error: (Error & { res?: SrfResponse }) | null, dialog: SrfDialog | undefined): void {
    if (this.#settled) return;
    if (dialog !== undefined) return this.#accept(dialog);
    const message = error?.res;
    if (message === undefined) return this.#refused(error ?? new Error('drachtio refused the INVITE'));
    const response = sipResponse(message);
    if (response === undefined) return this.#refused(new Error('a response that cannot be read'));
    if (response.status >= 200 && response.status < 300) return this.#unusable(message);
    if (!this.#cancelWanted && this.#retries(response, message)) return;
    this.#fail(failureOf(response, message));
  }

  #accept(srfDialog: SrfDialog): void {
    const response = sipResponse(srfDialog.res);
    const dialog =
      response === undefined || this.#invite === undefined ? undefined : dialogOfUac(this.#invite, response);
    const [peer] = this.#peers;
    if (response === undefined || dialog === undefined || peer === undefined) {
      this.#options.connection.drop(srfDialog);
      return this.#unusable(srfDialog.res);
    }
    this.#settled = true;
    const sdp = response.body === '' ? (this.#earlySdp.get(dialog.remoteTag) ?? '') : response.body;
    this.#options.listener.answered({ srfDialog, dialog, peer, sdp });
  }

  /** A 2xx without Contact: drachtio-srf makes no dialog of it, and the phone is off the hook. */
  #unusable(message: SrfMessage): void {
    this.#settled = true;
    const { connection, requestUri } = this.#options;
    const bye = { method: 'BYE', uri: requestUri, headers: {}, stackDialogId: message.stackDialogId };
    connection.request(bye).catch(() => undefined);
    this.#options.listener.unusable('the answer has no Contact');
  }

  #retries(response: SipResponse, message: SrfMessage): boolean {
    const { status } = response;
    const { authorization } = this.#options;
    if ((status === 401 || status === 407) && authorization?.challenged(response) === true)
      return this.#again();
    // RFC 4028 §7.3: once, with the interval that the far end wants.
    const minimum = parseSessionExpires(header(response, 'Min-SE'))?.seconds;
    if (status === 422 && minimum !== undefined && this.#sessionInterval === undefined) {
      this.#sessionInterval = Math.min(minimum, 86_400);
      return this.#again();
    }
    // RFC 3263 §4.3: what was not sent, was not answered or got 503 goes to the next address.
    const elsewhere = status === 503 || isOurOwn(message);
    if (elsewhere && !this.#provisional && this.#peers.length > 1) {
      this.#peers.shift();
      return this.#again();
    }
    return false;
  }

  /** A phone that has rung is not rung once more for it. */
  #again(): boolean {
    if (this.#rang || this.#retriesLeft-- <= 0) return false;
    this.#earlySdp.clear();
    this.#due = true;
    this.#options.listener.again(() => {
      if (!this.#due || this.#settled) return;
      this.#due = false;
      this.send();
    });
    return true;
  }

  #intervalHeaders(): SipHeader[] {
    if (this.#sessionInterval === undefined) return [];
    const seconds = String(this.#sessionInterval);
    return [
      ['Session-Expires', seconds],
      ['Min-SE', seconds],
    ];
  }

  /** drachtio did not take the INVITE: another address may have a transport that it has. */
  #refused(error: Error): void {
    const lost = error instanceof DrachtioError && error.kind === 'gone';
    if (!lost && !this.#cancelWanted && this.#peers.length > 1) {
      this.#peers.shift();
      if (this.#again()) return;
    }
    this.#fail({ kind: 'transport', error });
  }

  #fail(failure: InviteFailure): void {
    this.#settled = true;
    this.#options.listener.failed(failure);
  }
}

/** RFC 3261 §13.2.2.4: the ACK to a 2xx has the credentials of its INVITE. drachtio-srf sends it, and leaves them out. */
function acknowledgeWith(request: SrfRequest, credentials: readonly SipHeader[]): void {
  if (credentials.length === 0) return;
  const headers = Object.fromEntries(spelledApart(credentials));
  const emit = request.emit.bind(request);
  request.emit = (event, ...parts) => {
    const [response, ack] = parts;
    if (event !== 'response' || response === undefined || ack === undefined || response.status < 200)
      return emit(event, ...parts);
    return emit(event, response, (more) => ack({ ...more, headers }));
  };
}

/** Whether drachtio made the response itself, for what could not be sent (503) or was not answered (408). */
export function isOurOwn(message: SrfMessage): boolean {
  return (message.source_address ?? '') === '';
}

function failureOf(response: SipResponse, message: SrfMessage): InviteFailure {
  if (!isOurOwn(message)) return { kind: 'response', response };
  if (response.status === 408) return { kind: 'timeout' };
  // Timer C: it was canceled after a provisional response and nothing final came.
  if (response.status === 487) return { kind: 'timeout' };
  return { kind: 'transport', error: new Error(`drachtio could not send it: ${response.reason}`) };
}

export function proxyUri({ address, port, transport }: Peer): string {
  return `sip:${formatHost(address)}:${port};transport=${transport}`;
}
