import { parseCSeq } from './header.ts';
import { header, parseMessage, type SipMessage } from './message.ts';
import type { WireMessage } from './transport.ts';

const WIDTH = 44;

export interface LadderOptions {
  /** Epoch milliseconds of the line's zero. */
  readonly startAt: number;
}

/** The two ends of a ladder, as a heading over its lines. */
export function ladderHead(left: string, right: string): string {
  return `${' '.repeat(10)}${left}${' '.repeat(Math.max(1, WIDTH + 2 - left.length - right.length))}${right}`;
}

/** One message as a rung: when, which way, and what. Nothing of the message but its first line is shown, without numbers. */
export function ladderLine(message: WireMessage, { startAt }: LadderOptions): string {
  const label = labelOf(message.text);
  const at = `${String(message.at - startAt).padStart(6)} ms`;
  const dashes = '─'.repeat(Math.max(2, WIDTH - label.length - 4));
  const rung = message.direction === 'out' ? `${label} ${dashes}▶` : `◀${dashes} ${label}`;
  return `${at} │ ${rung.padEnd(WIDTH - 2)} │`;
}

function labelOf(text: string): string {
  const message = parseMessage(Buffer.from(text));
  if (message.kind === 'request') {
    return message.method + bodyOf(message);
  }
  if (message.kind !== 'response') return 'not a SIP message';
  const method = parseCSeq(header(message, 'CSeq'))?.method ?? '';
  const what = method === 'INVITE' ? '' : ` (${method})`;
  return `${message.status} ${message.reason}${what}${bodyOf(message)}`;
}

/** What kind of body it has; a text message is no description of a session. */
function bodyOf(message: SipMessage): string {
  if (message.body === '') return '';
  return parseCSeq(header(message, 'CSeq'))?.method === 'MESSAGE' ? ' (text)' : ' (SDP)';
}
