/** How events are told: our own form, signed (Standard Webhooks), or that of a system that people come from. */
export type NoticeFormat = 'standard' | 'restcomm' | 'messagebird';

/** Who is told of a call and of its verification, and how. */
export interface NoticeTarget {
  readonly format: NoticeFormat;
  /** Null: the client's own callback as it is when an event is told, with its secret. */
  readonly url: string | null;
  readonly method: 'GET' | 'POST';
  /** Types of events, such as `call.answered` or `verification.approved`; null: all that the format knows. */
  readonly events: readonly string[] | null;
  /** What the format needs besides, such as the account of the request; nothing secret. */
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * What is to be told of one call, and how far that has come. Nothing is queued: what there is to tell follows from the
 * call and the verification as they are stored, and this says what of it was told.
 */
export interface Notice {
  /** `ntc_…`, which follows from that of its call: see `noticeIdOf`. */
  readonly id: string;
  readonly clientId: string | null;
  readonly callId: string;
  readonly verificationId: string | null;
  readonly target: NoticeTarget;
  /** Entries of the call's timeline that were told, or were not to be. */
  readonly toldOfCall: number;
  /** Whether the beginning (1) and the end (2) of the verification were told. */
  readonly toldOfVerification: number;
  /** Events that were delivered: the next one's sequence number, from 0. */
  readonly delivered: number;
  /** `dead`: given up; it may be sent again. */
  readonly state: 'open' | 'dead';
  /** Attempts at the next event, in vain so far. */
  readonly tries: number;
  /** When the first attempt at it was made; null: there was none. Epoch milliseconds. */
  readonly triedSince: number | null;
  /** Not looked at before then, unless something happens. Epoch milliseconds. */
  readonly dueAt: number;
  readonly createdAt: number;
  /** Why the last attempt was in vain. No body, no secret. */
  readonly lastError: string | null;
}

/**
 * How much longer a notice is kept than the records that it tells of: a verification may live for a day, and its last
 * event be tried for another. Dead ones go then, and whatever nobody has looked after.
 */
export const NOTICE_GRACE_MS = 2 * 86_400_000;

/** How many there are. */
export interface NoticeCounts {
  readonly open: number;
  readonly dead: number;
  /** When the oldest open one began; null where there is none. Epoch milliseconds. */
  readonly oldestOpenAt: number | null;
}

export interface DeadQuery {
  /** Absent: of all clients. */
  readonly clientId?: string | null;
  /** 1–500. */
  readonly limit: number;
  /** Id of the last one of the page before. */
  readonly after?: string;
}

/** What became of what was to be written of a claimed notice. */
export type Written =
  | 'kept'
  /** Something happened meanwhile: whoever has the claim keeps it, and looks once more. */
  | 'again'
  /** The claim is over, and another one has the notice, or it is gone: nothing was written. */
  | 'lost';

/**
 * Notices beside the calls that they are of. A notice appears with `Store.accept`, and goes when all is told, or two days
 * after its records at most. Whoever works on one claims it first; each claim has a word of its own (`by`).
 *
 * All methods: @throws AppError store_unavailable
 */
export interface NoticeStore {
  get(id: string): Promise<Notice | undefined>;
  /**
   * Open ones whose time has come and that nobody has claimed, the longest due first; their ids. Fewer than there are,
   * where there are very many.
   */
  due(now: number, limit: number): Promise<readonly string[]>;
  /**
   * Takes an open notice whose time has come, to work on until `until`. Undefined where it is not due, where another one
   * works on it, and where there is none.
   */
  claim(id: string, by: string, now: number, until: number): Promise<Notice | undefined>;
  /** Stores how far it has come, and keeps the claim until `until`. False: `lost`. */
  progress(notice: Notice, by: string, until: number): Promise<boolean>;
  /**
   * Stores it and gives it back. `again` is answered only for one that is open and whose next event was not tried in
   * vain: what waits for its next attempt looks at everything then.
   */
  put(notice: Notice, by: string): Promise<Written>;
  /** All is told: it goes. */
  finish(id: string, by: string): Promise<Written>;
  /**
   * Something happened: it is due now where it is open, nobody works on it and its next event was not tried in vain.
   * Whoever works on it is told to look once more. True: it is due, and nobody works on it.
   */
  wake(id: string, now: number): Promise<boolean>;
  /** Dead ones, the newest first. */
  dead(query: DeadQuery): Promise<readonly Notice[]>;
  /** A dead one is open again, and due now, as if its next event had never been tried. False: there is no such dead one. */
  revive(id: string, now: number): Promise<boolean>;
  counts(): Promise<NoticeCounts>;
}

/** The id of a call's notice: each call has one at most. */
export function noticeIdOf(callId: string): string {
  return `ntc_${callId.slice(callId.indexOf('_') + 1)}`;
}

/** A notice of a call that is about to be accepted: due at once. */
export function createNotice(known: {
  readonly clientId: string | null;
  readonly callId: string;
  readonly verificationId: string | null;
  readonly target: NoticeTarget;
  readonly now: number;
}): Notice {
  const { now, ...rest } = known;
  return {
    id: noticeIdOf(known.callId),
    ...rest,
    toldOfCall: 0,
    toldOfVerification: 0,
    delivered: 0,
    state: 'open',
    tries: 0,
    triedSince: null,
    dueAt: now,
    createdAt: now,
    lastError: null,
  };
}
