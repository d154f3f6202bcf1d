import { callInfoOf, parseNumber, parseReason } from '../../sip/header.ts';
import type { InviteFailure } from '../../sip/invite.ts';
import { header, type SipRequest, type SipResponse } from '../../sip/message.ts';
import type { LegEnd, SipResult } from '../engine.ts';

/** A final response as the outcome table wants it. */
export function resultOf(response: SipResponse): SipResult {
  const reason = parseReason(response);
  const redressUri = callInfoOf(response, 'jwscard');
  const retryAfter = parseNumber(header(response, 'Retry-After'));
  return {
    status: response.status,
    reason: response.reason,
    ...(reason.q850 === undefined ? {} : { q850: reason.q850 }),
    ...(reason.text === undefined ? {} : { reasonText: reason.text }),
    ...(redressUri === undefined ? {} : { redressUri }),
    ...(retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter }),
  };
}

/** The callee's BYE, with the Reason header that networks put there (RFC 3326). */
export function hungUpByCallee(bye: SipRequest): LegEnd {
  const { q850, text } = parseReason(bye);
  const known = q850 !== undefined || text !== undefined;
  const sip: SipResult = {
    status: 200,
    reason: 'OK',
    ...(q850 === undefined ? {} : { q850 }),
    ...(text === undefined ? {} : { reasonText: text }),
  };
  return { kind: 'hung_up', by: 'callee', why: 'peer', ...(known ? { sip } : {}) };
}

/**
 * The end of a leg that was never answered. `wanted` is the end that made us cancel it; a final response
 * other than 487 that came all the same is what really happened. A flash call that has rung has rung, whatever
 * its network says to the CANCEL: another try would ring the phone twice.
 */
export function unanswered(failure: InviteFailure, wanted: LegEnd | undefined): LegEnd {
  if (wanted?.kind === 'rang') return wanted;
  if (failure.kind === 'response' && (wanted === undefined || failure.response.status !== 487)) {
    return { kind: 'rejected', sip: resultOf(failure.response) };
  }
  if (wanted !== undefined) return wanted;
  return failure.kind === 'transport'
    ? { kind: 'unreachable', detail: failure.error.message }
    : { kind: 'setup_timeout' };
}
