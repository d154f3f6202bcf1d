/** What a registrar says of our registration (RFC 3261 §10). */
import { parseNameAddress, parseNumber } from './header.ts';
import { header, headerList, type SipResponse } from './message.ts';
import { parseUri } from './uri.ts';

/**
 * How long our contact is kept, in seconds, as a 200 to our REGISTER tells it (§10.2.4); undefined where it tells
 * nothing of it. Registrars behind a NAT may write another address into our contact: a single one is taken for ours.
 *
 * @param contact the URI that was registered
 */
export function grantedSeconds(response: SipResponse, contact: string): number | undefined {
  const contacts = headerList(response, 'Contact')
    .map(parseNameAddress)
    .filter((one) => one !== undefined);
  const ours =
    contacts.find(({ uri }) => isSamePlace(uri, contact)) ??
    (contacts.length === 1 ? contacts[0] : undefined);
  return parseNumber(ours?.params.get('expires')) ?? parseNumber(header(response, 'Expires'));
}

/** The shortest time that a registrar takes, in seconds: of a 423 (§10.3, §20.23). */
export function minExpires(response: SipResponse): number | undefined {
  return parseNumber(header(response, 'Min-Expires'));
}

/** Equal but for parameters, which registrars add and drop (§19.1.4 would have more of them be the same). */
function isSamePlace(a: string, b: string): boolean {
  const [one, other] = [parseUri(a), parseUri(b)];
  if (one === undefined || other === undefined) return a === b;
  const sameHost = one.host.toLowerCase() === other.host.toLowerCase();
  return one.user === other.user && sameHost && one.port === other.port;
}
