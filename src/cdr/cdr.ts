import type { Attempt, AttemptChannel, Blame, Call, Disposition } from '../call/call.ts';
import { durations } from '../call/call.ts';
import type { Codec } from '../engine/engine.ts';
import type { Rate, TextCharge } from './billing.ts';
import { billableSeconds, priceMicros, textPriceMicros, WHOLE_SECONDS } from './billing.ts';

/**
 * What is recorded of one attempt. Whole numbers only: times are epoch milliseconds, null where nothing of the kind
 * happened. No code is in it, and of the calling number of a flash call what the attempt shows of it.
 */
export interface CdrContent {
  /** `call_…` */
  readonly callId: string;
  /** Number of the attempt within its call, from 1. */
  readonly attempt: number;
  readonly verificationId: string | null;
  readonly clientId: string | null;
  readonly channel: AttemptChannel;
  readonly trunkId: string;
  /** JSON text: why this trunk. */
  readonly route: string | null;
  /** Calling number as the attempt has it. */
  readonly cli: string;
  /** Number that was called. */
  readonly callee: string;
  /** The request was accepted. */
  readonly queuedAt: number;
  /** The INVITE left. */
  readonly invitedAt: number;
  /** First 180. */
  readonly ringingAt: number | null;
  /** First 183 with SDP. */
  readonly earlyMediaAt: number | null;
  readonly answeredAt: number | null;
  /** The BYE, the CANCEL or the final response; of an `interrupted` attempt, when a later process closed it. */
  readonly endedAt: number;
  /** See `Durations`. */
  readonly pddMs: number | null;
  readonly ringMs: number | null;
  readonly talkMs: number | null;
  /** 0 where nobody answered. */
  readonly billableSeconds: number;
  /** How they were counted: `first/next`. */
  readonly increment: string;
  /** Messages that a text was sent as; null of calls. Not in version 1. */
  readonly segments: number | null;
  /** Per minute, or per segment of a text, decimal; null where the trunk has no price. */
  readonly rate: string | null;
  /** Millionths of the currency. */
  readonly priceMicros: number | null;
  readonly currency: string | null;
  readonly codec: Codec | null;
  /** RTP packets. */
  readonly packetsSent: number | null;
  readonly packetsReceived: number | null;
  /** Interarrival jitter of what was received (RFC 3550 §6.4.1), microseconds. */
  readonly jitterMicros: number | null;
  readonly promptSentMs: number | null;
  readonly promptFinished: boolean;
  readonly sipStatus: number | null;
  readonly sipReason: string | null;
  /** Text of the Reason header. */
  readonly reasonText: string | null;
  /** Of a call that was blocked: whom to ask for redress. */
  readonly redress: string | null;
  readonly q850: number | null;
  readonly disposition: Disposition;
  readonly blame: Blame;
  readonly hungUpBy: 'callee' | 'us' | null;
  readonly answeredBy: 'human' | 'machine' | 'unknown' | null;
  /** Characters of the code, and codes as a whole, that were sent: how many, never which. */
  readonly deliveredCharacters: number | null;
  readonly deliveredCodes: number | null;
  /** Keys that the callee pressed. */
  readonly keysPressed: number | null;
  readonly falseAnswer: boolean | null;
}

/** Version of the format. A later one may have other keys, but `v`, `seq` and `previous` first and as they are here. */
export const CDR_VERSION = 2;

/** A row of the ledger, as its `record` text says it. */
export interface Cdr extends CdrContent {
  readonly v: number;
  /** 1, 2, 3 … without gaps, over all calls. */
  readonly seq: number;
  /** Hash of the row before. */
  readonly previous: string;
  /** When it was written; never smaller than in the row before, also where the clock was set back. */
  readonly recordedAt: number;
}

/**
 * The records of a call that has ended, one for each of its attempts in their order. None for a call that was never
 * dialled.
 *
 * @throws Error where the call or an attempt has not ended; RangeError where a rate is malformed
 */
export function cdrsOf(call: Call): readonly CdrContent[] {
  return call.attempts.map((attempt, index) => cdrOf(call, attempt, index + 1));
}

function cdrOf(call: Call, attempt: Attempt, number: number): CdrContent {
  const { endedAt, disposition, blame, media, route, delivered } = attempt;
  if (endedAt === null || disposition === null || blame === null) {
    throw new Error(`attempt ${number} of ${call.id} has not ended`);
  }
  const { pddMs, ringMs, talkMs } = durations(attempt);
  return {
    callId: call.id,
    attempt: number,
    verificationId: call.verificationId,
    clientId: call.clientId,
    channel: attempt.channel ?? 'voice',
    trunkId: attempt.trunkId,
    route: route === undefined || route === null ? null : JSON.stringify(route),
    cli: attempt.cli,
    callee: call.to,
    queuedAt: call.createdAt,
    invitedAt: attempt.startedAt,
    ringingAt: attempt.ringingAt,
    earlyMediaAt: attempt.earlyMediaAt,
    answeredAt: attempt.answeredAt,
    endedAt,
    pddMs,
    ringMs,
    talkMs,
    ...(attempt.channel === 'sms' ? textCharged(attempt) : charged(talkMs, attempt.rate ?? null)),
    codec: attempt.codec,
    packetsSent: media?.packetsSent ?? null,
    packetsReceived: media?.packetsReceived ?? null,
    jitterMicros: media === null ? null : Math.round(media.jitterMs * 1000),
    promptSentMs: media === null ? null : Math.round(media.promptSentMs),
    promptFinished: attempt.promptFinished,
    sipStatus: attempt.sipStatus,
    sipReason: attempt.sipReason,
    reasonText: reasonTextOf(call, number),
    redress: attempt.redress ?? null,
    q850: attempt.q850,
    disposition,
    blame,
    hungUpBy: attempt.hungUpBy,
    answeredBy: attempt.answeredBy ?? null,
    deliveredCharacters: delivered?.characters ?? null,
    deliveredCodes: delivered?.codes ?? null,
    keysPressed: delivered?.keys ?? null,
    falseAnswer: delivered?.falseAnswer ?? null,
  };
}

type Charge = Pick<
  CdrContent,
  'billableSeconds' | 'increment' | 'segments' | 'rate' | 'priceMicros' | 'currency'
>;

function charged(talkMs: number | null, rate: Rate | null): Charge {
  const increment = rate?.increment ?? WHOLE_SECONDS;
  const seconds = talkMs === null ? 0 : billableSeconds(talkMs, increment);
  return {
    billableSeconds: seconds,
    increment,
    segments: null,
    rate: rate?.amount ?? null,
    priceMicros: rate === null ? null : priceMicros(seconds, rate.amount),
    currency: rate?.currency ?? null,
  };
}

function textCharged(attempt: Attempt): Charge {
  const { segments, price } = attempt.textCharge ?? UNKNOWN_CHARGE;
  const taken = mayBeTaken(attempt) ? (segments ?? 0) : 0;
  return {
    billableSeconds: 0,
    increment: WHOLE_SECONDS,
    segments,
    rate: price?.amount ?? null,
    priceMicros: price === null ? null : textPriceMicros(taken, price.amount),
    currency: price?.currency ?? null,
  };
}

/** Of records from before texts had a price. */
const UNKNOWN_CHARGE: { readonly [key in keyof TextCharge]: null } = { segments: null, price: null };

/**
 * A text is charged when it is taken. Where nobody heard what became of it, it may have been: its price is the most that
 * it can be. A 487 is an answer: that one was not taken.
 */
function mayBeTaken({ disposition, sipStatus }: Attempt): boolean {
  if (disposition === 'canceled') return sipStatus === null;
  return disposition !== null && MAY_BE_TAKEN.includes(disposition);
}

const MAY_BE_TAKEN: readonly Disposition[] = ['sent', 'trunk_timeout', 'interrupted'];

function reasonTextOf({ timeline }: Call, number: number): string | null {
  const text = timeline.find(({ attempt, type }) => attempt === number && type === 'ended')?.detail[
    'reasonText'
  ];
  return typeof text === 'string' ? text : null;
}
