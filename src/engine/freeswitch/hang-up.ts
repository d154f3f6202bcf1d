import { Authorization } from '../../sip/authorization.ts';
import { type Dialog, requestIn } from '../../sip/dialog.ts';
import type { SipResponse } from '../../sip/message.ts';
import { peerFor } from '../../sip/session.ts';
import type { Peer } from '../../sip/transport.ts';
import type { DigestCredentials } from '../engine.ts';
import { type DrachtioConnection, DrachtioError } from './drachtio-connection.ts';
import { listed, spelledApart } from './invite-headers.ts';
import { proxyUri } from './phone-invite.ts';

/** The phone's leg as a later process needs it too. */
export interface PhoneLeg {
  /** What drachtio calls the dialog. */
  readonly dialogId: string;
  readonly dialog: Dialog;
  /** Where its INVITE went. */
  readonly peer: Peer;
}

/**
 * `ended`: the phone's side took our BYE. `over`: it knew nothing of the call any more. `silent`: nothing is
 * known, since nobody answered.
 */
export type HangUp = 'ended' | 'over' | 'silent';

/** Room for the requests that drachtio sent of its own, to refresh the session. */
const CSEQ_HEADROOM = 100;
const MAX_TRIES = 4;

/**
 * Says BYE by whatever connection to the same drachtio server stands: by its dialog, which outlives the
 * connection that made it, or, where drachtio was restarted and knows none, as a request built from what we
 * know ourselves. Never rejects.
 *
 * @param connect the connection, waited for as long as somebody wants to wait; undefined when there is none
 */
export async function hangUp(
  leg: PhoneLeg,
  connect: () => Promise<DrachtioConnection | undefined>,
  authorization: Authorization | undefined,
): Promise<HangUp> {
  let outside = false;
  let asked = false;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const connection = await connect();
    if (connection === undefined) return 'silent';
    try {
      const response = await sendBye(leg, connection, authorization, outside);
      const { status } = response;
      if ((status === 401 || status === 407) && authorization?.challenged(response) === true) continue;
      if (status < 300) return 'ended';
      if (status === 408) return 'silent';
      // An earlier BYE of ours may have left before its connection was lost.
      return asked ? 'ended' : 'over';
    } catch (error) {
      if (!(error instanceof DrachtioError)) return 'silent';
      if (error.kind === 'refused' || error.kind === 'silent') return 'silent';
      // Outside of a dialog, `gone` alone is left; the next turn waits for another connection.
      outside ||= error.kind === 'no_dialog';
      asked ||= error.kind === 'gone';
    }
  }
  return 'silent';
}

async function sendBye(
  { dialogId, dialog, peer }: PhoneLeg,
  connection: DrachtioConnection,
  authorization: Authorization | undefined,
  outside: boolean,
): Promise<SipResponse> {
  const later = { ...dialog, localCSeq: dialog.localCSeq + CSEQ_HEADROOM };
  const [, bye] = requestIn(later, 'BYE');
  const credentials = authorization?.headersFor(bye) ?? [];
  if (!outside) {
    const headers = Object.fromEntries(spelledApart(credentials));
    return connection.request({ method: 'BYE', uri: 'sip:placeholder', stackDialogId: dialogId, headers });
  }
  const kept = bye.headers.filter(([name]) => name !== 'Max-Forwards');
  const proxy = proxyUri(await peerFor(dialog, peer));
  const headers = Object.fromEntries([...listed(kept), ...spelledApart(credentials)]);
  return connection.request({ method: 'BYE', uri: bye.uri, proxy, headers });
}

export function authorizationOf(credentials: DigestCredentials | undefined): Authorization | undefined {
  return credentials === undefined ? undefined : new Authorization(credentials);
}
