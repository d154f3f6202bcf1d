import type { CallPort } from '../call/acceptance.ts';
import { earlierReply, takeCall } from '../call/acceptance.ts';
import type { CallWishes } from '../call/call.ts';
import { createCall } from '../call/call.ts';
import { AppError } from '../errors.ts';
import type { SayAs } from '../prompt/playlist.ts';
import type { Secret } from '../secret.ts';
import type { Store } from '../store/store.ts';
import { readCallee } from './callee.ts';
import { alphabetOf, generateCode, readCode } from './code.ts';
import type { FlashPorts, FlashSettings } from './flash.ts';
import { chooseFlash, hiddenPart } from './flash.ts';
import type { StartRequest, Terms, VerificationSettings } from './terms.ts';
import { ownCode, readTerms } from './terms.ts';
import type { Vault } from './vault.ts';
import type { CheckVerdict, Verification } from './verification.ts';
import { createVerification, expire } from './verification.ts';

/** A verification as its client may see it: neither digest nor sealed code leave the service. */
export type VerificationView = Omit<Verification, 'codeDigest' | 'sealedCode' | 'clientId'>;

/** About what a provider of speech needs to start again. */
const SPEECH_RETRY_SECONDS = 10;

/** What an answer lacks that was kept by version 0.1. */
const OLDER_VIEW = { sayAs: 'digits', gender: null, channel: 'voice', flash: null } as const;

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

export interface VerificationServiceOptions {
  readonly store: Store;
  readonly dialer: CallPort;
  readonly vault: Pick<Vault, 'digest' | 'seal' | 'fingerprint'>;
  /** The locale that is spoken where another one was asked for; undefined: nothing speaks that language. */
  readonly resolveLocale: (locale: string, sayAs: SayAs) => string | undefined;
  /** Whether what nothing speaks now may be spoken later. */
  readonly speechIsAway: () => boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** A new id such as `ver_…` for the prefix `ver`; nobody can guess it. */
  readonly newId: (prefix: 'ver' | 'call') => string;
  readonly randomBytes: (n: number) => Uint8Array;
  readonly settings: VerificationSettings;
  /** What flash calls need. */
  readonly flash: FlashPorts & { readonly settings: FlashSettings };
}

/** What is compared: a code that was heard, or the number that rang the phone. */
export interface Submission {
  readonly code?: string | undefined;
  readonly callerId?: string | undefined;
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
   * @throws AppError invalid_request, invalid_number, target_not_allowed, unsupported_locale, speech_unavailable,
   *   capacity, engine_unavailable, idempotency_key_reused, store_unavailable
   */
  async start(request: StartRequest, clientId: string | null, idempotencyKey?: string): Promise<Started> {
    const repeatable =
      idempotencyKey === undefined ? undefined : { clientId, key: idempotencyKey, text: canonical(request) };
    if (repeatable !== undefined && request.channel === 'flash') {
      // Before a calling number is taken for it.
      const known = await earlierReply(this.#options, repeatable, this.#options.now());
      if (known !== undefined) return replayOf(known);
    }
    const { verification, wishes } = await this.#prepare(request, clientId);
    const { id, callId, to, createdAt } = verification;
    const view = viewOf(verification);
    const earlier = await takeCall(
      this.#options,
      createCall({
        id: callId,
        verificationId: id,
        clientId,
        to,
        now: createdAt,
        ...(wishes === undefined ? {} : { wishes }),
      }),
      verification,
      repeatable === undefined ? undefined : { ...repeatable, reply: JSON.stringify(view) },
    );
    return earlier === undefined ? { verification: view, replayed: false } : replayOf(earlier);
  }

  /** @throws AppError not_found, store_unavailable */
  async get(id: string, clientId: string | null): Promise<VerificationView> {
    return viewOf(await this.#owned(id, clientId));
  }

  /**
   * Compares a submitted code, or the number that rang the phone. One that has not the form of it at all is a
   * mistake of the request, not a guess: it is refused and not counted.
   *
   * @throws AppError invalid_request, not_found, not_pending, store_unavailable
   */
  async check(id: string, submission: Submission, clientId: string | null): Promise<CheckResult> {
    const submitted = readSubmission(submission, await this.#owned(id, clientId));
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

  async #owned(id: string, clientId: string | null): Promise<Verification> {
    const verification = await this.#options.store.verification(id);
    if (verification === undefined || verification.clientId !== clientId) {
      throw new AppError('not_found');
    }
    return expire(verification, this.#options.now());
  }

  async #prepare(request: StartRequest, clientId: string | null): Promise<Prepared> {
    const { settings, vault, now, newId, flash } = this.#options;
    const to = readCallee(request.to, settings);
    const terms = readTerms(request, settings);
    const locale = this.#locale(request, terms.sayAs);
    const id = newId('ver');
    const known = {
      id,
      clientId,
      to,
      locale,
      reference: request.reference ?? null,
      ...terms,
      createdAt: now(),
      callId: newId('call'),
    };
    if (request.channel !== 'flash') {
      const code = this.#code(request, terms);
      const [codeDigest, sealedCode] = [vault.digest(id, code), vault.seal(id, code)];
      const voice = { channel: 'voice', flash: null } as const;
      return {
        verification: createVerification({ ...known, ...voice, codeDigest, sealedCode }),
        wishes: undefined,
      };
    }
    if (request.code !== undefined) {
      throw new AppError('invalid_request', {
        message: 'A flash call has no code: the number that calls is it.',
      });
    }
    const maxChecks = Math.min(request.maxChecks ?? flash.settings.maxChecks, flash.settings.maxChecks);
    const choice = await chooseFlash(
      to,
      request.flash ?? {},
      maxChecks,
      flash.settings,
      flash,
      known.createdAt,
    );
    const { trunkId, cli, details } = choice;
    const hidden = hiddenPart(cli.reveal(), details.hiddenDigits);
    if (hidden === undefined) throw new Error('a calling number of a pool is shorter than its hidden part');
    return {
      verification: createVerification({
        ...known,
        maxChecks,
        codeLength: details.hiddenDigits,
        channel: 'flash',
        flash: details,
        codeDigest: vault.digest(id, hidden),
        sealedCode: vault.seal(id, cli),
      }),
      wishes: { cli: null, trunkId, ringTimeoutMs: null, flash: { hiddenDigits: details.hiddenDigits } },
    };
  }

  #locale(request: StartRequest, sayAs: SayAs): string {
    const { settings, resolveLocale, speechIsAway } = this.#options;
    const locale = resolveLocale(request.locale ?? settings.locale, sayAs);
    if (locale !== undefined) return locale;
    throw speechIsAway()
      ? new AppError('speech_unavailable', { retryAfterSeconds: SPEECH_RETRY_SECONDS })
      : new AppError('unsupported_locale');
  }

  #code(request: StartRequest, { sayAs, codeLength }: Terms): Secret {
    const { randomBytes } = this.#options;
    return ownCode(request, sayAs) ?? generateCode(codeLength, randomBytes, alphabetOf(sayAs));
  }
}

/** A verification and how its call is to be placed. */
interface Prepared {
  readonly verification: Verification;
  readonly wishes: CallWishes | undefined;
}

function replayOf(reply: string): Started {
  return { verification: { ...OLDER_VIEW, ...(JSON.parse(reply) as VerificationView) }, replayed: true };
}

/** @throws AppError invalid_request */
function readSubmission({ code, callerId }: Submission, { sayAs, flash }: Verification): Secret {
  if (flash !== null) {
    const hidden = callerId === undefined ? undefined : hiddenPart(callerId, flash.hiddenDigits);
    if (hidden !== undefined) return hidden;
    throw new AppError('invalid_request', {
      message: `A flash call is checked with callerId: a number of at least ${flash.hiddenDigits} digits.`,
    });
  }
  const submitted = code === undefined ? undefined : readCode(code, alphabetOf(sayAs));
  if (submitted !== undefined) return submitted;
  throw new AppError('invalid_request', {
    message: `A code has 4 to 10 ${sayAs === 'nato' ? 'letters and digits' : 'digits'} and nothing else.`,
  });
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
    ...(request.channel === 'flash' ? [request.channel, request.flash] : []),
    // Requests of version 0.1 did not have these: without them their fingerprint is the same.
    ...(request.sayAs === undefined && request.gender === undefined ? [] : [request.sayAs, request.gender]),
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
    sayAs: verification.sayAs,
    gender: verification.gender,
    channel: verification.channel,
    flash: verification.flash,
    checks: verification.checks,
    maxChecks: verification.maxChecks,
    createdAt: verification.createdAt,
    expiresAt: verification.expiresAt,
    endedAt: verification.endedAt,
    callId: verification.callId,
  };
}
