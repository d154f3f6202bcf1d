import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authorization } from '../../sip/authorization.ts';
import { nextHopUri } from '../../sip/dialog.ts';
import { parseSessionExpires } from '../../sip/header.ts';
import { answerInfo, type InfoKey } from '../../sip/info.ts';
import { header, parseMessage, type SipMessage, type SipRequest } from '../../sip/message.ts';
import { ALLOW } from '../../sip/session.ts';
import { parseUri } from '../../sip/uri.ts';
import type { DrachtioConnection } from './drachtio-connection.ts';
import { type HangUp, hangUp, type PhoneLeg } from './hang-up.ts';
import { spelledApart } from './invite-headers.ts';
import {
  type SrfAnswer,
  type SrfDialog,
  type SrfMessage,
  type SrfRequest,
  sendBadInfoPackage,
} from './srf.ts';

export interface PhoneSessionListener {
  /** A new offer: our answer, or undefined where nothing in it can be used (488). */
  offer(sdp: string): string | undefined;
  /** The phone wants our offer: the current description. */
  currentOffer(): string;
  /** The answer to it. */
  answer(sdp: string): void;
  bye(request: SipRequest | undefined): void;
  /** A key was pressed: the phone tells it in SIP INFO. */
  key(key: InfoKey): void;
  /** drachtio ended the dialog itself: no refresh came, or our CANCEL had crossed the answer. */
  lost(why: 'session_expired' | 'crossed_cancel' | 'gone'): void;
}

export interface PhoneSessionOptions {
  readonly leg: PhoneLeg;
  readonly srfDialog: SrfDialog;
  /** The connection that made the dialog. */
  readonly connection: DrachtioConnection;
  /** Any connection to the same drachtio server, waited for. */
  readonly connect: () => Promise<DrachtioConnection | undefined>;
  readonly authorization: Authorization | undefined;
  readonly listener: PhoneSessionListener;
}

/** A confirmed dialog with the phone, as drachtio carries it. */
export class PhoneSession {
  readonly #options: PhoneSessionOptions;
  #answerAwaited = false;
  #inviting = false;
  #over = false;
  /** drachtio refreshes the session (RFC 4028). */
  #weRefresh: boolean;
  #bye: Promise<HangUp> | undefined;

  constructor(options: PhoneSessionOptions) {
    this.#options = options;
    const { srfDialog } = options;
    const agreed = sessionExpires(parsed(srfDialog.res));
    this.#weRefresh = agreed !== undefined && agreed.refresher !== 'uas';
    srfDialog.on('destroy', (request, reason) => this.#destroyed(request, reason));
    srfDialog.on('modify', (request, answer) => this.#reinvite(request, answer));
    srfDialog.on('ack', ({ body }) => this.#acked(body));
    srfDialog.on('update', (request, answer) => this.#update(request, answer));
    srfDialog.on('info', (request, answer) => this.#info(request, answer));
    srfDialog.on('options', (_request, answer) => answer.send(200, { headers: { Allow: ALLOW } }));
  }

  /** Hangs up; once, whoever asks. Never rejects. */
  bye(): Promise<HangUp> {
    this.#bye ??= this.#sayBye();
    return this.#bye;
  }

  /** Says the BYE that nobody could be asked to send, once there is a connection again. Never rejects. */
  async byeLater(connect: () => Promise<DrachtioConnection | undefined>): Promise<void> {
    await hangUp(this.#options.leg, connect, this.#options.authorization);
  }

  /** Offers a new description and gives the answer. Rejects when the phone refuses it, or cannot be reached. */
  async reinvite(offer: string): Promise<string> {
    const { leg, srfDialog, connection, authorization } = this.#options;
    const { remoteTarget: uri } = leg.dialog;
    if (/^a=crypto:/m.test(offer) && mayLeavePlain(leg))
      throw new Error('the phone gave an address without TLS, and keys are not sent there');
    for (let tries = 0; ; tries++) {
      this.#inviting = true;
      const credentials = authorization?.headersFor({ method: 'INVITE', uri, body: offer }) ?? [];
      const headers = Object.fromEntries([
        ['Contact', srfDialog.local.contact],
        ...spelledApart(credentials),
      ]);
      const response = await connection
        .request({
          method: 'INVITE',
          uri: 'sip:placeholder',
          stackDialogId: leg.dialogId,
          headers,
          body: offer,
        })
        .finally(() => {
          this.#inviting = false;
        });
      if (response.status < 300) return response.body;
      const challenged =
        (response.status === 401 || response.status === 407) && authorization?.challenged(response) === true;
      // RFC 3261 §14.1: both sides offered at once; the owner of the Call-ID waits longer.
      if (response.status === 491 && tries < 2) await sleep(randomInt(2100, 4000));
      else if (!challenged || tries >= 2)
        throw new Error(`the phone refused a re-INVITE with ${response.status}`);
      if (this.#over) throw new Error('the call is over');
    }
  }

  async #sayBye(): Promise<HangUp> {
    const { leg, connection, connect, authorization, srfDialog } = this.#options;
    if (this.#over) return 'over';
    this.#over = true;
    const result = await hangUp(leg, connect, authorization);
    connection.forget(srfDialog);
    return result;
  }

  #destroyed(request: SrfRequest, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    const { listener } = this.#options;
    if (request.source !== 'application') return listener.bye(requestOf(request));
    if (reason.includes('race')) listener.lost('crossed_cancel');
    else listener.lost(reason.includes('timer') ? 'session_expired' : 'gone');
  }

  #reinvite(request: SrfRequest, answer: SrfAnswer): void {
    // RFC 3261 §14.2: one at a time in each direction.
    if (this.#inviting) return answer.send(491);
    const { listener } = this.#options;
    const sdp = request.body === '' ? listener.currentOffer() : listener.offer(request.body);
    if (sdp === undefined) return answer.send(488);
    this.#answerAwaited = request.body === '';
    answer.send(200, {
      body: sdp,
      headers: { ...this.#descriptionHeaders(), ...this.#timerHeaders(request) },
    });
  }

  #acked(body: string): void {
    if (this.#answerAwaited && body !== '') this.#options.listener.answer(body);
    this.#answerAwaited = false;
  }

  #info(message: SrfMessage, answer: SrfAnswer): void {
    const request = requestOf(message);
    if (request === undefined) return answer.send(400);
    const { status, headers: listed, key } = answerInfo(request);
    const headers = Object.fromEntries(listed);
    if (status === 469) sendBadInfoPackage(answer, headers);
    else answer.send(status, { headers });
    if (key !== undefined) this.#options.listener.key(key);
  }

  #update(request: SrfRequest, answer: SrfAnswer): void {
    const headers = this.#descriptionHeaders();
    const timer = this.#timerHeaders(request);
    if (request.body === '') return answer.send(200, { headers: { Contact: headers.Contact, ...timer } });
    if (this.#inviting || this.#answerAwaited) return answer.send(491);
    const sdp = this.#options.listener.offer(request.body);
    if (sdp === undefined) return answer.send(488);
    answer.send(200, { body: sdp, headers: { ...headers, ...timer } });
  }

  /**
   * RFC 4028 §9: the interval that the phone asks for. drachtio has set its timer by it, and where the phone does
   * not say who refreshes, to the side that did not do so before.
   */
  #timerHeaders(request: SrfMessage): Record<string, string> {
    const interval = sessionExpires(parsed(request));
    const refresher = interval?.refresher ?? (this.#weRefresh ? 'uac' : 'uas');
    this.#weRefresh = interval !== undefined && refresher === 'uas';
    return interval === undefined
      ? {}
      : { 'Session-Expires': `${interval.seconds};refresher=${refresher}`, Require: 'timer' };
  }

  #descriptionHeaders(): { Contact: string; Allow: string; 'Content-Type': string } {
    return {
      Contact: this.#options.srfDialog.local.contact,
      Allow: ALLOW,
      'Content-Type': 'application/sdp',
    };
  }
}

/**
 * Whether a request in this dialog, which began over TLS, could leave in the clear: drachtio sends it over the connection
 * that is there, and where that is gone it goes by the address alone, whatever it is told.
 */
function mayLeavePlain({ dialog, peer }: PhoneLeg): boolean {
  const next = parseUri(nextHopUri(dialog));
  const asks = next?.scheme === 'sips' || next?.params.get('transport')?.toLowerCase() === 'tls';
  return peer.transport === 'tls' && !asks;
}

function requestOf(message: SrfMessage): SipRequest | undefined {
  const request = parsed(message);
  return request?.kind === 'request' ? request : undefined;
}

function parsed(message: SrfMessage): SipMessage | undefined {
  const read = parseMessage(Buffer.from(message.msg.raw ?? '', 'utf8'));
  return read.kind === 'request' || read.kind === 'response' ? read : undefined;
}

function sessionExpires(message: SipMessage | undefined): ReturnType<typeof parseSessionExpires> {
  return message === undefined ? undefined : parseSessionExpires(header(message, 'Session-Expires'));
}
