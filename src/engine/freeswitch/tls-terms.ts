import type { TlsTerms } from '../engine.ts';

/**
 * Whom drachtio believes over TLS, one and the same for all trunks: the operator says what drachtio was started with.
 * drachtio compares no names, so each of these authorities can speak for any trunk.
 */
export interface DrachtioTls {
  /** The authorities, as PEM: what is in the chain file of drachtio. */
  readonly ca: string;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g;

/** What of a trunk's terms drachtio would not hold, so that nothing may be sent on them; undefined where all is well. */
export function tlsTermsFault(
  terms: TlsTerms | undefined,
  drachtio: DrachtioTls | undefined,
): string | undefined {
  if (drachtio === undefined) return 'nobody has said whom drachtio believes over TLS (`freeswitch.tls`)';
  if (terms?.pins !== undefined && terms.pins.length > 0) return 'drachtio cannot pin certificates';
  if (terms?.serverName !== undefined)
    return 'drachtio does not compare the name in a certificate with any other';
  if (terms?.certificate !== undefined)
    return 'drachtio shows one certificate to all trunks: it is set where drachtio is started';
  if (terms?.ca !== undefined && !isSameSet(authoritiesIn(terms.ca), authoritiesIn(drachtio.ca)))
    return 'the trunk believes other authorities than drachtio does';
  return undefined;
}

function authoritiesIn(pem: string): Set<string> {
  return new Set([...pem.matchAll(CERTIFICATE)].map(([, base64 = '']) => base64.replace(/\s/g, '')));
}

function isSameSet(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((member) => other.has(member));
}
