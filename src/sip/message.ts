/**
 * SIP messages (RFC 3261 §7, §25): reading bytes from the network, writing bytes to it. Header values stay
 * as they came; `sip/header` reads those that have a meaning for us, when they are needed.
 */

/** A header field; the name is in its long form with its usual capitals. */
export type SipHeader = readonly [name: string, value: string];

export interface SipRequest {
  readonly kind: 'request';
  readonly method: string;
  readonly uri: string;
  readonly headers: readonly SipHeader[];
  readonly body: string;
}

export interface SipResponse {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly SipHeader[];
  readonly body: string;
}

export type SipMessage = SipRequest | SipResponse;

/** What is not a SIP message. `partial` is what could be read, so that a request may be answered with 400. */
export interface Malformed {
  readonly kind: 'malformed';
  readonly why: string;
  readonly partial?: SipRequest;
}

/** A keep-alive: nothing but line ends (RFC 5626 §4.4.1). */
export interface KeepAlive {
  readonly kind: 'keep_alive';
}

const MAX_HEADERS = 300;

/** RFC 3261 §7.3.3 and the extensions that we understand. */
const COMPACT = names({
  i: 'call-id',
  m: 'contact',
  e: 'content-encoding',
  l: 'content-length',
  c: 'content-type',
  f: 'from',
  s: 'subject',
  k: 'supported',
  t: 'to',
  v: 'via',
  u: 'allow-events',
  o: 'event',
  r: 'refer-to',
  x: 'session-expires',
});

const SPELLED = names({
  'call-id': 'Call-ID',
  cseq: 'CSeq',
  'www-authenticate': 'WWW-Authenticate',
  rseq: 'RSeq',
  rack: 'RAck',
  'min-se': 'Min-SE',
  'mime-version': 'MIME-Version',
});

/** A map, because a peer may call a header `constructor`. */
function names(table: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(table));
}

const spellings = new Map<string, string>();

function canonicalName(raw: string): string {
  const known = spellings.get(raw);
  if (known !== undefined) return known;
  const lower = raw.toLowerCase();
  const long = COMPACT.get(lower) ?? lower;
  const spelled =
    SPELLED.get(long) ??
    long.replace(/(^|-)([a-z])/g, (_, dash: string, c: string) => dash + c.toUpperCase());
  // Bounded: names come from the network.
  if (spellings.size < 1000 && raw.length <= 40) spellings.set(raw, spelled);
  return spelled;
}

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;
const STATUS_LINE = /^SIP\/2\.0[ \t]+(\d{3})(?:[ \t]+(.*))?$/is;
const VERSION = /^SIP\/\d+\.\d+$/i;

/** Reads one datagram, or one framed message of a stream. Never throws. */
export function parseMessage(bytes: Buffer): SipMessage | Malformed | KeepAlive {
  const start = firstText(bytes);
  if (start === bytes.length) return { kind: 'keep_alive' };
  const end = headEnd(bytes, start);
  if (end === undefined) return { kind: 'malformed', why: 'no empty line after the headers' };
  const lines = unfold(bytes.toString('utf8', start, end.at));
  const headers: SipHeader[] = [];
  let fault: string | undefined;
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? '' : line.slice(0, colon).trimEnd();
    if (!TOKEN.test(name)) fault ??= 'a header line without a name';
    else if (headers.length < MAX_HEADERS) headers.push([canonicalName(name), line.slice(colon + 1).trim()]);
    else fault ??= 'too many headers';
  }
  const body = bodyOf(bytes, end.next, headers);
  if (typeof body !== 'string') fault ??= body.why;
  return startLine(lines[0] ?? '', headers, typeof body === 'string' ? body : '', fault);
}

function startLine(
  line: string,
  headers: SipHeader[],
  body: string,
  fault: string | undefined,
): SipMessage | Malformed {
  const status = STATUS_LINE.exec(line);
  if (status !== null) {
    const code = Number(status[1]);
    if (fault !== undefined || code < 100 || code > 699)
      return { kind: 'malformed', why: fault ?? 'status out of range' };
    return { kind: 'response', status: code, reason: status[2] ?? '', headers, body };
  }
  const parts = line.split(' ');
  const words = parts.filter((part) => part !== '');
  const [method = '', uri = ''] = words;
  const version = words.at(-1) ?? '';
  if (!TOKEN.test(method) || words.length < 3 || !VERSION.test(version)) {
    return { kind: 'malformed', why: 'neither a request line nor a status line' };
  }
  const request: SipRequest = { kind: 'request', method, uri, headers, body };
  // Exactly one space between the three parts and none after them (RFC 3261 §7.1, RFC 4475 §3.1.2.7 to 3.1.2.10).
  if (parts.length !== 3 || /[<>"\t]/.test(uri))
    return { kind: 'malformed', why: 'bad request line', partial: request };
  if (version.toUpperCase() !== 'SIP/2.0') return { kind: 'malformed', why: 'version', partial: request };
  if (fault !== undefined) return { kind: 'malformed', why: fault, partial: request };
  return request;
}

function firstText(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length && (bytes[at] === 0x0d || bytes[at] === 0x0a)) at++;
  return at;
}

/** The empty line after the headers, looked for in the bytes: not all that is sent is UTF-8. Bare LF line ends are taken as well. */
function headEnd(bytes: Buffer, from: number): { at: number; next: number } | undefined {
  const crlf = bytes.indexOf('\r\n\r\n', from);
  const lf = bytes.indexOf('\n\n', from);
  if (crlf >= 0 && (lf < 0 || crlf < lf)) return { at: crlf, next: crlf + 4 };
  return lf >= 0 ? { at: lf, next: lf + 2 } : undefined;
}

function unfold(head: string): string[] {
  return head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/);
}

function bodyOf(bytes: Buffer, from: number, headers: readonly SipHeader[]): string | { why: string } {
  const lengths = headers.filter(([name]) => name === 'Content-Length').map(([, value]) => value);
  const declared = lengths[0];
  if (declared === undefined) return bytes.toString('utf8', from);
  if (!/^\d{1,9}$/.test(declared) || lengths.some((other) => other !== declared))
    return { why: 'bad Content-Length' };
  const to = from + Number(declared);
  // RFC 3261 §18.3: longer than the datagram is an error, shorter means that the rest is not ours.
  if (to > bytes.length) return { why: 'body shorter than Content-Length' };
  return bytes.toString('utf8', from, to);
}

/** Writes a message; Content-Length is computed, a given one is replaced. */
export function formatMessage(message: SipMessage): Buffer {
  const first =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`;
  let head = `${first}\r\n`;
  for (const [name, value] of message.headers) {
    if (name !== 'Content-Length') head += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${head}Content-Length: ${Buffer.byteLength(message.body)}\r\n\r\n${message.body}`);
}

/** The first value of a header, by its canonical name. */
export function header(message: SipMessage, name: string): string | undefined {
  for (const [key, value] of message.headers) if (key === name) return value;
  return undefined;
}

/** All values of a header that is a comma-separated list, over all its lines and in order. */
export function headerList(message: SipMessage, name: string): string[] {
  const values: string[] = [];
  for (const [key, value] of message.headers)
    if (key === name) values.push(...splitOutsideQuotes(value, ','));
  return values;
}

/** Whether a list of tokens, such as Supported, holds this one. */
export function hasToken(message: SipMessage, name: string, token: string): boolean {
  return headerList(message, name).some((value) => value.toLowerCase() === token);
}

/** Splits at a character that stands outside quoted strings and angle brackets; parts are trimmed, empty ones dropped. */
export function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let quoted = false;
  let angle = false;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '<') angle = true;
    else if (c === '>') angle = false;
    else if (c === separator && !angle) {
      parts.push(text.slice(from, i).trim());
      from = i + 1;
    }
  }
  parts.push(text.slice(from).trim());
  return parts.filter((part) => part !== '');
}
