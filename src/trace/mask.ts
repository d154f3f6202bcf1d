import { maskSip } from '../log.ts';

/** How numbers are written into a trace. `whole` is for a capture server that may know them. */
export type NumberPolicy = 'masked' | 'whole';

const HIDDEN = '•••';
const REDACTED = '[redacted]';

/**
 * Digits that stay hidden at the end of a number that may be the calling one: of a flash call the last of them are what
 * is to be proven, at most eight.
 */
const SECRET_DIGITS = 8;
/** Of the rest, what stays readable. */
const SHOWN_DIGITS = 4;

/** Header fields, long and compact, whose digits are no numbers of people: branches, sequence numbers, times, hosts. */
const STRUCTURED = new Set(
  (
    'via v call-id i cseq max-forwards content-length l content-type c content-encoding e route record-route path ' +
    'service-route require proxy-require supported k unsupported allow accept accept-encoding accept-language ' +
    'expires min-expires session-expires x min-se rseq rack timestamp date retry-after mime-version user-agent ' +
    'server www-authenticate proxy-authenticate authorization proxy-authorization authentication-info ' +
    'proxy-authentication-info identity y event o subscription-state content-disposition security-client ' +
    'security-server security-verify'
  ).split(' '),
);

/** Header fields that hold addresses with parameters behind them, such as tags, which stay as they are. */
const ADDRESSES = new Set(['from', 'f', 'to', 't', 'contact', 'm']);

/** What answers prove that a password is known (RFC 3261 §20.6, §22), beside those that `maskSip` knows. */
const PROOFS = new Set(['authentication-info', 'proxy-authentication-info']);

/** Digits with the separators that people write between them; no IPv4 address. */
const LONG_RUN = /(?<![\d.])(?!\d{1,3}(?:\.\d{1,3}){3}(?!\d))(?:\+|%2b)?\d(?:[-.()\s]?\d){4,}/gi;

/**
 * Digits and capitals, as many as a code has: alone with separators between them, or without any wherever they stand,
 * since a text may have no space around its code. `Q.850` is the protocol of a Reason header (RFC 3326).
 */
const LIKE_A_CODE =
  /(?<![\p{L}\p{N}])(?!Q\.850\b)[A-Z\d](?:[-.\s]?[A-Z\d]){3,}(?![\p{L}\p{N}])|\d(?:[-.\s]?\d){3,}|[A-Z\d]{4,}/gu;

/** As `LONG_RUN`, long enough for a telephone number: shorter ones are times and ports where parameters and attributes stand. */
const NUMBER = /(?<![\d.])(?!\d{1,3}(?:\.\d{1,3}){3}(?!\d))(?:\+|%2b)?\d(?:[-.()\s]?\d){6,}/gi;

/** Parameters of addresses and of Via that are made up by machines, and are needed to follow a dialog. */
const MADE_UP = new Set(['tag', 'branch']);

/** Attributes of SDP that hold long numbers of machines (RFC 5576, RFC 8839), as far as these go. */
const MACHINES = /^(?:ssrc:\d+|(?:ssrc-group|candidate):.*)/i;

/**
 * A SIP message as it is kept in a trace. Never in it, with either policy: digest responses, signed identities, keys
 * of the SDP, and bodies other than SDP (keys in INFO, texts in MESSAGE, ISUP). With `masked` numbers, `+4930•••456`
 * is what is left of the callee's, and of all others no more than the first four digits, less of short ones:
 * the calling number of a flash call is a secret, and a message may hold it anywhere. What would steer a
 * terminal is written as text.
 *
 * @param direction seen from us: it tells which of From and To is the callee
 */
export function maskTrace(text: string, direction: 'in' | 'out', numbers: NumberPolicy = 'masked'): string {
  const { head, gap, body } = split(text);
  const lines = unfolded(head);
  const ofText = isOfText(lines);
  const shown = maskedBody(body, ofText ? '' : contentType(lines), numbers);
  const echoes = ofText && /^SIP\/2\.0/i.test(lines[0] ?? '');
  const ours = /^SIP\/2\.0/i.test(lines[0] ?? '') === (direction === 'in');
  const length = Buffer.byteLength(body);
  const masked = lines.map((line, index) => {
    // What was the length of the body stays so; a length that was wrong stays wrong.
    if (shown !== body && /^(?:content-length|l)[ \t]*:/i.test(line)) {
      return line.replace(/:[ \t]*(\d+)[ \t]*$/, (given, digits: string) =>
        Number(digits) === length ? `: ${Buffer.byteLength(shown)}` : given,
      );
    }
    return maskedLine(echoes ? withoutCode(line, index === 0) : line, index === 0, ours, numbers);
  });
  return printable(`${masked.join('\r\n')}${gap}${shown}`);
}

function split(text: string): { head: string; gap: string; body: string } {
  const gap = /\r?\n\r?\n/.exec(text);
  if (gap === null) return { head: text, gap: '', body: '' };
  const end = gap.index + gap[0].length;
  return { head: text.slice(0, gap.index), gap: '\r\n\r\n', body: text.slice(end) };
}

/** Lines that go on are one (RFC 3261 §7.3.1): a number or a proof may stand in any of them. */
function unfolded(head: string): readonly string[] {
  return head
    .replace(/^[\r\n]+/, '')
    .replace(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n|\r/);
}

function contentType(lines: readonly string[]): string {
  const line = lines.find((one) => /^(?:content-type|c)[ \t]*:/i.test(one)) ?? '';
  return (/:[ \t]*([^;\s]*)/.exec(line)?.[1] ?? '').toLowerCase();
}

/** A text message holds a code, and what is said of it may repeat that, whatever it calls itself. */
function isOfText(lines: readonly string[]): boolean {
  return (
    /^MESSAGE\s/i.test(lines[0] ?? '') ||
    lines.some((line) => /^cseq[ \t]*:[ \t]*\d+[ \t]+MESSAGE\b/i.test(line))
  );
}

/**
 * What a far end says of a text message in its own words, without what may be a code that it repeats. From and To are as
 * we wrote them; a Contact is the far end's, and nobody follows it.
 */
function withoutCode(line: string, first: boolean): string {
  const name = first ? '' : (/^([^\s:]+)[ \t]*:/.exec(line)?.[1] ?? '').toLowerCase();
  if (STRUCTURED.has(name) || ['from', 'f', 'to', 't'].includes(name)) return line;
  const start = first ? 'SIP/2.0 200'.length : name.length;
  return line.slice(0, start) + line.slice(start).replace(LIKE_A_CODE, HIDDEN);
}

function maskedBody(body: string, type: string, numbers: NumberPolicy): string {
  if (body === '') return body;
  if (type !== 'application/sdp') return `${REDACTED} ${Buffer.byteLength(body)} bytes`;
  const open = body
    .replace(/^(a=(?:crypto|key-mgmt|ice-pwd|ice-ufrag|identity):|k=)[^\r\n]*/gim, `$1${REDACTED}`)
    // Keys once more, where the line does not begin as it should.
    .replace(/\b(inline:)[A-Za-z0-9+/=]{16,}/gi, `$1${REDACTED}`)
    // What has no type is no line of SDP, whatever the Content-Type says.
    .replace(/^(?![a-z]=)[^\r\n]+/gim, REDACTED);
  if (numbers === 'whole') return open;
  // Lines that are meant for people, and the name of the sender (RFC 4566 §5).
  return strictUsers(
    open
      .replace(/^([sipue]=)([^\r\n]*)/gm, (_line, name: string, value: string) => name + strict(value))
      .replace(/^(o=)(\S+)/gm, (_line, name: string, user: string) => name + hideIn(user))
      .replace(/^(a=)([^\r\n]*)/gim, (_line, name: string, value: string) => {
        const kept = MACHINES.exec(value)?.[0] ?? '';
        return name + kept + value.slice(kept.length).replace(NUMBER, hide);
      }),
  );
}

/** @param ours whether the request, or the one that is answered, came from us */
function maskedLine(line: string, first: boolean, ours: boolean, numbers: NumberPolicy): string {
  const name = first ? '' : (/^([^\s:]+)[ \t]*:/.exec(line)?.[1] ?? '').toLowerCase();
  if (PROOFS.has(name)) return `${line.slice(0, line.indexOf(':'))}: ${REDACTED}`;
  if (numbers === 'whole') return maskedProof(line);
  if (first) return maskedStart(line, ours);
  if (ours && (name === 'to' || name === 't')) return maskSip(strictParameters(line));
  if (STRUCTURED.has(name)) return maskSip(strictParameters(strictUsers(line)));
  if (!ADDRESSES.has(name)) return maskSip(strict(line));
  const tag = line.search(/;[ \t]*tag[ \t]*=/i);
  const end = tag < 0 ? line.length : tag;
  return maskSip(strictParameters(strictNames(line.slice(0, end)))) + strictParameters(line.slice(end));
}

/** With whole numbers only what proves and what signs is cut, and the password of an address. */
function maskedProof(line: string): string {
  return line
    .replace(/^((?:proxy-)?authorization|identity|y)([ \t]*:).*/i, `$1$2 ${REDACTED}`)
    .replace(
      /(\bsips?:[^\s@:;<>]+):([^\s@<>]+)(@?)/gi,
      (match, user: string, _password: string, at: string) => (at === '' ? match : `${user}:${REDACTED}@`),
    );
}

function maskedStart(line: string, ours: boolean): string {
  const status = /^(SIP\/2\.0[ \t]+\d{3}[ \t]*)(.*)$/i.exec(line);
  if (status !== null) return `${status[1]}${strict(status[2] ?? '')}`;
  if (!/ SIP\/2\.0$/i.test(line)) return strict(line);
  return ours ? maskSip(line) : strictParameters(strictUsers(line));
}

/** All that may be a number in what is said to people, and in fields that nobody knows. */
function strict(text: string): string {
  return strictUsers(text).replace(LONG_RUN, hide);
}

/** Display names and what stands in an address; hosts stay. */
function strictNames(text: string): string {
  const open = text.lastIndexOf('<');
  const colon = text.indexOf(':') + 1;
  if (open < colon) return strictUsers(text);
  return text.slice(0, colon) + strict(text.slice(colon, open)) + strictUsers(text.slice(open));
}

function strictUsers(text: string): string {
  return (
    text
      // A line that was folded may have a blank behind the scheme.
      .replace(/(\bsips?:[ \t]*)([^\s@;<>?,"]+)(@?)/gi, (match, scheme: string, user: string, at: string) =>
        // Without an `@` it is a host.
        at === '' ? match : `${scheme}${hideIn(user)}@`,
      )
      .replace(/(\btel:)([^\s;<>?,"]+)/gi, (_match, scheme: string, user: string) => scheme + hideIn(user))
      .replace(/(?:\+|%2b)\d{5,}/gi, hide)
  );
}

/** Networks write the calling number into parameters of their own. */
function strictParameters(text: string): string {
  return text.replace(
    /([;?&][ \t]*([^\s=;,?&<>"]+)[ \t]*=[ \t]*"?)([^;,?&<>\s"]+)/g,
    (match, start: string, name: string, value: string) =>
      MADE_UP.has(name.toLowerCase()) ? match : start + value.replace(NUMBER, hide),
  );
}

/** A user part: a password behind it goes, and numbers in it, with separators that a URI may have. */
function hideIn(user: string): string {
  const [name = '', ...rest] = user.split(':');
  return name.replace(/(?:\+|%2b)?\d(?:[-.()]?\d){4,}/gi, hide) + (rest.length === 0 ? '' : `:${REDACTED}`);
}

function hide(number: string): string {
  const plus = /^(?:\+|%2b)/i.exec(number)?.[0] ?? '';
  const digits = number.slice(plus.length).replace(/\D/g, '');
  return `${plus}${digits.slice(0, Math.max(0, Math.min(SHOWN_DIGITS, digits.length - SECRET_DIGITS)))}${HIDDEN}`;
}

/** Control characters but line ends and tabs, as `\x1b`: a far end must not steer the terminal of who reads. */
function printable(text: string): string {
  return text.replace(/(?![\r\n\t])\p{Cc}/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\x${code.toString(16).padStart(2, '0')}`;
  });
}
