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
  /** `ntc_…`, of the family of its call. */
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
  /** Not looked at before then. Epoch milliseconds. */
  readonly dueAt: number;
  readonly createdAt: number;
  /** Why the last attempt was in vain. No body, no secret. */
  readonly lastError: string | null;
}

/** Notices beside the calls that they are of. A notice appears with `Store.accept`, and goes when all is told. */
export interface NoticeStore {
  get(id: string): Promise<Notice | undefined>;
  /** Open ones whose time has come and that nobody has claimed, the oldest first; their ids. */
  due(now: number, limit: number): Promise<readonly string[]>;
  /**
   * Takes a notice to work on until `until`, unless somebody has: then that one is told to look once more (see `put`), and
   * the answer is undefined. So it is where there is none, or where it is dead.
   */
  claim(id: string, by: string, now: number, until: number): Promise<Notice | undefined>;
  /**
   * Stores it and gives it back, by whoever claimed it. `again`: something happened meanwhile, look once more.
   * `lost`: the claim is over and another one has it; nothing was stored.
   */
  put(notice: Notice, by: string): Promise<'kept' | 'again' | 'lost'>;
  /** Stores how far it has come, and keeps the claim until `until`; false as `lost`. */
  progress(notice: Notice, by: string, until: number): Promise<boolean>;
  /** All is told: it goes. `again` and `lost` as in `put`. */
  finish(id: string, by: string): Promise<'kept' | 'again' | 'lost'>;
  /** Makes it due now where it is open and nobody works on it; whoever does is told to look once more. */
  wake(id: string, now: number): Promise<void>;
  /** Dead ones, the newest first; of one client, or of all where `clientId` is undefined. 1–500, after the id of the page before. */
  dead(query: { readonly clientId?: string | null; readonly limit: number; readonly after?: string }): Promise<readonly Notice[]>;
  /** A dead one is open again, and due now. False: there is no such dead one. */
  revive(id: string, now: number): Promise<boolean>;
}
