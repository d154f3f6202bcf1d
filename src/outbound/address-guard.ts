import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** What all addresses are that are handed out on the Internet (IANA, IPv6 Global Unicast Address Assignments). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** Azure serves its virtual machines' settings and keys there, in the middle of public addresses. */
const AZURE_PLATFORM = '168.63.129.16';
/** RFC 6052 §2.1: with NAT64 all of IPv4 is reached through this prefix, so it may be the only way to a public host. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
/** RFC 5214 §6.1: the interface identifiers (upper half) of ISATAP, a tunnel to the IPv4 address that follows. */
const ISATAP = [0x0000_5efe, 0x0200_5efe];

/**
 * Whether an address is one of the public Internet, where anybody may send a request. What is not known to be
 * that is not: private, shared, local, multicast, reserved and documentation addresses, those of cloud metadata,
 * unassigned IPv6, and addresses with a zone. An IPv4 address in IPv6 form (mapped, NAT64) is judged by what it
 * holds; forms that only tunnels use (6to4, Teredo, ISATAP, compatible, translated) are never public.
 *
 * @param ip in the usual text form, without brackets; no octal, hexadecimal or short IPv4 forms
 */
export function publicAddress(ip: string): boolean {
  if (isIP(ip) === 0 || ip.includes('%')) return false;
  return isIP(ip) === 4 ? publicV4(ipaddr.IPv4.parse(ip)) : publicV6(parsedV6(ip));
}

/** By way of a URL, which writes hexadecimal parts only: ipaddr.js takes `::8.8.8.8` for `::ffff:8.8.8.8`. */
function parsedV6(ip: string): ipaddr.IPv6 {
  return ipaddr.IPv6.parse(new URL(`http://[${ip}]`).hostname.slice(1, -1));
}

function publicV4(address: ipaddr.IPv4): boolean {
  return address.range() === 'unicast' && address.toString() !== AZURE_PLATFORM;
}

function publicV6(address: ipaddr.IPv6): boolean {
  if (address.isIPv4MappedAddress()) return publicV4(address.toIPv4Address());
  if (address.match(NAT64)) return publicV4(new ipaddr.IPv4(address.toByteArray().slice(12)));
  return address.match(GLOBAL_UNICAST) && address.range() === 'unicast' && !isIsatap(address);
}

function isIsatap({ parts }: ipaddr.IPv6): boolean {
  return ISATAP.includes((parts[4] ?? 0) * 0x1_0000 + (parts[5] ?? 0));
}
