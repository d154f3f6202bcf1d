import { header } from '../../../src/sip/message.ts';
import type { OnRequest } from './raw-peer.ts';

/** How late it says so. */
const LATE_MS = 300;

/**
 * A carrier that gives an INVITE the response that the number ends with, and says late of every call that it is over: the
 * refusal, and what a BYE and a canceled INVITE get.
 */
export function lateAnswers(): OnRequest {
  const invites = new Map<string, Parameters<OnRequest>[0]>();
  return (request, peer) => {
    const callId = header(request, 'Call-ID') ?? '';
    const later = (invite: typeof request, status: number): void =>
      void setTimeout(() => peer.reply(invite, status), LATE_MS);
    if (request.method === 'BYE') later(request, 200);
    if (request.method === 'CANCEL') {
      peer.reply(request, 200);
      later(invites.get(callId) ?? request, 487);
    }
    // What is sent again is not answered again.
    if (request.method !== 'INVITE' || invites.has(callId)) return;
    invites.set(callId, request);
    const status = Number(/(\d{3})@/.exec(request.uri)?.[1]);
    if (status < 300) peer.reply(request, status);
    else later(request, status);
  };
}
