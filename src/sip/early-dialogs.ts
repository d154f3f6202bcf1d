import { type Dialog, dialogOfUac, receiveIn, requestIn } from './dialog.ts';
import { parseNumber, tagOf } from './header.ts';
import { hasToken, header, type SipRequest, type SipResponse } from './message.ts';
import { responseTo } from './response.ts';
import type { ServerHandle } from './server-transactions.ts';

/** Phones that one INVITE may ring at the same time, as far as each is kept apart: more are no call but a flood. */
const MAX_FORKS = 64;

interface EarlyDialog {
  dialog: Dialog;
  /** Of the last reliable response; -1 before the first one. */
  rseq: number;
  /** The description that a reliable response brought; '' where none did. */
  sdp: string;
}

/** A provisional response that was not seen before, and the PRACK that it asks for (RFC 3262 §4). */
interface Kept {
  readonly dialog: Dialog;
  readonly prack?: SipRequest;
}

/** The early dialogs of one INVITE, one for each phone that answers provisionally (RFC 3261 §12.1.2). */
export class EarlyDialogs {
  readonly #contact: string;
  readonly #byTag = new Map<string, EarlyDialog>();

  /** @param contact ours, `<sip:…>` */
  constructor(contact: string) {
    this.#contact = contact;
  }

  get size(): number {
    return this.#byTag.size;
  }

  /** What is known of the phone that answers with this tag. */
  of(tag: string): Readonly<Pick<EarlyDialog, 'dialog' | 'sdp'>> | undefined {
    return this.#byTag.get(tag);
  }

  /** The next INVITE makes its own. */
  clear(): void {
    this.#byTag.clear();
  }

  /**
   * Keeps the dialog that a provisional response makes or belongs to.
   *
   * @returns undefined where it makes none, 'again' for a reliable response that was seen before, or that comes too early
   */
  keep(invite: SipRequest, response: SipResponse, cseq: number): Kept | 'again' | undefined {
    const tag = tagOf(response, 'To');
    const made = tag === '' ? undefined : dialogOfUac(invite, response);
    if (made === undefined || (this.#byTag.size >= MAX_FORKS && !this.#byTag.has(tag))) return undefined;
    const early = this.#byTag.get(tag) ?? { dialog: made, rseq: -1, sdp: '' };
    this.#byTag.set(tag, early);
    const rseq = parseNumber(header(response, 'RSeq'));
    if (!hasToken(response, 'Require', '100rel') || rseq === undefined) return { dialog: early.dialog };
    if (early.rseq !== -1 && rseq !== early.rseq + 1) return 'again';
    early.rseq = rseq;
    if (response.body !== '') early.sdp = response.body;
    const headers = [['RAck', `${rseq} ${cseq} INVITE`]] as const;
    const [dialog, prack] = requestIn(early.dialog, 'PRACK', { headers });
    early.dialog = dialog;
    return { dialog, prack };
  }

  /** Whether a request of the peer is for one of these dialogs; it is answered then (RFC 3311 §5.2). */
  request(handle: ServerHandle): boolean {
    const early = this.#byTag.get(tagOf(handle.request, 'From'));
    const received = early === undefined ? undefined : receiveIn(early.dialog, handle.request);
    if (early === undefined || received?.kind !== 'in_order') return false;
    early.dialog = received.dialog;
    const { method, body } = handle.request;
    // A new offer before the answer is refused for now (RFC 3311 §5.2): nothing is played before it anyway.
    if (method === 'UPDATE')
      handle.respond(
        responseTo(handle.request, body === '' ? 200 : 491, { headers: [['Contact', this.#contact]] }),
      );
    else if (method === 'INFO' || method === 'OPTIONS') handle.respond(responseTo(handle.request, 200));
    else return false;
    return true;
  }
}
