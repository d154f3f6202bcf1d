import { expect } from 'vitest';
import type { WireMessage } from '../../src/sip/transport.ts';
import { eventually } from './eventually.ts';

/** One message of a call, as a carrier (the lab, SIPp) sent or received it. */
export interface WireEntry {
  /** `in` and the method, or `out`, the status and the method: `in CANCEL`, `out 180 INVITE`. */
  readonly name: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly text: string;
}

/** What passed a carrier, by the number that was called: give each call a number of its own. */
export class WireRecord {
  readonly #entries: (WireEntry & { readonly callId: string })[] = [];
  readonly #callIds = new Map<string, string>();
  #watch: ((entry: WireEntry) => void) | undefined;

  /** For `onWire`. */
  readonly take = ({ direction, at, text }: Omit<WireMessage, 'peer'>): void => {
    const callId = /^Call-ID: *(\S+)/im.exec(text)?.[1] ?? '';
    const method = /^CSeq: *\d+ (\w+)/im.exec(text)?.[1] ?? '';
    const status = /^SIP\/2\.0 (\d{3})/.exec(text)?.[1];
    const called = /^INVITE sip:([+\d]+)@/.exec(text)?.[1];
    if (called !== undefined) this.#callIds.set(called, callId);
    const name = `${direction} ${status === undefined ? '' : `${status} `}${method}`;
    this.#entries.push({ name, at, text, callId });
    this.#watch?.({ name, at, text });
  };

  /** Sees each message before anybody acts on it, until the next one is named. */
  watch(see: (entry: WireEntry) => void): void {
    this.#watch = see;
  }

  /** All messages of the calls to this number, as often as they passed. */
  of(number: string): readonly WireEntry[] {
    const callId = this.#callIds.get(number);
    return this.#entries.filter((entry) => entry.callId === callId);
  }

  /** When the first message of this name passed. */
  at(number: string, name: string): number {
    const entries = this.of(number);
    const found = entries.find((entry) => entry.name === name);
    const names = entries.map((entry) => entry.name).join(', ');
    expect(found, `${name} among ${names}`).toBeDefined();
    return found?.at ?? 0;
  }

  /** How long after the first message of one name the first one of another passed, milliseconds. */
  async between(number: string, first: string, then: string): Promise<number> {
    return eventually(() => this.at(number, then) - this.at(number, first));
  }
}
