/** `sip:` and `sips:` URIs (RFC 3261 §19.1). */
export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  /** As written, escapes kept; empty where the URI names a host only. */
  readonly user: string;
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number | undefined;
  /** Names in lower case; a parameter without a value has ''. */
  readonly params: ReadonlyMap<string, string>;
}

/** Underscores are no part of a host name by the RFC, and of many in private networks. */
const HOST = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?))(?::(\d{1,5}))?$/;

/** A host with an optional port, as in a Via's sent-by or a URI. */
export function parseHostPort(text: string): { host: string; port: number | undefined } | undefined {
  const match = HOST.exec(text.trim());
  if (match === null) return undefined;
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && (port < 1 || port > 65535)) return undefined;
  return { host: match[1] ?? match[2] ?? '', port };
}

/** Brackets around an IPv6 address, anything else unchanged. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Undefined for anything that is not a well-formed sip: or sips: URI. */
export function parseUri(text: string): SipUri | undefined {
  const scheme = /^(sips?):/i.exec(text);
  if (scheme === null || /[\s<>"]/.test(text)) return undefined;
  const rest = text.slice(scheme[0].length);
  // "?", ";" and "/" may be part of the user; an "@" that separates nothing is always escaped (§25.1).
  const at = rest.indexOf('@');
  if (at === 0 || at !== rest.lastIndexOf('@')) return undefined;
  const user = at < 0 ? '' : rest.slice(0, at);
  const [address = '', ...params] = (rest.slice(at + 1).split('?')[0] ?? '').split(';');
  const place = parseHostPort(address);
  if (place === undefined) return undefined;
  return {
    scheme: scheme[1]?.toLowerCase() === 'sips' ? 'sips' : 'sip',
    user,
    host: place.host,
    port: place.port,
    params: readParams(params),
  };
}

/** `;name=value` pairs after they were split; quotes around a value are taken off. */
export function readParams(parts: readonly string[]): Map<string, string> {
  const params = new Map<string, string>();
  for (const part of parts) {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    const value = equals < 0 ? '' : unquote(part.slice(equals + 1).trim());
    if (name !== '' && !params.has(name)) params.set(name, value);
  }
  return params;
}

/** A quoted string's content; anything else unchanged. */
export function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/g, '$1');
}
