import { isIP, SocketAddress } from 'node:net';
import { parseUri } from './uri.ts';

/** The names of a certificate's subjectAltName, by kind, as they were written. */
export interface CertificateNames {
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  readonly addresses: readonly string[];
}

/** `DNS:a.example, URI:sip:b.example, DNS:"quoted \" name"`: how node:crypto writes it; in quotes is what holds a comma. */
const ENTRY = /\s*([^:,"]+):(?:"((?:[^"\\]|\\.)*)"|([^",]*))(?:,|$)/y;

/** Reads what `X509Certificate.subjectAltName` gives. What cannot be read ends the list: names behind it do not count. */
export function readAltNames(text: string | undefined): CertificateNames {
  const uris: string[] = [];
  const dns: string[] = [];
  const addresses: string[] = [];
  const entry = new RegExp(ENTRY);
  for (let found = entry.exec(text ?? ''); found !== null; found = entry.exec(text ?? '')) {
    const [, kind, quoted, bare = ''] = found;
    // A name of a SIP domain holds nothing that has to be quoted.
    if (quoted !== undefined) continue;
    if (kind === 'URI') uris.push(bare);
    else if (kind === 'DNS') dns.push(bare);
    else if (kind === 'IP Address') addresses.push(bare);
    if (entry.lastIndex >= (text ?? '').length) break;
  }
  return { uris, dns, addresses };
}

/**
 * Whether a certificate is one of this SIP domain (RFC 5922 §7): its `sip:` URIs without a user say so, or, where it has
 * none of them, its DNS names. They are compared as they are: the RFC wants no wildcards, so that `*.carrier.example` is
 * a name like any other, and counts where that very text is asked for. An IP address stands for itself.
 */
export function isOfDomain({ uris, dns, addresses }: CertificateNames, domain: string): boolean {
  if (isIP(domain) !== 0 && addresses.some((address) => canonical(address) === canonical(domain)))
    return true;
  const sipDomains = uris.flatMap((uri) => {
    const parsed = /^sip:/i.test(uri) ? parseUri(uri) : undefined;
    return parsed === undefined || parsed.user !== '' ? [] : [parsed.host];
  });
  const names = sipDomains.length > 0 ? sipDomains : dns;
  return names.some((name) => canonical(name) === canonical(domain));
}

/** For messages: all names that a certificate could be called by. */
export function listNames({ uris, dns, addresses }: CertificateNames): string {
  const names = [...uris, ...dns, ...addresses].map((name) => name.replace(/[^\w.:*@[\]-]/g, '?'));
  return names.length === 0 ? 'no name' : names.slice(0, 5).join(', ').slice(0, 200);
}

function canonical(name: string): string {
  const family = isIP(name);
  if (family === 0) return name.toLowerCase().replace(/\.$/, '');
  return new SocketAddress({ address: name, family: family === 6 ? 'ipv6' : 'ipv4' }).address;
}
