import type { Call, CallState } from '../call/call.ts';
import type { LimitStore } from '../limits/limit-store.ts';
import type { Checked, Submitted, Verification } from '../verification/verification.ts';
import type { Notice, NoticeStore } from '../webhooks/notice.ts';
import type { CdrLedger } from './cdr-ledger.ts';

/** A request made under an `Idempotency-Key`, kept so that its repetition gets the same answer. */
export interface IdempotentRequest {
  /** Client id and key, so that clients do not meet. */
  readonly key: string;
  /** HMAC of the request's body: the same key with another body is refused. */
  readonly fingerprint: string;
  /** The answer that was given, as JSON text. */
  readonly reply: string;
  readonly expiresAt: number;
}

export type Accepted = { readonly kind: 'accepted' } | Repeated;

export type Repeated =
  /** The key was used before with the same body: here is what was answered. */
  | { readonly kind: 'replayed'; readonly reply: string }
  /** The key was used before with another body. Nothing was stored. */
  | { readonly kind: 'key_reused' };

/** Which calling number a flash call is to show. */
export interface CliRequest {
  /** The numbers to choose from, each once; as digests, or whatever else stands for them. */
  readonly clis: readonly string[];
  readonly callee: string;
  readonly now: number;
  /** How long a callee is not shown the same number again. */
  readonly reuseWindowMs: number;
  /** With fewer that may be used none is taken: too few could be guessed. */
  readonly fewest: number;
  /** 0 to 1 (exclusive), cryptographic. */
  readonly random: number;
}

export interface CliTaken {
  /** Undefined where too few may be used for this callee now. */
  readonly cli: string | undefined;
  /** How many this callee may be shown now: each is equally likely to whoever does not know the calls before. */
  readonly choices: number;
  /** Of those, how many were left to be chosen by the calls before: at least a third, each equally likely. */
  readonly candidates: number;
}

export interface CallQuery {
  readonly clientId?: string;
  readonly verificationId?: string;
  readonly state?: CallState;
  /** Newest first; 1–500. */
  readonly limit: number;
  /** Id of the last call of the page before. */
  readonly after?: string;
}

/** From which node to which a call goes. */
export interface CallMove {
  readonly from: string | null;
  readonly to: string;
  /** `none`: only a call that waits, before its first attempt or between two. */
  readonly attempt: 'none' | 'any';
}

/** What is stored along with a call. */
export interface AlsoStored {
  /** What the verification is found under: the latest one of that name. `Store.latest` takes it. */
  readonly alias?: string;
  /** Who is told of it. */
  readonly notice?: Notice;
}

/**
 * Where verifications and calls outlive the process. Every method is one decision and atomic; a promise that
 * resolved is on disk to the degree that the configuration asks for. No method ever sees a code in plain.
 *
 * Not in it: time (callers pass `now`), ids, cryptography, retries.
 */
export interface Store {
  /** Call detail records. */
  readonly cdrs: CdrLedger;
  /** How much of what was asked for. */
  readonly limits: LimitStore;
  /** Who is told of calls, and how far that has come. */
  readonly notices: NoticeStore;

  /**
   * Stores a call with its verification, if it has one, the idempotent request that asked for them, and what else is
   * said; or none of them. Alias and idempotent request are of the family of the call (see family.ts).
   */
  accept(
    verification: Verification | null,
    call: Call,
    request: IdempotentRequest | null,
    also?: AlsoStored,
  ): Promise<Accepted>;
  /** What `accept` would say of a repeated request, without storing anything. Undefined: it is no repetition. */
  earlierAnswer(
    request: Pick<IdempotentRequest, 'key' | 'fingerprint'>,
    now: number,
  ): Promise<Repeated | undefined>;

  verification(id: string): Promise<Verification | undefined>;
  /** The id of the verification that was accepted last under this alias, as long as it is kept. */
  latest(alias: string): Promise<string | undefined>;
  /**
   * Compares the digest of a submitted proof: at most `maxChecks` comparisons in all, approves at most once, and
   * never after `expiresAt`, however many ask at once. Undefined: no such verification.
   */
  check(id: string, submitted: Submitted, now: number): Promise<Checked | undefined>;
  /** Ends a verification that is pending; one that is final stays as it is. Answers what it is afterwards. */
  endVerification(
    id: string,
    status: 'failed' | 'canceled' | 'expired',
    now: number,
  ): Promise<Verification | undefined>;

  /**
   * Takes a calling number for a flash call, and notes that this callee was shown it. It is one of those that the
   * callee was not shown within `reuseWindowMs`: at random among the third of them that was used least (see
   * `leastUsed`), where there are `fewest` at all. However many ask at once, no callee is shown a number twice.
   *
   * Uses are counted apart for each list of numbers. So each number of a list has the same chance to whoever knows
   * the list and not the calls: what was added to it, or serves other countries too, stands out in nothing. Whoever
   * knows every call before, with its number, can tell the third that comes next: of `candidates`, and so with at
   * most three times the probability. With three times `fewest` that too is within what `fewest` stands for.
   */
  takeCli(request: CliRequest): Promise<CliTaken>;

  call(id: string): Promise<Call | undefined>;
  calls(query: CallQuery): Promise<readonly Call[]>;
  /** Calls that no process has ended. */
  unfinishedCalls(): Promise<readonly Call[]>;
  /**
   * Replaces a call that has not ended and that the same node carries in the store: else it is not ours to change, and
   * nothing is written: false.
   */
  saveCall(call: Call): Promise<boolean>;
  /**
   * Gives a call that has not ended from one node to another. One in the middle of an attempt, of which nobody can tell
   * whether its INVITE has left, only where `attempt` is `any`: to be ended, and never to be dialled again. However many
   * ask at once, one gets it: the call as it is then. Undefined: it has ended, another node carries it, or it is in
   * an attempt.
   */
  moveCall(id: string, move: CallMove): Promise<Call | undefined>;
  /**
   * Stores a call in its final state with a call detail record of each attempt, forgets what its verification seals,
   * and, where `failVerification` is set and the verification is pending, ends that as `failed`: all in one. Resolves
   * when the records are where they are to outlive everything. Of a call that has ended in the store, or that another
   * node carries, nothing is written: false. Asked again for the same call in the same state by whoever ended it, it
   * makes sure of the records, and answers true.
   */
  finishCall(call: Call, failVerification: boolean, now: number): Promise<boolean>;

  /** Turns pending verifications past their time to `expired`, deletes what is past its retention; answers how many rows went. */
  sweep(
    now: number,
    keepUntil: {
      readonly verificationsBefore: number;
      readonly callsBefore: number;
      /** Before it no number that was shown counts any more. */
      readonly cliUsesBefore: number;
      /** Absent: call detail records are kept for ever. */
      readonly cdrsBefore?: number;
    },
  ): Promise<number>;
  /** Rejects when the store cannot be read and written. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
