import type { Html } from './html.ts';
import { html } from './html.ts';
import type { Part } from './part.ts';
import { part } from './part.ts';

/** One SIP message of a call, masked. */
export interface Rung {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Seen from the service. */
  readonly direction: 'in' | 'out';
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  readonly transport: string;
  /** Address and port of the far end. */
  readonly remote: string;
  /** Length on the wire. */
  readonly bytes: number;
  readonly text: string;
}

/**
 * The SIP messages of a call between two lines, ours and the carrier's, in their order. It is a list of texts that is
 * drawn by the style sheet: a screen reader reads "sends INVITE", and each rung opens to the whole message.
 */
export function ladderPart(rungs: readonly Rung[]): Part {
  const [first] = rungs;
  if (first === undefined) return part('ladder', html`<p class="empty">No message has passed yet.</p>`);
  return part(
    'ladder',
    html`<div class="ends" aria-hidden="true"><span></span><span>voice-otp</span><span class="mono">${first.remote}</span></div>
<ol class="ladder">${rungs.map((rung, i) => drawn(rung, i, first.at))}</ol>
<p class="hint">Choose a message to read it. Numbers, passwords and keys are masked.</p>`,
  );
}

function drawn({ at, direction, attempt, transport, bytes, text }: Rung, i: number, zero: number): Html {
  const label = labelOf(text);
  const kind = /^[3-6]\d\d/.test(label) ? ' refused' : /^2\d\d/.test(label) ? ' agreed' : '';
  return html`<li><details id="rung-${i}"><summary><span class="at mono">+${at - zero} ms</span><span class="rung ${direction}${kind}"><span class="sr">${direction === 'out' ? 'sends ' : 'receives '}</span><span class="label">${label}</span></span></summary>
<pre tabindex="0" aria-label="${label}">${text.trimEnd()}</pre><p class="hint">${transport.toUpperCase()}, ${bytes} bytes, attempt ${attempt}</p></details></li>`;
}

/** The first line of a message, for a drawing: its method or its status, what a response is to, and whether it describes media. */
function labelOf(text: string): string {
  const [firstLine = ''] = text.split(/\r?\n/, 1);
  const hasMedia =
    /^content-type\s*:\s*application\/sdp/im.test(text) || /^c\s*:\s*application\/sdp/m.test(text);
  const media = hasMedia ? ' (SDP)' : '';
  const response = /^SIP\/2\.0 (?<status>\d{3}) ?(?<reason>.*)$/.exec(firstLine)?.groups;
  if (response === undefined) return `${firstLine.split(' ', 1)[0]}${media}`;
  const method = /^cseq\s*:\s*\d+\s+(?<method>[A-Z]+)/im.exec(text)?.groups?.['method'] ?? '';
  return `${response['status']} ${response['reason']}${method === 'INVITE' ? '' : ` (${method})`}${media}`;
}
