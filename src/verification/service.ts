import { createCall } from '../call/call.ts';
import { AppError } from '../errors.ts';
import type { Repeated, Store } from '../store/store.ts';
import { readCallee } from './callee.ts';
import { generateCode, readCode } from './code.ts';
import type { StartRequest, VerificationSettings } from './terms.ts';
import { readTerms } from './terms.ts';
import type { Vault } from './vault.ts';
import type { CheckVerdict, Verification } from './verification.ts';
import { createVerification, expire } from './verification.ts';

const IDEMPOTENCY_RETENTION_MS = 24 * 60 * 60 * 1000;
/** What a client is told to wait when all lines are in use: about a quarter of a call. */
const CAPACITY_RETRY_SECONDS = 5;
/** And when no call could be carried at all: about what a server of ours needs to start again. */
const ENGINE_RETRY_SECONDS = 5;

/** A verification as its client may see it: neither digest nor sealed code leave the service. */
export type VerificationView = Omit<Verification, 'codeDigest' | 'sealedCode' | 'clientId'>;

export interface Started {
  /** For a replay: as it was when it was first answered. */
  readonly verification: VerificationView;
  /** True where the `Idempotency-Key` was used before: nothing was dialled now. */
  readonly replayed: boolean;
}

export interface CheckResult {
  readonly verdict: Exclude<CheckVerdict, 'not_pending'>;
  readonly verification: VerificationView;
}

/** What the service needs of the dialer. */
export interface CallPort {
  /** What is missing for a call to be carried, in words that a client may read; empty when all is there. */
  missing(): readonly string[];
  /** Keeps a line for a call that is about to be stored; false when there is none. */
  reserve(callId: string): boolean;
  /** Gives back a line whose call was not stored. */
  release(callId: string): void;
  /** Places a stored call. Returns at once and never throws. */
  dial(callId: string): void;
  /** Ends a call; false when it is not under way here. */
  hangUp(callId: string): boolean;
}

export interface VerificationServiceOptions {
  readonly store: Store;
  readonly dialer: CallPort;
  readonly vault: Pick<Vault, 'digest' | 'seal' | 'fingerprint'>;
  /** The locale whose sounds are used for the one that was asked for; undefined: there are none. */
  readonly resolveLocale: (locale: string) => string | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** A new id such as `ver_…` for the prefix `ver`; nobody can guess it. */
  readonly newId: (prefix: 'ver' | 'call') => string;
  readonly randomBytes: (n: number) => Uint8Array;
  readonly settings: VerificationSettings;
}

/** Starts, checks and ends verifications. Someone else's verification is `not_found`, as if it were not there. */
export class VerificationService {
  readonly #options: VerificationServiceOptions;

  constructor(options: VerificationServiceOptions) {
    this.#options = options;
  }

  /**
   * Stores a verification with its call, and has the call placed after that: the promise resolves before
   * anything is dialled.
   *
   * @param clientId null where the API runs without keys
   * @param idempotencyKey a repetition with the same request within 24 hours gets the first answer
   * @throws AppError invalid_request, invalid_number, target_not_allowed, unsupported_locale, capacity,
   *   engine_unavailable, idempotency_key_reused, store_unavailable
   */
  async start(request: StartRequest, clientId: string | null, idempotencyKey?: string): Promise<Started> {
    const { dialer, store } = this.#options;
    const verification = this.#prepare(request, clientId);
    const { callId, createdAt } = verification;
    const view = viewOf(verification);
    const idempotent =
      idempotencyKey === undefined
        ? null
        : {
            key: JSON.stringify([clientId, idempotencyKey]),
            fingerprint: this.#options.vault.fingerprint(canonical(request)),
            reply: JSON.stringify(view),
            expiresAt: createdAt + IDEMPOTENCY_RETENTION_MS,
          };
    const refusal = this.#reserve(callId);
    if (refusal !== undefined) {
      // What was accepted before keeps its answer, whether or not one more call could be carried now.
      const earlier = idempotent === null ? undefined : await store.earlierAnswer(idempotent, createdAt);
      if (earlier === undefined) {
        throw refusal;
      }
      return replayOf(earlier);
    }
    let stored = false;
    try {
      const accepted = await store.accept(
        verification,
        createCall({
          id: callId,
          verificationId: verification.id,
          clientId,
          to: verification.to,
          now: createdAt,
        }),
        idempotent,
      );
      if (accepted.kind !== 'accepted') {
        return replayOf(accepted);
      }
      stored = true;
      return { verification: view, replayed: false };
    } finally {
      if (stored) {
        // After the answer is on its way: nobody waits for SIP.
        setImmediate(() => dialer.dial(callId));
      } else {
        dialer.release(callId);
      }
    }
  }

  /** @throws AppError not_found, store_unavailable */
  async get(id: string, clientId: string | null): Promise<VerificationView> {
    return viewOf(await this.#owned(id, clientId));
  }

  /**
   * Compares a submitted code. One that has not the form of a code at all is a mistake of the request, not a
   * guess: it is refused and not counted.
   *
   * @throws AppError invalid_request, not_found, not_pending, store_unavailable
   */
  async check(id: string, code: string, clientId: string | null): Promise<CheckResult> {
    const submitted = readCode(code);
    if (submitted === undefined) {
      throw new AppError('invalid_request', { message: 'A code has 4 to 10 digits and nothing else.' });
    }
    await this.#owned(id, clientId);
    const { store, vault, now } = this.#options;
    const checked = await store.check(id, vault.digest(id, submitted), now());
    if (checked === undefined) {
      throw new AppError('not_found');
    }
    if (checked.verdict === 'not_pending') {
      throw new AppError('not_pending', {
        message: `The verification is no longer pending: it is ${checked.verification.status}.`,
      });
    }
    return { verdict: checked.verdict, verification: viewOf(checked.verification) };
  }

  /**
   * Ends a pending verification as `canceled` and hangs up its call. One that is final stays what it is, and
   * its call is hung up all the same, so that asking twice does no harm.
   *
   * @throws AppError not_found, store_unavailable
   */
  async cancel(id: string, clientId: string | null): Promise<VerificationView> {
    const { store, dialer, now } = this.#options;
    const { callId } = await this.#owned(id, clientId);
    const ended = await store.endVerification(id, 'canceled', now());
    dialer.hangUp(callId);
    if (ended === undefined) {
      throw new AppError('not_found');
    }
    return viewOf(ended);
  }

  /** Keeps a line for a call; where that cannot be, says why. */
  #reserve(callId: string): AppError | undefined {
    const { dialer } = this.#options;
    const missing = dialer.missing();
    if (missing.length > 0) {
      return new AppError('engine_unavailable', {
        message: `Calls cannot be carried at the moment. Missing: ${missing.join(', ')}.`,
        retryAfterSeconds: ENGINE_RETRY_SECONDS,
      });
    }
    return dialer.reserve(callId)
      ? undefined
      : new AppError('capacity', { retryAfterSeconds: CAPACITY_RETRY_SECONDS });
  }

  async #owned(id: string, clientId: string | null): Promise<Verification> {
    const verification = await this.#options.store.verification(id);
    if (verification === undefined || verification.clientId !== clientId) {
      throw new AppError('not_found');
    }
    return expire(verification, this.#options.now());
  }

  #prepare(request: StartRequest, clientId: string | null): Verification {
    const { settings, vault, now, newId, randomBytes } = this.#options;
    const to = readCallee(request.to, settings);
    const wantedLocale = request.locale ?? settings.locale;
    const locale = this.#options.resolveLocale(wantedLocale);
    if (locale === undefined) {
      throw new AppError('unsupported_locale');
    }
    const terms = readTerms(request, settings);
    const code = request.code ?? generateCode(terms.codeLength, randomBytes);
    const id = newId('ver');
    return createVerification({
      id,
      clientId,
      to,
      locale,
      reference: request.reference ?? null,
      ...terms,
      codeDigest: vault.digest(id, code),
      sealedCode: vault.seal(id, code),
      createdAt: now(),
      callId: newId('call'),
    });
  }
}

/** @throws AppError idempotency_key_reused */
function replayOf(earlier: Repeated): Started {
  if (earlier.kind === 'key_reused') {
    throw new AppError('idempotency_key_reused');
  }
  return { verification: JSON.parse(earlier.reply) as VerificationView, replayed: true };
}

/** The request as one text, whatever the order of its keys. Only its HMAC is kept. */
function canonical(request: StartRequest): string {
  return JSON.stringify([
    request.to,
    request.locale,
    request.codeLength,
    request.code?.reveal(),
    request.ttlSeconds,
    request.maxChecks,
    request.repeat,
    request.reference,
  ]);
}

/** Names each key, so that a key that is added to the record does not leak out by itself. */
function viewOf(verification: Verification): VerificationView {
  return {
    id: verification.id,
    to: verification.to,
    locale: verification.locale,
    reference: verification.reference,
    status: verification.status,
    codeLength: verification.codeLength,
    repeat: verification.repeat,
    checks: verification.checks,
    maxChecks: verification.maxChecks,
    createdAt: verification.createdAt,
    expiresAt: verification.expiresAt,
    endedAt: verification.endedAt,
    callId: verification.callId,
  };
}
