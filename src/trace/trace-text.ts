import { ladderHead, ladderLine } from '../sip/ladder.ts';
import { formatHost } from '../sip/uri.ts';
import type { TracedMessage, TraceOfCall } from './call-trace.ts';

/** A message as an API shows it. */
export interface TraceEntry {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Seen from us. */
  readonly direction: 'in' | 'out';
  readonly attempt: number;
  readonly transport: string;
  /** `host:port`; null where it is not known. */
  readonly local: string | null;
  readonly remote: string;
  /** Length on the wire. */
  readonly bytes: number;
  /** The message, masked. */
  readonly text: string;
}

export function traceEntries({ messages }: TraceOfCall): readonly TraceEntry[] {
  return messages.map((message) => ({
    at: message.at,
    direction: message.direction,
    attempt: message.attempt,
    transport: message.peer.transport,
    local: message.local === null ? null : place(message.local),
    remote: place(message.peer),
    bytes: message.bytes,
    text: message.text,
  }));
}

/** All messages of a call one after the other, each under a line that says when and which way. */
export function traceText(trace: TraceOfCall): string {
  const parts = trace.messages.map((message) => `${heading(message)}\n\n${indented(message.text)}\n`);
  const skipped = trace.skipped === 0 ? '' : `(${trace.skipped} messages left out)\n\n`;
  return `${skipped}${parts.join('\n')}`;
}

/** The call as a ladder: a rung a message, from the first one on. */
export function traceLadder({ messages, callId, skipped }: TraceOfCall): readonly string[] {
  const lines: string[] = [];
  const startAt = messages[0]?.at ?? 0;
  let attempt = 0;
  for (const message of messages) {
    if (message.attempt !== attempt) {
      ({ attempt } = message);
      lines.push(ladderHead(`${callId} (${attempt})`, place(message.peer)));
    }
    lines.push(ladderLine(message, { startAt }));
  }
  if (skipped > 0) lines.push(`(${skipped} messages left out)`);
  return lines;
}

function heading({ at, direction, attempt, peer, local }: TracedMessage): string {
  const arrow = direction === 'out' ? '->' : '<-';
  const ours = local === null ? 'us' : place(local);
  return `${new Date(at).toISOString()} ${direction} ${peer.transport} ${ours} ${arrow} ${place(peer)} attempt ${attempt}`;
}

/** Indented, so that no line of a message looks like one of ours. */
function indented(text: string): string {
  return text
    .trimEnd()
    .split(/\r?\n|\r/)
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n');
}

function place({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${formatHost(address)}:${port}`;
}
