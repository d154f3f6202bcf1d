import type { LegEnd, SipResult } from '../engine/engine.ts';
import type { Blame, Call, Disposition, TimelineEntry } from './call.ts';

type HungUp = Extract<LegEnd, { kind: 'hung_up' }>;
type Retry = 'next_trunk' | 'never';

/** What became of a leg, who is to blame, and whether another trunk may be tried. */
export interface Outcome {
  readonly disposition: Disposition;
  readonly blame: Blame;
  readonly retry: Retry;
}

/** What was seen before the leg ended, and what the trunk's owner wants. */
export interface LegHistory {
  /** A 180 came: the phone has rung. */
  readonly rang: boolean;
  /** Whether it was to ring only. */
  readonly flash: boolean;
  /** Whether it was a text message. */
  readonly text?: boolean;
  /** Any provisional response but 100 came. */
  readonly progressed: boolean;
  /** Dispositions of the attempts of the same channel before this one. */
  readonly earlier: readonly Disposition[];
  /** `Trunk.retryRejected`. */
  readonly retryRejected: boolean;
}

/** `once`: on the next trunk unless an earlier attempt ended the same way. `if_allowed`: by `retryRejected`. */
type RetryRule = Retry | 'once' | 'if_allowed';

type Row = readonly [disposition: Disposition, blame: Blame, retry: RetryRule];

const INVALID_NUMBER: Row = ['invalid_number', 'callee', 'never'];
/** A number that this trunk has no route to may exist all the same. */
const NO_ROUTE: Row = ['invalid_number', 'trunk', 'once'];
const BUSY: Row = ['busy', 'callee', 'never'];
const UNREACHABLE: Row = ['unreachable', 'callee', 'never'];
const NO_ANSWER: Row = ['no_answer', 'callee', 'never'];
/** Nobody said anything but 100: not even the trunk is known to be there. */
const TRUNK_TIMEOUT: Row = ['trunk_timeout', 'trunk', 'next_trunk'];
/** The far network was reached, the phone was not. */
const NOT_PAGED: Row = ['unreachable', 'unknown', 'next_trunk'];
const REJECTED: Row = ['rejected', 'trunk', 'if_allowed'];
const DECLINED: Row = ['declined', 'callee', 'never'];
/** The name of our calling number is at stake, and its redress is up to us. */
const BLOCKED: Row = ['blocked', 'us', 'never'];
/** A 487 that we did not ask for; our own CANCEL ends as `canceled` without blame. */
const CANCELED_THERE: Row = ['canceled', 'unknown', 'never'];
/** Also where a 200 crossed our CANCEL: nobody heard anything. */
const CANCELED_HERE: Row = ['canceled', 'none', 'never'];
const MEDIA_REJECTED: Row = ['media_rejected', 'trunk', 'once'];
const IDENTITY_REJECTED: Row = ['identity_rejected', 'us', 'never'];
const TRUNK_FAILURE: Row = ['trunk_failure', 'trunk', 'next_trunk'];
/** RFC 3261 §8.1.3.4 would have us try the new address; it is not one that the operator configured. */
const REDIRECTED: Row = ['redirected', 'trunk', 'never'];
const TRUNK_AUTH: Row = ['trunk_auth', 'us', 'next_trunk'];
const REFUSED_THERE: Row = ['rejected', 'unknown', 'never'];
const REFUSED_EVERYWHERE: Row = ['rejected', 'callee', 'never'];
/** A text message that the trunk has taken, which is all that is ever known of it. */
const SENT: Row = ['sent', 'none', 'never'];
/** What a flash call is for. */
const RANG: Row = ['rang', 'none', 'never'];
/** Some networks never say that a phone rings, and it may have. */
const NO_RING: Row = ['no_ring', 'unknown', 'never'];
const DIVERTED: Row = ['diverted', 'callee', 'never'];
const NO_KEY: Row = ['no_key', 'callee', 'never'];
const MACHINE: Row = ['machine', 'callee', 'never'];
const OUR_FAULT: Row = ['failed', 'us', 'never'];

/** Final responses whose meaning is their own; 408, 480 and 603 and the classes are looked at more closely. */
const BY_STATUS: Readonly<Record<number, Row>> = {
  401: TRUNK_AUTH,
  403: REJECTED,
  404: INVALID_NUMBER,
  407: TRUNK_AUTH,
  410: INVALID_NUMBER,
  428: IDENTITY_REJECTED,
  436: IDENTITY_REJECTED,
  437: IDENTITY_REJECTED,
  438: IDENTITY_REJECTED,
  484: INVALID_NUMBER,
  486: BUSY,
  487: CANCELED_THERE,
  488: MEDIA_REJECTED,
  600: BUSY,
  604: INVALID_NUMBER,
  606: MEDIA_REJECTED,
  607: BLOCKED,
  608: BLOCKED,
};

/** Q.850 causes that say more than a 5xx, and than a 4xx that nobody knows. 18, 19, 20 and 31 are looked at more closely. */
const BY_CAUSE: Readonly<Record<number, Row>> = {
  1: INVALID_NUMBER,
  17: BUSY,
  21: REJECTED,
  22: INVALID_NUMBER,
  26: INVALID_NUMBER,
  27: TRUNK_FAILURE,
  28: INVALID_NUMBER,
  34: TRUNK_FAILURE,
  38: TRUNK_FAILURE,
  41: TRUNK_FAILURE,
  42: TRUNK_FAILURE,
  47: TRUNK_FAILURE,
  55: REJECTED,
  57: REJECTED,
  65: MEDIA_REJECTED,
  70: MEDIA_REJECTED,
  87: REJECTED,
  102: TRUNK_FAILURE,
  111: TRUNK_FAILURE,
};

/** Q.850 causes that say more than a 4xx that nobody knows, but not more than a 5xx: this call failed at the trunk. */
const BY_CAUSE_OF_4XX: Readonly<Record<number, Row>> = {
  2: NO_ROUTE,
  3: NO_ROUTE,
  16: CANCELED_THERE,
  23: REDIRECTED,
};

/**
 * What these mean to a MESSAGE alone: a gateway that waited in vain for the phone, and trunks to which MESSAGE or its
 * body is unknown, which is no news of the calls that they carry.
 */
const BY_STATUS_OF_TEXT: Readonly<Record<number, Row>> = {
  405: MEDIA_REJECTED,
  408: NOT_PAGED,
  415: MEDIA_REJECTED,
  501: MEDIA_REJECTED,
};

/** Hang-ups of ours that are no answered call, or not a full one. */
const HUNG_UP: Readonly<Partial<Record<HungUp['why'], Row>>> = {
  crossed_cancel: CANCELED_HERE,
  no_key: NO_KEY,
  machine: MACHINE,
};

const PROVISIONAL: readonly TimelineEntry['type'][] = ['progress', 'ringing', 'early_media'];

/** Q.850: no route to the transit network, no route to the destination. */
const NO_ROUTE_CAUSES: readonly (number | undefined)[] = [2, 3];

/** Judges the end of one leg. Once a 180 was seen the phone has rung, and nothing rings it again by itself. */
export function judge(end: LegEnd, history: LegHistory): Outcome {
  const [disposition, blame, rule] = rowOf(end, history);
  return { disposition, blame, retry: history.rang ? 'never' : retryOf(rule, disposition, history) };
}

/** What `judge` has to know about the last attempt of a call. */
export function historyOf(call: Call, retryRejected: boolean): LegHistory {
  const number = call.attempts.length;
  const attempt = call.attempts.at(-1);
  return {
    rang: (attempt?.ringingAt ?? null) !== null,
    flash: attempt?.channel === 'flash',
    text: attempt?.channel === 'sms',
    progressed: call.timeline.some((entry) => entry.attempt === number && PROVISIONAL.includes(entry.type)),
    earlier: call.attempts
      .slice(0, -1)
      .filter(({ channel }) => channel === attempt?.channel)
      .flatMap(({ disposition }) => disposition ?? []),
    retryRejected,
  };
}

function retryOf(rule: RetryRule, disposition: Disposition, history: LegHistory): Retry {
  switch (rule) {
    case 'once':
      return history.earlier.includes(disposition) ? 'never' : 'next_trunk';
    case 'if_allowed':
      return history.retryRejected ? 'next_trunk' : 'never';
    case 'next_trunk':
    case 'never':
      return rule;
  }
}

function rowOf(end: LegEnd, history: LegHistory): Row {
  switch (end.kind) {
    case 'rejected':
      return (history.text ? BY_STATUS_OF_TEXT[end.sip.status] : undefined) ?? responseRow(end.sip, history);
    case 'taken':
      return SENT;
    case 'setup_timeout':
      return timeoutRow(history);
    // Even without a 180: a tone in early media may have been the phone's.
    case 'ring_timeout':
      return NO_ANSWER;
    case 'canceled':
      return CANCELED_HERE;
    case 'hung_up':
      // Our CANCEL was late, and what the call was for has happened: the number was seen.
      if (end.why === 'crossed_cancel' && history.flash && history.rang) return RANG;
      return HUNG_UP[end.why] ?? ['answered', hangUpBlame(end.why), 'never'];
    case 'rang':
      return RANG;
    case 'no_ring':
      return NO_RING;
    case 'diverted':
      return DIVERTED;
    // Somebody has picked up, and must not be rung again for it.
    case 'media_rejected':
      return ['media_rejected', 'trunk', 'never'];
    case 'unreachable':
      return TRUNK_FAILURE;
    case 'failed':
      return OUR_FAULT;
  }
}

function responseRow(sip: SipResult, history: LegHistory): Row {
  const { status, q850 } = sip;
  switch (status) {
    case 408:
      return timeoutRow(history);
    case 480:
      return absentRow(history);
    case 603:
      return saysBlocked(sip) ? BLOCKED : DECLINED;
    default: {
      const row = BY_STATUS[status] ?? classRow(status, q850, history);
      return row === INVALID_NUMBER && NO_ROUTE_CAUSES.includes(q850) ? NO_ROUTE : row;
    }
  }
}

function causeRow(q850: number | undefined, history: LegHistory): Row | undefined {
  switch (q850) {
    case undefined:
      return undefined;
    case 18:
      return timeoutRow(history);
    case 19:
    case 20:
    case 31:
      return absentRow(history);
    default:
      return BY_CAUSE[q850];
  }
}

function absentRow(history: LegHistory): Row {
  return history.rang ? NO_ANSWER : UNREACHABLE;
}

function timeoutRow(history: LegHistory): Row {
  if (history.rang) {
    return NO_ANSWER;
  }
  return history.progressed ? NOT_PAGED : TRUNK_TIMEOUT;
}

/**
 * A status that nobody knows counts as its class (RFC 3261 §8.1.3.2). 3xx and 6xx stay what they are whatever
 * the cause says: the one is never followed, the other speaks for the callee everywhere (§21.6).
 */
function classRow(status: number, q850: number | undefined, history: LegHistory): Row {
  if (status < 400) {
    return REDIRECTED;
  }
  if (status >= 600) {
    return REFUSED_EVERYWHERE;
  }
  const told = causeRow(q850, history);
  return told ?? (status < 500 ? (BY_CAUSE_OF_4XX[q850 ?? 0] ?? REFUSED_THERE) : TRUNK_FAILURE);
}

/**
 * ATIS-1000099 ("603+"): a call that analytics blocked has the phrase "Network Blocked", and in the Reason
 * text `v=analytics1` with the redress contact.
 */
function saysBlocked({ reason, reasonText = '' }: SipResult): boolean {
  return /network\s*blocked/i.test(`${reason}\n${reasonText}`) || /^\s*v=analytics/i.test(reasonText);
}

function hangUpBlame(why: HungUp['why']): Blame {
  return why === 'peer_lost' || why === 'session_expired' ? 'trunk' : 'none';
}
