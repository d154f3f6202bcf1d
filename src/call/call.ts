import type { Rate, TextCharge } from '../cdr/billing.ts';
import type { CallEvent, Codec, Leftover, MediaStats } from '../engine/engine.ts';
import type { PromptReport } from '../prompt/prompt-report.ts';

export type CallState = 'queued' | 'dialing' | 'ringing' | 'answered' | 'ended';

/** What became of a call; docs/errors.md says what each means. */
export type Disposition =
  | 'answered'
  | 'sent'
  | 'busy'
  | 'no_answer'
  | 'declined'
  | 'rejected'
  | 'blocked'
  | 'unreachable'
  | 'invalid_number'
  | 'canceled'
  | 'media_rejected'
  | 'identity_rejected'
  | 'redirected'
  | 'trunk_auth'
  | 'trunk_failure'
  | 'trunk_timeout'
  | 'prompt_failed'
  | 'capacity'
  | 'rang'
  | 'no_ring'
  | 'diverted'
  | 'no_key'
  | 'machine'
  | 'interrupted'
  | 'failed';

export type Blame = 'none' | 'callee' | 'trunk' | 'us' | 'unknown';

/** What of a code reached the callee's side of the network before the hang-up, as far as our side can tell. */
export interface Delivered {
  /** Characters of the repetition that went furthest; null where no code was to be said. */
  readonly characters: number | null;
  /** Times that the whole code was sent. */
  readonly codes: number | null;
  /** Keys that the callee pressed. */
  readonly keys: number;
  /**
   * Answered for a second or more, and no RTP came from there: a phone sends some, so the answer may be false
   * (false answer supervision).
   */
  readonly falseAnswer: boolean;
}

/** Why a trunk was chosen: what `route` said of it, as data. */
export type RouteReason = Readonly<Record<string, unknown>>;

/** How a callee is reached: by a call that speaks, by one that only rings, or by a text message. */
export type AttemptChannel = 'voice' | 'flash' | 'sms';

/** One leg on one trunk, or one text message. Times are epoch milliseconds, null until they happened. */
export interface Attempt {
  readonly trunkId: string;
  /** Absent in records of version 0.1: `voice`. */
  readonly channel?: AttemptChannel;
  readonly cli: string;
  readonly startedAt: number;
  /** First 180. */
  readonly ringingAt: number | null;
  /** First 183 with SDP. */
  readonly earlyMediaAt: number | null;
  readonly answeredAt: number | null;
  readonly endedAt: number | null;
  readonly codec: Codec | null;
  /** The final response, or 408 where silence ended it; null where none came. */
  readonly sipStatus: number | null;
  readonly sipReason: string | null;
  readonly q850: number | null;
  /**
   * Whom to ask for redress where the call was blocked: what the Reason header says (`v=analytics1;url=…;tel=…`,
   * ATIS-1000099), or an address (RFC 8688). Null else. Absent in records of version 0.1.
   */
  readonly redress?: string | null;
  readonly disposition: Disposition | null;
  readonly blame: Blame | null;
  /** Who said BYE; null where nobody did. */
  readonly hungUpBy: 'callee' | 'us' | null;
  readonly promptFinished: boolean;
  readonly media: MediaStats | null;
  /** Null before the end, and where nothing was answered. Absent in records of version 0.1. */
  readonly delivered?: Delivered | null;
  /** Who answered, as far as the audio tells; null where nobody listened. Absent in records of version 0.1. */
  readonly answeredBy?: 'human' | 'machine' | 'unknown' | null;
  /** What the trunk charges for the number, as it was when the attempt began. Absent in records of version 0.1. */
  readonly rate?: Rate | null;
  /** The same of a text message. Absent in older records, and in those of calls. */
  readonly textCharge?: TextCharge;
  /** Why this trunk, as the route said it. Absent in records of version 0.1. */
  readonly route?: RouteReason | null;
  /** What a later process needs to end this leg; null once it is over. */
  readonly leftover: Leftover | null;
}

/** An event as it is kept and shown: without `sent` and `again`: nothing that happened to the call. */
export interface TimelineEntry {
  readonly at: number;
  /** Number of the attempt, from 1; 0 for what concerns the whole call. */
  readonly attempt: number;
  readonly type:
    | 'queued'
    | 'prepared'
    | 'prompt_failed'
    | 'waiting'
    | Exclude<CallEvent['type'], 'sent' | 'again'>;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

/** What a request asked of the way in which a call is placed; null: what the configuration says. */
export interface CallWishes {
  /** Calling number; one that the trunk is allowed to show. */
  readonly cli: string | null;
  /** The only trunk that may be used. */
  readonly trunkId: string | null;
  readonly ringTimeoutMs: number | null;
  /** A flash call: its calling number is a secret, and so many digits of it are hidden. Absent in older records. */
  readonly flash?: { readonly hiddenDigits: number; readonly trunkId: string };
  /** Somebody is told what becomes of it (see `Notice`). */
  readonly told?: true;
  /** It is a text message, and nothing rings. */
  readonly sms?: true;
}

const NO_WISHES: CallWishes = { cli: null, trunkId: null, ringTimeoutMs: null };

/** A call as data; `apply` is the only thing that changes it. */
export interface Call {
  /** `call_…` */
  readonly id: string;
  /** What it proves; null for a call that only says something. */
  readonly verificationId: string | null;
  readonly clientId: string | null;
  readonly to: string;
  /** The client's own name for it; of a call without a verification. */
  readonly reference: string | null;
  readonly wishes: CallWishes;
  /** What it says, sealed like a code, since it may hold one; null with a verification, and once it has ended. */
  readonly sealedPlaylist: string | null;
  /** With which voices it spoke; null until its prompt was ready. */
  readonly prompt: PromptReport | null;
  readonly state: CallState;
  /** Which process carries it: what it is called among those that share a store. Null in records of version 0.1. */
  readonly node: string | null;
  /** Null until the call has ended. */
  readonly disposition: Disposition | null;
  readonly blame: Blame | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly attempts: readonly Attempt[];
  readonly timeline: readonly TimelineEntry[];
}

/** A call that was accepted and not yet dialled. */
export function createCall(known: {
  readonly id: string;
  readonly verificationId: string | null;
  readonly clientId: string | null;
  readonly to: string;
  readonly now: number;
  readonly reference?: string | null;
  readonly wishes?: CallWishes;
  readonly sealedPlaylist?: string;
  readonly node?: string;
}): Call {
  const { now, ...rest } = known;
  return {
    reference: null,
    wishes: NO_WISHES,
    sealedPlaylist: null,
    prompt: null,
    node: null,
    ...rest,
    state: 'queued',
    disposition: null,
    blame: null,
    createdAt: now,
    endedAt: null,
    attempts: [],
    timeline: [{ at: now, attempt: 0, type: 'queued', detail: {} }],
  };
}

/** Whether it has an attempt that is not over: its INVITE may have left. */
export function isInAttempt({ attempts }: Call): boolean {
  const last = attempts.at(-1);
  return last !== undefined && last.endedAt === null;
}

/** Until when it waits, at most, for what its first round may have proven; undefined where it has not begun to. */
export function waitsUntil({ timeline }: Call): number | undefined {
  const waiting = timeline.findLast(({ type }) => type === 'waiting');
  return waiting === undefined ? undefined : waiting.at + Number(waiting.detail['forMs']);
}

/** Whether its callee may be able to prove something by it, or has: heard the code, saw who called, pressed the keys. */
export function mayProve(call: Call): boolean {
  return call.attempts.some(mayHaveReached) || call.timeline.some(({ type }) => type === 'gate_opened');
}

function mayHaveReached(attempt: Attempt): boolean {
  const { channel = 'voice' } = attempt;
  switch (channel) {
    case 'flash':
      return wasSeen(attempt);
    case 'sms':
      return mayBeRead(attempt);
    case 'voice':
      return mayBeHeard(attempt);
  }
}

/** A trunk has taken it; or nobody said what became of it, and it may be on its way all the same. */
function mayBeRead({ disposition }: Attempt): boolean {
  return disposition === null || MAY_BE_READ.includes(disposition);
}

const MAY_BE_READ: readonly Disposition[] = ['sent', 'trunk_timeout', 'canceled', 'interrupted'];

function wasSeen({ ringingAt, answeredAt }: Attempt): boolean {
  return ringingAt !== null || answeredAt !== null;
}

/**
 * Somebody picked up and sound was sent: an answer without a codec was hung up before that, and a gate may have stayed
 * shut. Where not one packet was counted, nothing is known: whoever counts them may have crashed.
 */
function mayBeHeard({ answeredAt, codec, media }: Attempt): boolean {
  const unsaid = media !== null && media.packetsSent > 0 && media.promptSentMs === 0;
  return answeredAt !== null && codec !== null && !unsaid;
}

/** Lengths of the parts of an attempt in milliseconds; null where a part did not happen or is not over. */
export interface Durations {
  /** Post-dial delay: from the INVITE to the first 180, 183 with SDP or 200. */
  readonly pddMs: number | null;
  /** From the first 180 to the answer or the end. */
  readonly ringMs: number | null;
  /** From the answer to the end. */
  readonly talkMs: number | null;
}

export function durations(attempt: Attempt): Durations {
  const { startedAt, ringingAt, earlyMediaAt, answeredAt, endedAt } = attempt;
  const heard = [ringingAt, earlyMediaAt, answeredAt].filter((at) => at !== null);
  return {
    pddMs: heard.length === 0 ? null : Math.min(...heard) - startedAt,
    ringMs: span(ringingAt, answeredAt ?? endedAt),
    talkMs: span(answeredAt, endedAt),
  };
}

function span(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : to - from;
}
