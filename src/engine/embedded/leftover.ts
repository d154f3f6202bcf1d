import { Authorization } from '../../sip/authorization.ts';
import type { Dialog } from '../../sip/dialog.ts';
import type { SipEndpoint } from '../../sip/endpoint.ts';
import { Invite, type InviteFailure } from '../../sip/invite.ts';
import type { SentInvite } from '../../sip/invite-request.ts';
import { header } from '../../sip/message.ts';
import { Session } from '../../sip/session.ts';
import type { Peer } from '../../sip/transport.ts';
import type { DigestCredentials, Leftover, TlsTerms } from '../engine.ts';

/** Before the answer: every INVITE that may be under way, and the early dialogs that are known. */
interface Inviting {
  readonly stage: 'inviting';
  readonly invites: readonly SentInvite[];
  readonly dialogs: readonly Dialog[];
  readonly peer: Peer;
}

/** After the answer: the dialog, and where its INVITE went. */
interface Up {
  readonly stage: 'up';
  readonly dialog: Dialog;
  readonly peer: Peer;
}

type Remains = Inviting | Up;

export function invitingLeftover(
  invites: readonly SentInvite[],
  dialogs: readonly Dialog[],
  peer: Peer,
): Leftover {
  const remains: Inviting = { stage: 'inviting', invites, dialogs, peer };
  return { ...remains };
}

export function upLeftover(dialog: Dialog, peer: Peer): Leftover {
  const remains: Up = { stage: 'up', dialog, peer };
  return { ...remains };
}

/** Room for the requests that the earlier process sent after it wrote the dialog down. */
const CSEQ_HEADROOM = 100;

/** Ends what an earlier process left up; true when the far end said that it is over. */
export async function endLeftover(
  endpoint: SipEndpoint,
  leftover: Leftover,
  credentials: DigestCredentials | undefined,
  tls: TlsTerms = {},
): Promise<boolean> {
  if (!isRemains(leftover)) return false;
  const remains = { ...leftover, peer: endpoint.securedAgain(leftover.peer, tls) };
  const localAddress = await endpoint.localAddress(remains.peer);
  const authorization = () => (credentials === undefined ? undefined : new Authorization(credentials));
  const hangUp = (dialog: Dialog, after?: Promise<void>): Promise<boolean> => {
    const later = { ...dialog, localCSeq: dialog.localCSeq + CSEQ_HEADROOM };
    const session = new Session({
      endpoint,
      dialog: later,
      peer: remains.peer,
      localAddress,
      contact: '',
      authorization: authorization(),
      listener: SILENT,
      ...(after === undefined ? {} : { after }),
    });
    return session.bye();
  };
  if (remains.stage === 'up') return hangUp(remains.dialog);
  const said = await Promise.all(
    remains.invites.map((sent) => {
      const secured = { ...sent, peer: endpoint.securedAgain(sent.peer, tls) };
      return cancelLeft(endpoint, secured, localAddress, hangUp);
    }),
  );
  if (said.includes('ended')) return true;
  // Nobody knows the INVITE any more: it may have been answered in the last moment that was not written down.
  const gone = await Promise.all(remains.dialogs.map((dialog) => hangUp(dialog)));
  return said.includes('gone') || gone.includes(true);
}

function isRemains(leftover: Leftover): leftover is Leftover & Remains {
  return leftover['stage'] === 'inviting' || leftover['stage'] === 'up';
}

const SILENT = {
  offer: () => undefined,
  currentOffer: () => '',
  answer: () => {},
  bye: () => {},
  lost: () => {},
};

/** Cancels one INVITE of an earlier process; an answer that crosses the CANCEL is hung up. */
function cancelLeft(
  endpoint: SipEndpoint,
  sent: SentInvite,
  localAddress: string,
  hangUp: (dialog: Dialog, after?: Promise<void>) => Promise<boolean>,
): Promise<'ended' | 'gone' | 'silent'> {
  const { request, peer } = sent;
  return new Promise((resolve) => {
    const invite = new Invite({
      endpoint,
      localAddress,
      requestUri: request.uri,
      from: header(request, 'From') ?? '',
      to: header(request, 'To') ?? '',
      callId: header(request, 'Call-ID') ?? '',
      contact: header(request, 'Contact') ?? '',
      headers: [],
      offer: '',
      peers: [peer],
      listener: {
        provisional: () => {},
        answered: ({ dialog, acked }) => void hangUp(dialog, acked).then(() => resolve('ended')),
        failed: (failure) => resolve(wayOf(failure)),
      },
    });
    invite.adopt(sent);
    invite.cancel();
  });
}

function wayOf(failure: InviteFailure): 'ended' | 'gone' | 'silent' {
  if (failure.kind === 'response') return 'ended';
  return failure.kind === 'gone' ? 'gone' : 'silent';
}
