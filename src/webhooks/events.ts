import type { Call, TimelineEntry } from '../call/call.ts';
import type { Verification } from '../verification/verification.ts';
import type { Notice } from './notice.ts';

/** What of a timeline is told, and what it is called. The rest is of no use to anybody but us. */
const CALL_EVENTS: Readonly<Record<string, `call.${string}` | undefined>> = {
  queued: 'call.queued',
  trying: 'call.trying',
  ringing: 'call.ringing',
  early_media: 'call.early_media',
  answered: 'call.answered',
  detected: 'call.detected',
  gate_opened: 'call.gate_opened',
  prompt_finished: 'call.prompt_finished',
};

/** All types of events, apart from `webhook.test`. A client may ask for some of them only. */
export const EVENT_TYPES = [
  'verification.created',
  'call.queued',
  'call.trying',
  'call.ringing',
  'call.early_media',
  'call.answered',
  'call.detected',
  'call.gate_opened',
  'call.prompt_finished',
  'call.attempt_ended',
  'call.ended',
  'verification.approved',
  'verification.failed',
  'verification.expired',
  'verification.canceled',
  'verification.max_checks_reached',
] as const;

interface EventBase {
  /** The same however often it is sent. */
  readonly id: string;
  readonly type: string;
  /** When it happened; epoch milliseconds. */
  readonly at: number;
}

export interface CallEventTold extends EventBase {
  readonly call: Call;
  /** Place in the timeline. */
  readonly index: number;
  readonly entry: TimelineEntry;
}

export interface VerificationEventTold extends EventBase {
  readonly verification: Verification;
}

/** Something that happened, to be told. */
export type NoticeEvent = CallEventTold | VerificationEventTold;

/** How far a notice has come. */
export type Told = Pick<Notice, 'toldOfCall' | 'toldOfVerification'>;

/** What is stored; undefined: there is none, or no more. */
export interface Records {
  readonly call: Call | undefined;
  readonly verification: Verification | undefined;
}

/** What is to be done next. */
export type Step =
  | {
      readonly kind: 'tell';
      readonly event: NoticeEvent;
      /** How far it has come when that is told. */
      readonly after: Told;
    }
  /** Nothing now. */
  | { readonly kind: 'wait'; readonly told: Told }
  /** Nothing more can come. */
  | { readonly kind: 'over' };

/**
 * What is to be told next, of what is stored. A stored timeline only grows: one node writes it at a time, each write is
 * that of before with more at its end, and whoever takes a call over goes on from what is stored. So the place of an entry
 * names it for ever. What a node has not stored yet is not told; what a dead one never stored did not happen.
 *
 * Call and verification are each told in their own order, and together by their times as far as they are known.
 *
 * @param isWanted whether it is to be told to this target; what is not wanted counts as told
 */
export function nextStep(notice: Notice, records: Records, isWanted: (event: NoticeEvent) => boolean): Step {
  let told: Told = notice;
  for (;;) {
    const next = following(notice, told, records);
    if (next === undefined) {
      const { toldOfCall, toldOfVerification } = told;
      return isOver(records) ? { kind: 'over' } : { kind: 'wait', told: { toldOfCall, toldOfVerification } };
    }
    if (isWanted(next.event)) return { kind: 'tell', ...next };
    told = next.after;
  }
}

/** Nothing more can come of what has ended, or is gone. */
function isOver({ call, verification }: Records): boolean {
  return (
    (call === undefined || call.state === 'ended') &&
    (verification === undefined || verification.status !== 'pending')
  );
}

function following(
  notice: Notice,
  { toldOfCall, toldOfVerification }: Told,
  { call, verification }: Records,
): { readonly event: NoticeEvent; readonly after: Told } | undefined {
  if (verification !== undefined && toldOfVerification === 0) {
    return { event: begun(notice, verification), after: { toldOfCall, toldOfVerification: 1 } };
  }
  const entry = call?.timeline[toldOfCall];
  if (verification !== undefined && verification.endedAt !== null && toldOfVerification === 1) {
    if (entry === undefined || verification.endedAt < entry.at) {
      return {
        event: ended(notice, verification, verification.endedAt),
        after: { toldOfCall, toldOfVerification: 2 },
      };
    }
  }
  if (call === undefined || entry === undefined) return undefined;
  const event: CallEventTold = {
    id: `${eventPrefix(notice)}_c${toldOfCall}`,
    type: typeOf(entry),
    at: entry.at,
    call,
    index: toldOfCall,
    entry,
  };
  return { event, after: { toldOfCall: toldOfCall + 1, toldOfVerification } };
}

/** Of what has no name a client asks for nothing. */
function typeOf({ type, attempt }: TimelineEntry): string {
  if (type === 'ended') return attempt === 0 ? 'call.ended' : 'call.attempt_ended';
  return CALL_EVENTS[type] ?? `call.${type}`;
}

function begun(notice: Notice, verification: Verification): VerificationEventTold {
  const { createdAt: at } = verification;
  return { id: `${eventPrefix(notice)}_v0`, type: 'verification.created', at, verification };
}

function ended(notice: Notice, verification: Verification, at: number): VerificationEventTold {
  const type = `verification.${verification.status}`;
  return { id: `${eventPrefix(notice)}_v1`, type, at, verification };
}

function eventPrefix({ id }: Notice): string {
  return `evt_${id.slice(id.indexOf('_') + 1)}`;
}
