import { parseCSeq } from '../../src/sip/header.ts';
import { header, type SipRequest, type SipResponse } from '../../src/sip/message.ts';

/** One SIP message that passed a carrier's port. */
export interface WireEntry {
  /** Epoch milliseconds with fractions. */
  readonly at: number;
  readonly trunkId: string;
  /** As the carrier sees it. */
  readonly direction: 'in' | 'out';
  /** Which node's, by its SIP port. */
  readonly peerPort: number;
  readonly callId: string;
  /** Of a response: the method that it answers. */
  readonly method: string;
  /** Null: a request. */
  readonly status: number | null;
  readonly branch: string;
  /** Of an INVITE that begins a call: whom it calls. Null else. */
  readonly number: string | null;
}

export type Passing = Pick<WireEntry, 'at' | 'trunkId' | 'direction' | 'peerPort'>;

export function wireEntry(message: SipRequest | SipResponse, passing: Passing): WireEntry {
  const isRequest = message.kind === 'request';
  const method = isRequest ? message.method : (parseCSeq(header(message, 'CSeq'))?.method ?? '');
  // A re-INVITE is no new call.
  const begins = isRequest && method === 'INVITE' && !/;tag=/.test(header(message, 'To') ?? '');
  return {
    ...passing,
    callId: header(message, 'Call-ID') ?? '',
    method,
    status: isRequest ? null : message.status,
    branch: /branch=([^;,]+)/.exec(header(message, 'Via') ?? '')?.[1] ?? '',
    number: begins ? (/^sips?:([+\d]+)@/.exec(message.uri)?.[1] ?? '') : null,
  };
}

/** What a carrier saw of one attempt: all messages of one Call-ID at one trunk. */
export interface WireLeg {
  readonly trunkId: string;
  readonly callId: string;
  readonly number: string;
  /** INVITEs, each transaction once, however often its request was sent. */
  readonly invites: readonly { readonly at: number; readonly branch: string }[];
  /** The carrier said something to the INVITE: one that was lost on the way is nothing to it. */
  readonly taken: boolean;
  readonly answeredAt: number | null;
  /**
   * When nothing is left of it: at the final response that refuses it, or to the BYE of whichever side. Null: it is up,
   * or rings.
   */
  readonly overAt: number | null;
}

/** @param wire in the order of time */
export function legsOf(wire: readonly WireEntry[]): readonly WireLeg[] {
  const legs = new Map<string, { -readonly [Key in keyof WireLeg]: WireLeg[Key] }>();
  for (const entry of wire) {
    const key = `${entry.trunkId} ${entry.callId}`;
    if (entry.number !== null && entry.direction === 'in') {
      const { trunkId, callId, number, at, branch } = entry;
      const leg = legs.get(key);
      if (leg === undefined) {
        const invites = [{ at, branch }];
        legs.set(key, { trunkId, callId, number, invites, taken: false, answeredAt: null, overAt: null });
      } else if (!leg.invites.some((invite) => invite.branch === branch)) {
        leg.invites = [...leg.invites, { at, branch }];
      }
      continue;
    }
    const leg = legs.get(key);
    if (leg === undefined || entry.status === null) continue;
    const { status, method, direction, at } = entry;
    if (method === 'INVITE' && direction === 'out') {
      leg.taken = true;
      if (status >= 200 && status < 300) leg.answeredAt ??= at;
      // What is answered to a re-INVITE, or to whoever answers a challenge later, ends nothing.
      if (status >= 300 && status !== 401 && status !== 407 && leg.answeredAt === null) leg.overAt ??= at;
    }
    // Before the answer a BYE ends an early dialog (RFC 3261 §15).
    if (method === 'BYE' && status >= 200) leg.overAt ??= at;
  }
  return [...legs.values()];
}

/** Legs that the carrier took and of which it still has something. */
export function openLegs(legs: readonly WireLeg[]): readonly WireLeg[] {
  return legs.filter(({ taken, overAt }) => taken && overAt === null);
}

/** The most that are within any second, its beginning included and its end not. */
export function mostInASecond(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  let most = 0;
  let first = 0;
  for (const [index, at] of sorted.entries()) {
    while ((sorted[first] ?? at) <= at - 1000) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

/** The most legs that a carrier had at a time: each from its first INVITE on. */
export function mostAtATime(legs: readonly WireLeg[]): number {
  const changes = legs
    .filter(({ taken }) => taken)
    .flatMap(({ invites: [first], overAt }) => [
      [first?.at ?? 0, 1] as const,
      [overAt ?? Number.POSITIVE_INFINITY, -1] as const,
    ])
    // One that ends makes room for one that begins in the same moment.
    .toSorted(([a, up], [b, other]) => a - b || up - other);
  let now = 0;
  let most = 0;
  for (const [, change] of changes) {
    now += change;
    most = Math.max(most, now);
  }
  return most;
}
