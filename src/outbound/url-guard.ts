import { isIP } from 'node:net';
import { OutboundError } from './outbound-error.ts';

/** A host that the operator trusts: it is connected to at this address, although that may be private. */
export interface InternalHost {
  /** As URLs name it; it needs no DNS. */
  readonly host: string;
  readonly address: string;
  /** Where it listens, whatever port the URL says; without it, the port of the URL. */
  readonly port?: number | undefined;
}

/** A URL that may be asked, as far as can be said before its name is looked up. */
export interface Target {
  /** Without fragment, and without a dot at the end of the host. */
  readonly url: URL;
  /** Lower case, no brackets: a name, or an address in its usual form. */
  readonly host: string;
  readonly internal?: InternalHost | undefined;
}

/** RFC 9110 §4.1 asks for 8000 at least; nobody names a sound with that many. */
const MAX_URL_CHARS = 2048;
const PLAIN_HTTP_URL = /^https?:\/\/[^/\s\\\p{Cc}][^\s\\\p{Cc}]*$/iu;
const MAX_NAME_CHARS = 253;
/** Two labels at least: a name of one label means a machine next to us. */
const NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/;
/** Never in the public DNS: RFC 6761, 6762, 7686, 8375, and ICANN's reservation of 2024 for `internal`. */
const LOCAL_NAME = /(?:^|\.)(?:localhost|local|localdomain|internal|invalid|onion|home\.arpa)$/;
const FIRST_USER_PORT = 1024;
/**
 * Above 1023 any port may be a web server's, but not these: services that take orders in lines of text or give
 * up what they hold to anybody who asks (databases, caches, Docker, etcd, SIP, FreeSWITCH, drachtio, X11, IRC).
 */
const SERVICE_PORTS: ReadonlySet<number> = new Set([
  1433, 1521, 1720, 1723, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 4045, 4190, 4222, 5038, 5060, 5061, 5432,
  5672, 5900, 5984, 6000, 6379, 6380, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7001, 8021, 9022, 9042,
  9092, 9200, 9300, 10_080, 10_250, 11_211, 26_379, 27_017,
]);

/** Says which URLs may be asked at all. Pure: where a name leads to is not known here. */
export class UrlGuard {
  readonly #hosts: HostLists;

  /** @throws {RangeError} as `readHosts` */
  constructor(allowedHosts: readonly string[], internalHosts: readonly InternalHost[]) {
    this.#hosts = readHosts(allowedHosts, internalHosts);
  }

  /**
   * @param base what a redirect's address may be relative to
   * @throws {OutboundError} refused
   */
  check(address: string, base?: URL): Target {
    const url = parse(address, base);
    const bare = url.hostname.replace(/^\[|\]$/g, '');
    const host = bare.replace(/\.$/, '');
    const name = `${url.protocol}//${host.slice(0, MAX_NAME_CHARS)}`;
    if (url.username !== '' || url.password !== '')
      throw refused(`${name} comes with a user name or password`);
    if (!portAllowed(url)) throw refused(`${name} is asked for at a port where no web server is expected`);
    url.hash = '';
    if (host !== bare) url.hostname = host;
    const internal = this.#hosts.internal.get(host);
    if (internal) return { url, host, internal };
    if (isIP(host) === 0 && !isPublicName(host)) throw refused(`${name} is no public host`);
    if (!this.#isAllowed(host)) throw refused(`${name} is not on the list of allowed hosts`);
    return { url, host };
  }

  #isAllowed(host: string): boolean {
    const { allowed } = this.#hosts;
    if (allowed.length === 0) return true;
    return allowed.some((entry) =>
      entry.startsWith('*') ? host.endsWith(entry.slice(1)) && isIP(host) === 0 : host === entry,
    );
  }
}

/** Names in their canonical form. */
interface HostLists {
  readonly allowed: readonly string[];
  readonly internal: ReadonlyMap<string, InternalHost>;
}

/**
 * @param allowedHosts exact names, or `*.example.com` for all names below that; empty: every public host
 * @throws {RangeError} for an entry that can never match, or whose address is none
 */
export function readHosts(
  allowedHosts: readonly string[],
  internalHosts: readonly InternalHost[],
): HostLists {
  const allowed = allowedHosts.map(canonicalEntry);
  const internal = new Map(internalHosts.map((entry) => [canonicalHost(entry.host), entry]));
  const wrong = internalHosts.find(({ address }) => isIP(address) === 0);
  if (wrong) throw new RangeError(`the internal host ${wrong.host} has no address, but ${wrong.address}`);
  return { allowed, internal };
}

function refused(message: string): OutboundError {
  return new OutboundError('refused', message);
}

/** The error of `new URL` holds what it was given, and goes no further. */
function parse(address: string, base: URL | undefined): URL {
  if (address.length > MAX_URL_CHARS) throw refused(`a URL has ${MAX_URL_CHARS} characters at most`);
  if (!URL.canParse(address, base?.href)) throw refused('that is no URL');
  const url = new URL(address, base);
  // Characters beyond ASCII take more when they are encoded.
  if (url.href.length > MAX_URL_CHARS) throw refused(`a URL has ${MAX_URL_CHARS} characters at most`);
  // What `new URL` leaves out or reads as something else is taken as written, or not at all.
  const written = base === undefined ? address : `${base.origin}/${address}`;
  if (!PLAIN_HTTP_URL.test(written) || !PLAIN_HTTP_URL.test(url.href)) {
    throw refused('that is no plain http or https URL');
  }
  return url;
}

function portAllowed(url: URL): boolean {
  const port = url.port === '' ? undefined : Number(url.port);
  if (port === undefined || port === 80 || port === 443) return true;
  return port >= FIRST_USER_PORT && !SERVICE_PORTS.has(port);
}

function isPublicName(host: string): boolean {
  return host.length <= MAX_NAME_CHARS && NAME.test(host) && !LOCAL_NAME.test(host);
}

function canonicalEntry(entry: string): string {
  if (!entry.startsWith('*.')) return canonicalHost(entry);
  const domain = canonicalHost(entry.slice(2));
  if (isIP(domain) !== 0) throw new RangeError(`${entry} matches nothing: an address has no names below it`);
  return `*.${domain}`;
}

/** As `new URL` writes it, without brackets and dot. */
function canonicalHost(host: string): string {
  const v6 = isIP(host) === 6;
  const address = `http://${v6 ? `[${host}]` : host}`;
  const url = URL.canParse(address) && (v6 || !/[*:]/.test(host)) ? new URL(address) : undefined;
  // More than a host would show in the rest of the URL.
  if (url?.href !== `http://${url?.hostname}/` || url.hostname.includes('..'))
    throw new RangeError(`${host} is no host`);
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}
