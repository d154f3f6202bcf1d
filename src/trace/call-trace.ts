import type { WireMessage } from '../sip/transport.ts';
import { maskTrace } from './mask.ts';

/** One of our own addresses, as a peer reaches it. */
export interface LocalEnd {
  readonly address: string;
  readonly port: number;
}

/** A message of a call, masked; `sip/ladder` draws it. */
export interface TracedMessage extends WireMessage {
  /** Number of the attempt within its call, from 1. */
  readonly attempt: number;
  /** Null where nobody said which it is. */
  readonly local: LocalEnd | null;
  /** Length on the wire. */
  readonly bytes: number;
}

/** What is kept of one call. */
export interface TraceOfCall {
  readonly callId: string;
  /** In the order in which they passed. */
  readonly messages: readonly TracedMessage[];
  /** Messages that were left out in the middle, since there were too many. */
  readonly skipped: number;
}

export interface CallTraceOptions {
  /** Calls whose messages are kept; the one that was silent for the longest goes first. */
  readonly maxCalls: number;
  /** Memory for all of them, bytes; about 2 × what passed on the wire. */
  readonly maxBytes: number;
  readonly local?: (peer: WireMessage['peer']) => LocalEnd | undefined;
}

/** Messages that are kept of a call: of more, the first and the last. */
const MAX_MESSAGES = 200;
/** Of a message that is longer, the beginning. */
const MAX_CHARS = 16_384;
/** Call-IDs of which no call is known, such as those of OPTIONS. */
const MAX_STRANGERS = 200;
/** What a message needs beside its text, bytes. */
const OVERHEAD = 300;

type Stored = Omit<TracedMessage, 'attempt'>;

/** What passed under one Call-ID. */
interface Dialog {
  readonly sipCallId: string;
  callId: string | undefined;
  attempt: number;
  messages: Stored[];
  skipped: number;
  bytes: number;
}

/**
 * The SIP messages of the latest calls, in memory only. A trace is for whoever asks why a call went wrong just now:
 * written into the store it would be most of what is written there, and numbers of people would lie on disk for
 * longer than anybody reads them. What is to be kept goes to a capture server (`hep-exporter`). Messages are masked
 * when they come, so that nothing secret is held at all.
 */
export class CallTrace {
  readonly #options: CallTraceOptions;
  /** By SIP Call-ID. */
  readonly #dialogs = new Map<string, Dialog>();
  /** By our call's id, the one that was silent for the longest first. */
  readonly #calls = new Map<string, Dialog[]>();
  /** Call-IDs that belong to no call, the oldest first. */
  readonly #strangers = new Set<string>();
  #bytes = 0;

  constructor(options: CallTraceOptions) {
    this.#options = options;
  }

  /** What is held: within the bounds of the options at any time. */
  get held(): { readonly calls: number; readonly bytes: number } {
    return { calls: this.#calls.size, bytes: this.#bytes };
  }

  /** Says to which call a SIP Call-ID belongs, before or soon after its first message: each is one attempt. */
  follow(callId: string, sipCallId: string): void {
    const dialog = this.#dialogs.get(sipCallId) ?? this.#begin(sipCallId);
    if (dialog.callId !== undefined) return;
    const legs = this.#calls.get(callId) ?? [];
    legs.push(dialog);
    dialog.callId = callId;
    dialog.attempt = legs.length;
    this.#strangers.delete(sipCallId);
    this.#touch(callId, legs);
    this.#bound();
  }

  /** Which call a SIP Call-ID belongs to. */
  callOf(sipCallId: string): string | undefined {
    return this.#dialogs.get(sipCallId)?.callId;
  }

  /** For `onWire`. */
  readonly take = (message: WireMessage): void => {
    const sipCallId = callIdOf(message.text);
    if (sipCallId === undefined) return;
    const dialog = this.#dialogs.get(sipCallId) ?? this.#begin(sipCallId);
    const text = maskTrace(message.text, message.direction).slice(0, MAX_CHARS);
    const local = this.#options.local?.(message.peer) ?? null;
    this.#keep(dialog, { ...message, text, local, bytes: Buffer.byteLength(message.text) });
    const legs = dialog.callId === undefined ? undefined : this.#calls.get(dialog.callId);
    if (legs !== undefined) this.#touch(dialog.callId ?? '', legs);
    this.#bound();
  };

  /** Undefined where nothing is kept of the call, or not any more. */
  of(callId: string): TraceOfCall | undefined {
    const legs = this.#calls.get(callId);
    if (legs === undefined) return undefined;
    const messages = legs.flatMap((leg) =>
      leg.messages.map((message) => ({ ...message, attempt: leg.attempt })),
    );
    // Legs follow one another, but a late BYE of the first may cross the INVITE of the second. The sort is stable.
    messages.sort((one, other) => one.at - other.at);
    return { callId, messages, skipped: legs.reduce((sum, { skipped }) => sum + skipped, 0) };
  }

  #begin(sipCallId: string): Dialog {
    const dialog: Dialog = { sipCallId, callId: undefined, attempt: 0, messages: [], skipped: 0, bytes: 0 };
    this.#dialogs.set(sipCallId, dialog);
    this.#strangers.add(sipCallId);
    return dialog;
  }

  #keep(dialog: Dialog, message: Stored): void {
    if (dialog.messages.length >= MAX_MESSAGES) {
      const [dropped] = dialog.messages.splice(MAX_MESSAGES / 2, 1);
      this.#count(dialog, dropped === undefined ? 0 : -sizeOf(dropped));
      dialog.skipped += 1;
    }
    dialog.messages.push(message);
    this.#count(dialog, sizeOf(message));
  }

  #count(dialog: Dialog, bytes: number): void {
    dialog.bytes += bytes;
    this.#bytes += bytes;
  }

  #touch(callId: string, legs: Dialog[]): void {
    this.#calls.delete(callId);
    this.#calls.set(callId, legs);
  }

  #bound(): void {
    const { maxCalls, maxBytes } = this.#options;
    for (const sipCallId of this.#strangers) {
      if (this.#strangers.size <= MAX_STRANGERS && this.#bytes <= maxBytes) break;
      this.#strangers.delete(sipCallId);
      this.#forget(this.#dialogs.get(sipCallId));
    }
    for (const [callId, legs] of this.#calls) {
      if (this.#calls.size <= maxCalls && this.#bytes <= maxBytes) break;
      this.#calls.delete(callId);
      for (const leg of legs) this.#forget(leg);
    }
  }

  #forget(dialog: Dialog | undefined): void {
    if (dialog === undefined) return;
    this.#dialogs.delete(dialog.sipCallId);
    this.#bytes -= dialog.bytes;
  }
}

/** A text with a masked number in it takes two bytes a character. */
function sizeOf({ text }: Stored): number {
  return 2 * text.length + OVERHEAD;
}

/** The Call-ID of a message, long or compact (RFC 3261 §20.8), without reading all of it. */
export function callIdOf(text: string): string | undefined {
  return /^(?:call-id|i)[ \t]*:[ \t]*(\S+)/im.exec(text)?.[1];
}
