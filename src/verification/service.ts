import type { AdmissionPort, CallPort, NoticePort, RepeatableRequest } from '../call/acceptance.ts';
import {
  admitted,
  aliasKey,
  earlierReply,
  familyOfRequest,
  refusalNow,
  repeatOf,
  takeCall,
  withNotice,
} from '../call/acceptance.ts';
import { createCall } from '../call/call.ts';
import { InTurn } from '../call/in-turn.ts';
import { AppError } from '../errors.ts';
import type { Secret } from '../secret.ts';
import { familyOfKey } from '../store/family.ts';
import type { Store } from '../store/store.ts';
import { readCallee } from './callee.ts';
import { alphabetOf, readCode } from './code.ts';
import { hiddenPart } from './flash.ts';
import type { PreparationPorts } from './preparation.ts';
import { prepareVerification } from './preparation.ts';
import type { StartRequest } from './terms.ts';
import type { Vault } from './vault.ts';
import type { CheckVerdict, Proof, Verification } from './verification.ts';
import { expire } from './verification.ts';

/** A verification as its client may see it: neither digest nor sealed code leave the service. */
export type VerificationView = Omit<
  Verification,
  'codeDigest' | 'sealedCode' | 'cliDigest' | 'sealedCli' | 'clientId'
>;

/** What an answer lacks that was kept by version 0.1. */
const OLDER_VIEW = {
  template: null,
  sayAs: 'digits',
  gender: null,
  channel: 'voice',
  flash: null,
  delivery: null,
  approvedBy: null,
} as const;

export interface Started {
  /** For a replay: as it was when it was first answered. */
  readonly verification: VerificationView;
  /** True where the `Idempotency-Key` was used before: nothing was dialled now. */
  readonly replayed: boolean;
  /** With `confirm`: what the screen is to show, as long as the call has not ended. */
  readonly confirmCode: Secret | undefined;
}

export interface CheckResult {
  readonly verdict: Exclude<CheckVerdict, 'not_pending'>;
  readonly verification: VerificationView;
}

export interface VerificationServiceOptions extends Omit<PreparationPorts, 'vault' | 'newId'> {
  /** A new id such as `ver_…` for the prefix `ver`; nobody can guess it. `family` is its last two hexadecimal digits. */
  readonly newId: (prefix: 'ver' | 'call', family: string) => string;
  readonly store: Store;
  readonly dialer: CallPort;
  readonly vault: Pick<Vault, 'digest' | 'seal' | 'open' | 'fingerprint'>;
  readonly gate: AdmissionPort;
  readonly notices: NoticePort;
  readonly onStarted?: () => void;
  /** Hears of verifications that a request made final. */
  readonly onFinal?: (verification: Verification) => void;
}

/** What is compared: a code that was heard, or the number that rang the phone. */
export interface Submission {
  readonly code?: string | undefined;
  readonly callerId?: string | undefined;
}

/** Starts, checks and ends verifications. Someone else's verification is `not_found`, as if it were not there. */
export class VerificationService {
  readonly #options: VerificationServiceOptions;
  /** By client and key. */
  readonly #starting = new InTurn<Started>();

  constructor(options: VerificationServiceOptions) {
    this.#options = options;
  }

  /**
   * Stores a verification with its call, and has the call placed after that: the promise resolves before
   * anything is dialled.
   *
   * @param clientId null where the API runs without keys
   * @param idempotencyKey a repetition with the same request within 24 hours gets the first answer
   * @throws AppError invalid_request, invalid_number, target_not_allowed, destination_not_allowed, limit_reached,
   *   spend_limit, unknown_carrier, cli_not_allowed, template_not_allowed, sms_unavailable, unsupported_locale,
   *   speech_unavailable, flash_unavailable, flash_exhausted, flash_paused, capacity, engine_unavailable, idempotency_key_reused,
   *   store_unavailable
   */
  async start(request: StartRequest, clientId: string | null, idempotencyKey?: string): Promise<Started> {
    const start = (): Promise<Started> => this.#start(request, clientId, idempotencyKey);
    // Two at once would both count, and each take a calling number.
    return idempotencyKey === undefined
      ? start()
      : this.#starting.do(JSON.stringify([clientId, idempotencyKey]), start);
  }

  async #start(
    request: StartRequest,
    clientId: string | null,
    idempotencyKey: string | undefined,
  ): Promise<Started> {
    const repeatable =
      idempotencyKey === undefined ? undefined : { clientId, key: idempotencyKey, text: canonical(request) };
    if (repeatable !== undefined) {
      // Before it counts, and before a calling number is taken for it.
      const known = await earlierReply(this.#options, repeatable, this.#options.now());
      if (known !== undefined) return this.#replay(known);
    }
    const { endUserAddress, channel = 'voice' } = request;
    const refusal = channel === 'voice' ? undefined : refusalNow(this.#options.dialer);
    if (refusal !== undefined) throw refusal;
    const to = readCallee(request.to, this.#options.settings);
    return admitted(
      this.#options,
      { clientId, to, channel, endUserAddress },
      () => this.#take(request, clientId, repeatable),
      ({ replayed }) => replayed,
      repeatOf(this.#options, repeatable, this.#options.now, (reply) => this.#replay(reply)),
    );
  }

  async #take(
    request: StartRequest,
    clientId: string | null,
    repeatable: Omit<RepeatableRequest, 'reply'> | undefined,
  ): Promise<Started> {
    const { dialer, newId, randomBytes, notices } = this.#options;
    const alias = request.alias === undefined ? undefined : aliasKey(clientId, request.alias);
    if (alias !== undefined && repeatable !== undefined) throw new Error('an alias and an Idempotency-Key');
    const family = alias === undefined ? familyOfRequest(repeatable, randomBytes) : familyOfKey(alias);
    const { verification, wishes, shown } = await prepareVerification(request, clientId, {
      ...this.#options,
      newId: (prefix) => newId(prefix, family),
    });
    const { id, callId, to, createdAt } = verification;
    const view = viewOf(verification);
    const queued = createCall({
      id: callId,
      verificationId: id,
      clientId,
      to,
      now: createdAt,
      node: dialer.token(),
      wishes,
    });
    const { call, notice } = withNotice(queued, notices.noticeOf(queued, verification, request.notice));
    const earlier = await takeCall(
      this.#options,
      call,
      verification,
      repeatable === undefined ? undefined : { ...repeatable, reply: JSON.stringify(view) },
      { ...notice, ...(alias === undefined ? {} : { alias }) },
    );
    if (earlier !== undefined) return this.#replay(earlier);
    this.#options.onStarted?.();
    return { verification: view, replayed: false, confirmCode: shown };
  }

  /** Longest `ttlSeconds` that a request may ask for. */
  get maxTtlSeconds(): number {
    return this.#options.settings.maxTtlSeconds;
  }

  /** The id of the client's latest verification of this alias. @throws AppError not_found, store_unavailable */
  async latest(alias: string, clientId: string | null): Promise<string> {
    const id = await this.#options.store.latest(aliasKey(clientId, alias));
    if (id === undefined) throw new AppError('not_found');
    return id;
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
    const { by, secret } = readSubmission(submission, await this.#owned(id, clientId));
    const { store, dialer, vault, now } = this.#options;
    const checked = await store.check(id, { by, digest: vault.digest(id, secret) }, now());
    if (checked === undefined) {
      throw new AppError('not_found');
    }
    if (checked.verdict === 'not_pending') {
      throw new AppError('not_pending', {
        message: `The verification is no longer pending: it is ${checked.verification.status}.`,
      });
    }
    if (checked.verification.status !== 'pending') {
      dialer.settle(checked.verification.callId);
      this.#options.onFinal?.(checked.verification);
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
    const { callId, status } = await this.#owned(id, clientId);
    const ended = await store.endVerification(id, 'canceled', now());
    dialer.hangUp(callId);
    if (ended === undefined) {
      throw new AppError('not_found');
    }
    // One that was checked in the meantime was told of by the check.
    const checked = ended.status === 'approved' || ended.status === 'max_checks_reached';
    if (status === 'pending' && !checked) this.#options.onFinal?.(ended);
    return viewOf(ended);
  }

  /** The code itself is in no answer that is kept. */
  async #replay(reply: string): Promise<Started> {
    const verification = { ...OLDER_VIEW, ...(JSON.parse(reply) as VerificationView) };
    const { store, vault, now } = this.#options;
    const { id, delivery } = verification;
    const stored = delivery?.gate?.key === null ? await store.verification(id) : undefined;
    const sealed = stored === undefined ? null : expire(stored, now()).sealedCode;
    const confirmCode = sealed === null ? undefined : vault.open(id, sealed);
    return { verification, replayed: true, confirmCode };
  }

  async #owned(id: string, clientId: string | null): Promise<Verification> {
    const verification = await this.#options.store.verification(id);
    if (verification === undefined || verification.clientId !== clientId) {
      throw new AppError('not_found');
    }
    return expire(verification, this.#options.now());
  }
}

interface ReadSubmission {
  readonly by: Proof;
  readonly secret: Secret;
}

/** @throws AppError invalid_request */
function readSubmission({ code, callerId }: Submission, verification: Verification): ReadSubmission {
  const { channel, sayAs, flash, delivery } = verification;
  if (code !== undefined && callerId !== undefined) {
    throw new AppError('invalid_request', { message: 'A check has a code or a callerId, not both.' });
  }
  if (callerId !== undefined && flash !== null) {
    const secret = hiddenPart(callerId, flash.hiddenDigits);
    if (secret !== undefined) return { by: 'caller_id', secret };
  }
  if (code !== undefined && channel !== 'flash') {
    if (delivery?.gate?.key === null) {
      throw new AppError('invalid_request', {
        message: 'Nothing is to be checked: the code is keyed in during the call, which approves by itself.',
      });
    }
    const secret = readCode(code, alphabetOf(sayAs));
    if (secret !== undefined) return { by: 'code', secret };
  }
  throw new AppError('invalid_request', { message: expectation(verification, code !== undefined) });
}

function expectation({ channel, sayAs, flash }: Verification, isCode: boolean): string {
  if (channel === 'flash' || (channel === 'auto' && !isCode && flash !== null)) {
    return `A flash call is checked with callerId: a number of at least ${flash?.hiddenDigits ?? 0} digits.`;
  }
  return `A code has 4 to 10 ${sayAs === 'nato' ? 'letters and digits' : 'digits'} and nothing else.`;
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
    // Requests of version 0.1 did not have these: without them their fingerprint is the same.
    ...laterKeys(request),
    ...(request.sayAs === undefined && request.gender === undefined ? [] : [request.sayAs, request.gender]),
  ]);
}

function laterKeys({
  channel,
  flash,
  gate,
  confirm,
  repeatKey,
  voicemail,
  template,
  from,
  carrierId,
}: StartRequest): readonly unknown[] {
  const later = [channel, flash, gate, confirm, repeatKey, voicemail];
  const latest = [template, from, carrierId];
  const words = latest.every((value) => value === undefined) ? [] : latest;
  return [...later, ...words].every((value) => value === undefined)
    ? []
    : [...later, ...words].map((value) => value ?? null);
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
    template: verification.template,
    channel: verification.channel,
    flash: verification.flash,
    delivery: verification.delivery,
    approvedBy: verification.approvedBy,
    checks: verification.checks,
    maxChecks: verification.maxChecks,
    createdAt: verification.createdAt,
    expiresAt: verification.expiresAt,
    endedAt: verification.endedAt,
    callId: verification.callId,
  };
}
