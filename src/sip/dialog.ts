/** Dialogs (RFC 3261 §12) as data: what is needed to send a request in one, and to judge one that came. */
import { contactUri, parseCSeq, parseNameAddress } from './header.ts';
import { header, headerList, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { parseUri } from './uri.ts';

export interface Dialog {
  readonly callId: string;
  /** Our From (as UAC) or To (as UAS), whole, with its tag. */
  readonly local: string;
  readonly remote: string;
  readonly localTag: string;
  /** Empty for peers of RFC 2543. */
  readonly remoteTag: string;
  readonly remoteTarget: string;
  /** `<sip:…;lr>` values in the order in which a request of ours passes them. */
  readonly routeSet: readonly string[];
  readonly localCSeq: number;
  /** Undefined until the peer sent a request. */
  readonly remoteCSeq: number | undefined;
}

const tag = (value: string): string => parseNameAddress(value)?.params.get('tag') ?? '';

/** The dialog that a response to our INVITE makes, early or confirmed (§12.1.2); undefined where it makes none. */
export function dialogOfUac(invite: SipRequest, response: SipResponse): Dialog | undefined {
  const local = header(invite, 'From') ?? '';
  const remote = header(response, 'To') ?? '';
  // A 2xx has to have a Contact (§12.1.1); without one, the address that was dialled is the best guess.
  const remoteTarget = contactUri(response) ?? (response.status >= 200 ? invite.uri : undefined);
  const cseq = parseCSeq(header(invite, 'CSeq'));
  if (remoteTarget === undefined || cseq === undefined) return undefined;
  return {
    callId: header(invite, 'Call-ID') ?? '',
    local,
    remote,
    localTag: tag(local),
    remoteTag: tag(remote),
    remoteTarget,
    routeSet: headerList(response, 'Record-Route').toReversed(),
    localCSeq: cseq.number,
    remoteCSeq: undefined,
  };
}

/** The dialog that our answer to an INVITE makes (§12.1.1). */
export function dialogOfUas(invite: SipRequest, localTag: string): Dialog | undefined {
  const remoteTarget = contactUri(invite);
  const cseq = parseCSeq(header(invite, 'CSeq'));
  if (remoteTarget === undefined || cseq === undefined) return undefined;
  const remote = header(invite, 'From') ?? '';
  return {
    callId: header(invite, 'Call-ID') ?? '',
    local: `${header(invite, 'To') ?? ''};tag=${localTag}`,
    remote,
    localTag,
    remoteTag: tag(remote),
    remoteTarget,
    routeSet: headerList(invite, 'Record-Route'),
    localCSeq: 0,
    remoteCSeq: cseq.number,
  };
}

/** A new request in the dialog and the dialog after it (§12.2.1.1). An ACK to a 2xx takes the number of its INVITE. */
export function requestIn(
  dialog: Dialog,
  method: string,
  parts: { readonly headers?: readonly SipHeader[]; readonly body?: string; readonly ackFor?: number } = {},
): [Dialog, SipRequest] {
  const number = parts.ackFor ?? dialog.localCSeq + 1;
  const { uri, routes } = routing(dialog);
  const headers: SipHeader[] = [
    ...routes.map((route): SipHeader => ['Route', route]),
    ['Max-Forwards', '70'],
    ['From', dialog.local],
    ['To', dialog.remote],
    ['Call-ID', dialog.callId],
    ['CSeq', `${number} ${method}`],
    ...(parts.headers ?? []),
  ];
  const next = parts.ackFor === undefined ? { ...dialog, localCSeq: number } : dialog;
  return [next, { kind: 'request', method, uri, headers, body: parts.body ?? '' }];
}

/** Loose routing by `lr`; otherwise the first route becomes the Request-URI (§12.2.1.1, strict routing). */
function routing(dialog: Dialog): { uri: string; routes: readonly string[] } {
  const [first] = dialog.routeSet;
  const firstUri = first === undefined ? undefined : parseNameAddress(first)?.uri;
  if (firstUri === undefined || parseUri(firstUri)?.params.has('lr'))
    return { uri: dialog.remoteTarget, routes: dialog.routeSet };
  return { uri: firstUri, routes: [...dialog.routeSet.slice(1), `<${dialog.remoteTarget}>`] };
}

/** The URI that the next request is sent to: the first route, or the remote target (§12.2.1.1, §8.1.2). */
export function nextHopUri(dialog: Dialog): string {
  const [first] = dialog.routeSet;
  return (first === undefined ? undefined : parseNameAddress(first)?.uri) ?? dialog.remoteTarget;
}

export type Received =
  | { readonly kind: 'in_order'; readonly dialog: Dialog }
  /** A number lower than one seen before: to be answered with 500 (§12.2.2). */
  | { readonly kind: 'out_of_order' }
  /** The tags are not those of this dialog: to be answered with 481. */
  | { readonly kind: 'foreign' };

/** Judges a request that came for the dialog; a target refresh (INVITE, UPDATE) moves the remote target. */
export function receiveIn(dialog: Dialog, request: SipRequest): Received {
  if (tag(header(request, 'To') ?? '') !== dialog.localTag) return { kind: 'foreign' };
  if (dialog.remoteTag !== '' && tag(header(request, 'From') ?? '') !== dialog.remoteTag)
    return { kind: 'foreign' };
  const number = parseCSeq(header(request, 'CSeq'))?.number ?? 0;
  if (request.method === 'ACK' || request.method === 'CANCEL') return { kind: 'in_order', dialog };
  if (dialog.remoteCSeq !== undefined && number < dialog.remoteCSeq) return { kind: 'out_of_order' };
  const refresh = request.method === 'INVITE' || request.method === 'UPDATE';
  const target = refresh ? contactUri(request) : undefined;
  return {
    kind: 'in_order',
    dialog: { ...dialog, remoteCSeq: number, remoteTarget: target ?? dialog.remoteTarget },
  };
}
