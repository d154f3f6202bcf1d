/** Readers for the headers that mean something to us (RFC 3261 §20). They never throw: undefined is "not well-formed". */
import { header, headerList, type SipMessage, splitOutsideQuotes } from './message.ts';
import { formatHost, parseHostPort, readParams, unquote } from './uri.ts';

export interface Via {
  /** In capitals: UDP, TCP, TLS. */
  readonly transport: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly params: ReadonlyMap<string, string>;
}

const VIA = /^SIP\s*\/\s*2\.0\s*\/\s*([A-Za-z0-9-]+)\s+(.+)$/is;

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

export function parseVia(text: string): Via | undefined {
  const match = VIA.exec(text);
  const [sentBy = '', ...parts] = splitOutsideQuotes(match?.[2] ?? '', ';');
  const params = readParams(parts);
  // White space may stand around the colon (RFC 3261 §25.1).
  const place = parseHostPort(
    sentBy
      .split(':')
      .map((part) => part.trim())
      .join(':'),
  );
  // A name that is no token (a lost quote, say) could not be written down again as it was read.
  if (match === null || place === undefined || ![...params.keys()].every((name) => TOKEN.test(name)))
    return undefined;
  return { transport: (match[1] ?? '').toUpperCase(), ...place, params };
}

export function formatVia(via: Via): string {
  const port = via.port === undefined ? '' : `:${via.port}`;
  let text = `SIP/2.0/${via.transport} ${formatHost(via.host)}${port}`;
  for (const [name, value] of via.params) text += value === '' ? `;${name}` : `;${name}=${paramValue(value)}`;
  return text;
}

/** Quotes are put back where the value needs them: it is no token and no host. */
function paramValue(value: string): string {
  return /^[A-Za-z0-9\-.!%*_+`'~:[\]]+$/.test(value) ? value : `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

export function topVia(message: SipMessage): Via | undefined {
  const first = headerList(message, 'Via')[0];
  return first === undefined ? undefined : parseVia(first);
}

/** From, To, Contact, Route and their like: `"Name" <uri>;params` or `uri;params`. */
export interface NameAddress {
  readonly displayName: string;
  readonly uri: string;
  readonly params: ReadonlyMap<string, string>;
}

export function parseNameAddress(text: string): NameAddress | undefined {
  const open = angleAt(text);
  if (open >= 0) {
    const close = text.indexOf('>', open);
    const name = text.slice(0, open).trim();
    const rest = text.slice(close + 1).trim();
    if (close < 0 || (rest !== '' && !rest.startsWith(';'))) return undefined;
    const uri = text.slice(open + 1, close).trim();
    if (uri === '' || /[\s"]/.test(uri) || !isDisplayName(name)) return undefined;
    return { displayName: unquote(name), uri, params: readParams(splitOutsideQuotes(rest, ';')) };
  }
  // Without brackets, what follows a semicolon belongs to the header, not to the URI (RFC 3261 §20.10).
  const [uri = '', ...params] = splitOutsideQuotes(text, ';');
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>",?]+$/.test(uri)) return undefined;
  return { displayName: '', uri, params: readParams(params) };
}

function angleAt(text: string): number {
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && quoted) i++;
    else if (text[i] === '"') quoted = !quoted;
    else if (text[i] === '<' && !quoted) return i;
  }
  return -1;
}

function isDisplayName(name: string): boolean {
  return name.startsWith('"') ? /^"(?:[^"\\]|\\.)*"$/s.test(name) : !/["<>;,]/.test(name);
}

/** The tag of From or To; '' where there is none. */
export function tagOf(message: SipMessage, name: 'From' | 'To'): string {
  return parseNameAddress(header(message, name) ?? '')?.params.get('tag') ?? '';
}

/** The URI in the first Contact. */
export function contactUri(message: SipMessage): string | undefined {
  const first = headerList(message, 'Contact')[0];
  return first === undefined ? undefined : parseNameAddress(first)?.uri;
}

export interface CSeq {
  readonly number: number;
  readonly method: string;
}

/** RFC 3261 §8.1.1.5: less than 2^31. */
export function parseCSeq(text: string | undefined): CSeq | undefined {
  const match = /^(\d{1,10})\s+([A-Za-z0-9\-.!%*_+`'~]+)$/.exec(text ?? '');
  const number = Number(match?.[1]);
  return match === null || number >= 2 ** 31 ? undefined : { number, method: match[2] ?? '' };
}

/** A non-negative whole number such as RSeq or Expires; anything after it (a comment, a parameter) is passed over. */
export function parseNumber(text: string | undefined): number | undefined {
  const match = /^(\d{1,10})(?:\s*[;(].*)?$/.exec(text ?? '');
  return match === null ? undefined : Number(match[1]);
}

/** Session-Expires and Min-SE (RFC 4028 §4, §5): seconds, at least 1, and who refreshes. */
export function parseSessionExpires(
  text: string | undefined,
): { seconds: number; refresher: 'uac' | 'uas' | undefined } | undefined {
  const [first = '', ...params] = splitOutsideQuotes(text ?? '', ';');
  if (!/^\d{1,10}$/.test(first) || Number(first) === 0) return undefined;
  const refresher = readParams(params).get('refresher')?.toLowerCase();
  return {
    seconds: Number(first),
    refresher: refresher === 'uac' || refresher === 'uas' ? refresher : undefined,
  };
}

/** The Q.850 cause and the texts of Reason headers (RFC 3326). */
export function parseReason(message: SipMessage): { q850?: number; text?: string } {
  const found: { q850?: number; text?: string } = {};
  for (const value of headerList(message, 'Reason')) {
    const [protocol = '', ...rest] = splitOutsideQuotes(value, ';');
    const params = readParams(rest);
    const cause = params.get('cause');
    if (protocol.toUpperCase() === 'Q.850' && cause !== undefined && /^\d{1,3}$/.test(cause))
      found.q850 ??= Number(cause);
    const text = params.get('text');
    if (text !== undefined) found.text ??= text;
  }
  return found;
}

/** The address of the first Call-Info header (RFC 3261 §20.9) with this purpose. */
export function callInfoOf(message: SipMessage, purpose: string): string | undefined {
  return headerList(message, 'Call-Info')
    .map(parseNameAddress)
    .find((info) => info?.params.get('purpose')?.toLowerCase() === purpose)?.uri;
}

const REQUIRED = ['Via', 'From', 'To', 'Call-ID', 'CSeq'] as const;

/**
 * Whether a message has, well-formed and once, what routing and matching need (RFC 3261 §8.1.1); the answer
 * is what is wrong with it, or undefined.
 */
export function faultOf(message: SipMessage): string | undefined {
  for (const name of REQUIRED) {
    const lines = message.headers.filter(([key]) => key === name);
    if (lines.length === 0) return `${name} is missing`;
    if (lines.length > 1 && name !== 'Via') return `${name} is there twice`;
  }
  // All of a request's go into its response; a response has come to the end of its list.
  const vias = headerList(message, 'Via').slice(0, message.kind === 'response' ? 1 : undefined);
  if (vias.length === 0 || vias.some((via) => parseVia(via) === undefined)) return 'Via is malformed';
  const callId = header(message, 'Call-ID') ?? '';
  if (callId === '' || /\s/.test(callId)) return 'Call-ID is malformed';
  for (const name of ['From', 'To'] as const) {
    if (parseNameAddress(header(message, name) ?? '') === undefined) return `${name} is malformed`;
  }
  const cseq = parseCSeq(header(message, 'CSeq'));
  if (cseq === undefined) return 'CSeq is malformed';
  if (message.kind === 'request' && cseq.method !== message.method) return 'CSeq names another method';
  return undefined;
}
