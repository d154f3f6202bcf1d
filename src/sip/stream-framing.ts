/** Cuts a byte stream into SIP messages by Content-Length (RFC 3261 §18.3). */

const MAX_HEAD_BYTES = 64 * 1024;
const MAX_BODY_BYTES = 256 * 1024;
const CONTENT_LENGTH = /(?:^|\n)(?:content-length|l)[ \t]*:([^\n]*)/gi;

export interface Frames {
  /** Complete messages, in order. */
  readonly messages: readonly Buffer[];
  /** How many keep-alive pings (CRLF CRLF) are to be answered with a pong (RFC 5626 §3.5.1). */
  readonly pings: number;
  /** What is left for the next bytes. */
  readonly rest: Buffer;
  /** The stream cannot be followed any longer and has to be closed. */
  readonly broken: boolean;
}

export function cutFrames(bytes: Buffer): Frames {
  const messages: Buffer[] = [];
  let rest = bytes;
  let pings = 0;
  for (;;) {
    const lead = leadingLineEnds(rest);
    pings += Math.floor(lead / 4);
    // One CRLF may be the first half of a ping that is still on its way.
    if (lead === rest.length)
      return { messages, pings, rest: rest.subarray(lead - (lead % 4)), broken: false };
    rest = rest.subarray(lead);
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return { messages, pings, rest, broken: rest.length > MAX_HEAD_BYTES };
    const length = declaredLength(rest.toString('latin1', 0, end));
    // Without a length nobody knows where the next message starts.
    if (length === undefined || length > MAX_BODY_BYTES || end > MAX_HEAD_BYTES) {
      return { messages, pings, rest: Buffer.alloc(0), broken: true };
    }
    const total = end + 4 + length;
    if (rest.length < total) return { messages, pings, rest, broken: false };
    messages.push(rest.subarray(0, total));
    rest = rest.subarray(total);
  }
}

/** Undefined where there is none, where it is no number, and where two differ (RFC 4475 §3.3.9). */
function declaredLength(head: string): number | undefined {
  let length: number | undefined;
  for (const [, value = ''] of head.replace(/\r?\n[ \t]+/g, ' ').matchAll(CONTENT_LENGTH)) {
    const next = /^\d{1,9}$/.test(value.trim()) ? Number(value) : undefined;
    if (next === undefined || (length !== undefined && next !== length)) return undefined;
    length = next;
  }
  return length;
}

function leadingLineEnds(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length && (bytes[at] === 0x0d || bytes[at] === 0x0a)) at++;
  return at;
}
