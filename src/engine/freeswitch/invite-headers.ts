import type { SipHeader } from '../../sip/message.ts';
import { ALLOW } from '../../sip/session.ts';
import { formatHost, parseHostPort, parseUri } from '../../sip/uri.ts';
import type { Leg, PlainRequest } from '../engine.ts';

/** What an INVITE says that is not in its leg. */
export interface InviteIdentity {
  readonly callId: string;
  readonly fromTag: string;
  readonly userAgent: string;
  /** Number of the CSeq; drachtio makes one up where none is given. */
  readonly cseq?: number;
  /** Authorization and Proxy-Authorization, one for each realm. */
  readonly authorization?: readonly SipHeader[];
}

/** For a final response that is on its way when the time is up. */
const EXPIRES_MARGIN_S = 5;

/**
 * The headers of an INVITE as drachtio-srf wants them. Always a new object: drachtio-srf writes into it.
 * Contact, Via, Max-Forwards, Content-Type and Content-Length are drachtio's.
 *
 * Expires (RFC 3261 §13.2.1, §20.19) ends the ringing where neither this process nor drachtio is left to cancel.
 *
 * @throws Error where `checkLeg` would refuse the leg, or another text would end its line early
 */
export function inviteHeaders(leg: Leg, identity: InviteIdentity): Record<string, string> {
  const refused = checkLeg(leg);
  if (refused !== undefined) throw new Error(refused);
  const { uri, displayName } = leg.from;
  const name = displayName === undefined ? '' : `"${displayName}" `;
  const headers: SipHeader[] = [
    ['From', `${name}<${uri}>;tag=${identity.fromTag}`],
    ['To', `<${leg.requestUri}>`],
    ['Call-ID', identity.callId],
    ...(identity.cseq === undefined ? [] : [['CSeq', `${identity.cseq} INVITE`] as const]),
    ['Allow', ALLOW],
    ['Supported', '100rel, timer'],
    ['User-Agent', identity.userAgent],
    ['Expires', String(Math.ceil(unansweredMs(leg) / 1000) + EXPIRES_MARGIN_S)],
    ...listed(leg.headers),
    ...spelledApart(identity.authorization ?? []),
  ];
  const broken = headers.find(([, value]) => UNPRINTABLE.test(value));
  if (broken !== undefined) throw new Error(`the header ${broken[0]} has a control character`);
  return Object.fromEntries(headers);
}

/** How long a leg may last that nobody answers. */
export function unansweredMs({ timeouts, flash }: Leg): number {
  return flash?.maxRingMs ?? timeouts.setupMs + timeouts.ringMs;
}

/**
 * Why a leg, or a text message, must not be given to drachtio, or undefined where it may. drachtio-srf and drachtio escape nothing,
 * and read more into a text than SIP does: the comments here say what. The answer repeats no text that was
 * refused.
 */
export function checkLeg(leg: Pick<Leg, 'requestUri' | 'from' | 'nextHop' | 'headers'>): string | undefined {
  return (
    checkCallee(leg.requestUri) ??
    checkCaller(leg.from) ??
    (parseHostPort(formatHost(leg.nextHop.host)) === undefined
      ? 'the next hop is not a host name or an address'
      : undefined) ??
    checkHeaders(leg.headers)
  );
}

/** The same of a request outside of calls. */
export function checkRequest({ requestUri, to, from, nextHop }: PlainRequest): string | undefined {
  return (
    checkCallee(requestUri) ??
    checkCallee(to) ??
    checkCaller({ uri: from }) ??
    (parseHostPort(formatHost(nextHop.host)) === undefined
      ? 'the next hop is not a host name or an address'
      : undefined)
  );
}

/** Control characters (a bare CR is a line end to drachtio) and halves of surrogate pairs. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;

/**
 * RFC 3261 §25.1 without "?": what follows it becomes headers of the request. "#" is no URI character, and "|"
 * separates the fields of drachtio's own protocol.
 */
const URI_TEXT = /^[A-Za-z0-9\-_.!~*'();/:@&=+$,%[\]]+$/;

const TEL = /^tel:\+?[\d\-.()*]*\d[\d\-.()*]*(?:;[^;]+)*$/;

/** drachtio copies URIs into buffers of 255 and 1,024 bytes. */
const MAX_URI_CHARS = 255;

const LOCALHOST = 'where drachtio puts its own address for localhost; write 127.0.0.1 or another name';

/** Only `sip:`. A `tel:` Request-URI ends the drachtio server (it has no host), and it sends `sips:` without TLS. */
function checkCallee(uri: string): string | undefined {
  if (!isSipUri(uri, 'sip:')) return 'the Request-URI is not a plain sip: URI';
  return uri.includes('@localhost') ? `the Request-URI becomes To, ${LOCALHOST}` : undefined;
}

function checkCaller({ uri, displayName }: Leg['from']): string | undefined {
  if (!isSipUri(uri, 'sip:') && !isSipUri(uri, 'sips:') && !isTelUri(uri))
    return 'the From URI is not a plain sip:, sips: or tel: URI';
  if (displayName !== undefined && (UNPRINTABLE.test(displayName) || /["\\]/.test(displayName)))
    return 'the display name has a quote, a backslash or a control character';
  if (displayName !== undefined && displayName.length > MAX_URI_CHARS) return 'the display name is too long';
  // Anywhere in the header: the name counts too.
  return uri.includes('localhost') || displayName?.includes('localhost') === true
    ? `the caller goes into From, ${LOCALHOST}`
    : undefined;
}

/** drachtio-srf knows schemes in small letters only, and puts `sip:` before what it does not know. */
function isSipUri(uri: string, scheme: 'sip:' | 'sips:'): boolean {
  return uri.startsWith(scheme) && isUriText(uri) && parseUri(uri) !== undefined;
}

function isTelUri(uri: string): boolean {
  return isUriText(uri) && TEL.test(uri);
}

function isUriText(uri: string): boolean {
  return uri.length <= MAX_URI_CHARS && URI_TEXT.test(uri);
}

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

/** What drachtio or we say ourselves; `payload` would replace the SDP. */
const TAKEN: ReadonlySet<string> = new Set([
  'from',
  'to',
  'via',
  'call-id',
  'cseq',
  'contact',
  'max-forwards',
  'route',
  'record-route',
  'authorization',
  'proxy-authorization',
  'allow',
  'supported',
  'user-agent',
  'expires',
  'rseq',
  'rack',
  'payload',
]);

/** Headers that are lists, so that two lines are one with a comma (RFC 3261 §7.3.1). */
const LISTS: ReadonlySet<string> = new Set([
  'p-asserted-identity',
  'p-preferred-identity',
  'diversion',
  'history-info',
  'call-info',
  'alert-info',
  'require',
  'proxy-require',
  'accept',
  'reason',
  'identity',
]);

/** drachtio takes "_" for "-": `call_id` is Call-ID to it. */
function meaningOf(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

function checkHeaders(headers: Leg['headers']): string | undefined {
  const seen = new Set<string>();
  for (const [name, value] of headers) {
    if (!TOKEN.test(name)) return 'a header name is not a token';
    const meaning = meaningOf(name);
    // One letter is a compact form (RFC 3261 §7.3.3), which drachtio writes beside the long one.
    if (meaning.length === 1 || meaning.startsWith('content-') || TAKEN.has(meaning))
      return `the header ${name} is not free for trunks`;
    // drachtio-srf looks names up in plain objects: `constructor` and the like come out as something else.
    if (name in Object.prototype) return `the header ${name} cannot be carried`;
    if (UNPRINTABLE.test(value)) return `the header ${name} has a control character`;
    if (meaning === 'p-asserted-identity' && value.includes('@localhost'))
      return `the header ${name} is one ${LOCALHOST}`;
    // Of two others the server would send both, or only the last, as it knows the header or not.
    if (seen.has(meaning) && !LISTS.has(meaning)) return `the header ${name} is there twice`;
    seen.add(meaning);
  }
  return undefined;
}

/** An object holds each name once: lines of a list become one. */
export function listed(headers: readonly SipHeader[]): SipHeader[] {
  const lines = new Map<string, SipHeader>();
  for (const [name, value] of headers) {
    const known = lines.get(meaningOf(name));
    lines.set(meaningOf(name), known === undefined ? [name, value] : [known[0], `${known[1]}, ${value}`]);
  }
  return [...lines.values()];
}

/**
 * Credentials for several realms need a line each and no comma (RFC 3261 §7.3.1), but an object holds a name
 * once. Names differ in their capitals then: drachtio writes them as they should be.
 */
export function spelledApart(headers: readonly SipHeader[]): SipHeader[] {
  const counts = new Map<string, number>();
  return headers.map(([name, value]) => {
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    let bit = 0;
    const spelled = name.replace(/[a-z]/gi, (letter) =>
      ((count >> bit++) & 1) === 0 ? letter : swapCase(letter),
    );
    return [spelled, value];
  });
}

function swapCase(letter: string): string {
  return letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
}
