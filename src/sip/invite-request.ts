/** The requests around an INVITE, as data. */
import { type Dialog, requestIn } from './dialog.ts';
import { parseCSeq } from './header.ts';
import { header, type SipHeader, type SipRequest } from './message.ts';
import type { Peer } from './transport.ts';

export interface InviteParts {
  readonly requestUri: string;
  /** From with its tag, and To, as header values. */
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  /** `<sip:…>` */
  readonly contact: string;
  readonly headers: readonly SipHeader[];
  readonly offer: string;
}

/** An INVITE without Via and without credentials. */
export function inviteRequest(
  parts: InviteParts,
  cseq: number,
  sessionInterval: number | undefined,
): SipRequest {
  const interval: SipHeader[] =
    sessionInterval === undefined
      ? []
      : [
          ['Session-Expires', String(sessionInterval)],
          ['Min-SE', String(sessionInterval)],
        ];
  return {
    kind: 'request',
    method: 'INVITE',
    uri: parts.requestUri,
    headers: [
      ['Max-Forwards', '70'],
      ['From', parts.from],
      ['To', parts.to],
      ['Call-ID', parts.callId],
      ['CSeq', `${cseq} INVITE`],
      ['Contact', parts.contact],
      ...parts.headers,
      ...interval,
      ['Content-Type', 'application/sdp'],
    ],
    body: parts.offer,
  };
}

/** The CANCEL of an INVITE (RFC 3261 §9.1), without its Via. */
export function cancelRequest(invite: SipRequest): SipRequest {
  const keep = new Set(['Max-Forwards', 'From', 'To', 'Call-ID', 'Route']);
  const number = parseCSeq(header(invite, 'CSeq'))?.number ?? 0;
  return {
    kind: 'request',
    method: 'CANCEL',
    uri: invite.uri,
    headers: [...invite.headers.filter(([name]) => keep.has(name)), ['CSeq', `${number} CANCEL`]],
    body: '',
  };
}

/** The ACK of a 2xx in the dialog that it made, without its Via. §22.1 and §13.2.2.4: it carries the credentials of the INVITE. */
export function ackRequest(invite: SipRequest, dialog: Dialog): SipRequest {
  const headers = invite.headers.filter(
    ([name]) => name === 'Authorization' || name === 'Proxy-Authorization',
  );
  const [, ack] = requestIn(dialog, 'ACK', { ackFor: dialog.localCSeq, headers });
  return ack;
}

/** An INVITE that left, or may leave: enough to cancel it in a later process. JSON, without credentials. */
export interface SentInvite {
  readonly request: SipRequest;
  readonly peer: Peer;
}

const NOT_KEPT = new Set(['Authorization', 'Proxy-Authorization', 'Content-Type']);

export function sentInvite(request: SipRequest, peer: Peer): SentInvite {
  return {
    request: { ...request, headers: request.headers.filter(([name]) => !NOT_KEPT.has(name)), body: '' },
    peer,
  };
}
