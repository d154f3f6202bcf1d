import { header, type SipRequest } from '../sip/message.ts';

/** What a phone shows of the caller: the user part of From (RFC 3261 §20.20), or nothing where there is none. */
export function shownCaller(invite: SipRequest): string | undefined {
  return /sips?:(?<user>[^@;>]+)@/i.exec(header(invite, 'From') ?? '')?.groups?.['user'];
}
