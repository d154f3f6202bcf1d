import { AppError } from '../errors.ts';
import { familyOfKey, randomFamily } from '../store/family.ts';
import type { AlsoStored, IdempotentRequest, Repeated, Store } from '../store/store.ts';
import type { Channel, Verification } from '../verification/verification.ts';
import type { Notice, NoticeTarget } from '../webhooks/notice.ts';
import type { Call } from './call.ts';
import { isUnavailable } from './persistence.ts';

const IDEMPOTENCY_RETENTION_MS = 24 * 60 * 60 * 1000;
/** What is under way elsewhere is looked for so often, and after such a pause each time. */
const [LOOKS, LOOK_MS] = [40, 50];
/** What a client is told to wait when all lines are in use: about a quarter of a call. */
const CAPACITY_RETRY_SECONDS = 5;
/** And when no call could be carried at all: about what a server of ours needs to start again. */
const ENGINE_RETRY_SECONDS = 5;

/** What taking a call needs of the dialer. */
export interface CallPort {
  /** Whether one more call can be taken. */
  room(): boolean;
  /** What is missing for a call to be carried, in words that a client may read; empty when all is there. */
  missing(): readonly string[];
  /** Keeps a line for a call that is about to be stored; false when there is none. */
  reserve(callId: string): boolean;
  /** Gives back a line whose call was not stored. */
  release(callId: string): void;
  /** A call that was refused since the store said nothing: should it have stored it all the same, it is not dialled. */
  disown(callId: string): void;
  /** What this process is called: the `node` of the calls that it takes. */
  token(): string;
  /** Places a stored call. Returns at once and never throws. */
  dial(callId: string): void;
  /** Nothing is to be proven any more: a call that waits for that goes no further. */
  settle(callId: string): void;
  /** Ends a call, wherever it is carried; returns at once. */
  hangUp(callId: string): void;
}

/** Who asks for what, as far as limits need to know. */
export interface AdmissionRequest {
  readonly clientId: string | null;
  /** As `readCallee` gives it. */
  readonly to: string;
  readonly channel: Channel;
  /** IP address of whoever asks the client for it. */
  readonly endUserAddress: string | undefined;
}

/** A request that was let through, and counted. */
export interface Admission {
  /** Nothing came of it: it does not count. Never rejects. */
  giveBack(): Promise<void>;
}

/** What every request for a call has to pass. */
export interface AdmissionPort {
  /** @throws AppError unauthorized, destination_not_allowed, limit_reached, spend_limit, store_unavailable */
  admit(request: AdmissionRequest): Promise<Admission>;
  /**
   * As `admit`, for a request that may come again before it is answered: of those with the same word one is let through,
   * whichever process is asked, and until `giveBack`, or for ten seconds, the others count as nothing and are not refused.
   */
  admitOnce(request: AdmissionRequest, word: string): Promise<Admission | 'under_way'>;
}

/** Who is told of a call. */
export interface NoticePort {
  /** @param target where the request names one; otherwise the client's own, where it has one */
  noticeOf(
    call: Call,
    verification: Verification | null,
    target: NoticeTarget | undefined,
  ): Notice | undefined;
}

export interface AcceptancePorts {
  readonly gate: AdmissionPort;
  readonly notices: NoticePort;
  readonly store: Pick<Store, 'accept' | 'earlierAnswer'>;
  readonly dialer: CallPort;
  /** HMAC of a request, so that two can be compared without keeping either. */
  readonly vault: { fingerprint(text: string): string };
}

/** A request that may be repeated under an `Idempotency-Key`. */
export interface RepeatableRequest {
  readonly clientId: string | null;
  readonly key: string;
  /** All of the request as one text; only its HMAC is kept. */
  readonly text: string;
  /** The answer to it, as JSON text; it holds no secret. */
  readonly reply: string;
}

/** Undefined where the request was taken now, else the answer that it got when it came first, as JSON text. */
export type EarlierReply = string | undefined;

/**
 * Takes a call: keeps a line, stores it with its verification, and has it placed after that, so that the answer
 * is on its way before anything is dialled. What was taken before keeps its answer, whether or not one more call
 * could be carried now.
 *
 * @param repeatable a repetition with the same text within 24 hours gets the first answer, and no call
 * @throws AppError capacity, engine_unavailable, idempotency_key_reused, store_unavailable
 */
export async function takeCall(
  { store, dialer, vault }: Pick<AcceptancePorts, 'store' | 'dialer' | 'vault'>,
  call: Call,
  verification: Verification | null,
  repeatable: RepeatableRequest | undefined,
  also: AlsoStored = {},
): Promise<EarlierReply> {
  const request: IdempotentRequest | null =
    repeatable === undefined
      ? null
      : {
          ...identityOf(repeatable, vault),
          reply: repeatable.reply,
          expiresAt: call.createdAt + IDEMPOTENCY_RETENTION_MS,
        };
  const refusal = reserve(dialer, call.id);
  if (refusal !== undefined) {
    const earlier = request === null ? undefined : await store.earlierAnswer(request, call.createdAt);
    if (earlier === undefined) {
      throw refusal;
    }
    return replyOf(earlier);
  }
  let stored = false;
  try {
    const accepted = await store.accept(verification, call, request, also);
    stored = accepted.kind === 'accepted';
    return accepted.kind === 'accepted' ? undefined : replyOf(accepted);
  } catch (error) {
    // A repetition of a request with a key would be answered with this call, which is then to be dialled.
    if (request === null && isUnavailable(error)) dialer.disown(call.id);
    throw error;
  } finally {
    if (stored) {
      // After the answer is on its way: nobody waits for SIP.
      setImmediate(() => dialer.dial(call.id));
    } else {
      dialer.release(call.id);
    }
  }
}

/** A request of which another one may be under way, and what that one was answered. */
export interface Repeat<T> {
  /** See `admitOnce`. */
  readonly word: string;
  /** Undefined as long as there is no answer. */
  readonly earlier: () => Promise<T | undefined>;
}

/**
 * Does what a request asks for once it is let through; where it fails, or came to nothing new, it does not count. While
 * the same request is under way, at whatever process, its answer is waited for, for some seconds.
 *
 * @param isNothing whether the result says so
 * @throws AppError as `AdmissionPort.admit`; what `work` and `earlier` throw
 */
export async function admitted<T>(
  { gate }: Pick<AcceptancePorts, 'gate'>,
  request: AdmissionRequest,
  work: () => Promise<T>,
  isNothing: (result: T) => boolean,
  repeat?: Repeat<T>,
): Promise<T> {
  const entry =
    repeat === undefined ? { admission: await gate.admit(request) } : await enter(gate, request, repeat);
  if ('earlier' in entry) return entry.earlier;
  let counts = false;
  try {
    const result = await work();
    counts = !isNothing(result);
    return result;
  } catch (error) {
    // It may have been stored all the same, and be dialled later.
    counts = isUnavailable(error);
    throw error;
  } finally {
    if (!counts) await entry.admission.giveBack();
  }
}

async function enter<T>(
  gate: AdmissionPort,
  request: AdmissionRequest,
  { word, earlier }: Repeat<T>,
): Promise<{ readonly admission: Admission } | { readonly earlier: T }> {
  for (let look = 0; look < LOOKS; look += 1) {
    const admission = await gate.admitOnce(request, word);
    if (admission !== 'under_way') return { admission };
    const known = await earlier();
    if (known !== undefined) return { earlier: known };
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
  // Whoever has it stands still, or is no more. Should it be stored twice, the store tells it.
  return { admission: await gate.admit(request) };
}

/** The word of a request for `admitOnce`: it is that of its key, whatever is asked for. Undefined where it has none. */
export function repeatOf<T>(
  ports: Pick<AcceptancePorts, 'store' | 'vault'>,
  request: Omit<RepeatableRequest, 'reply'> | undefined,
  now: () => number,
  replay: (reply: string) => T | Promise<T>,
): Repeat<T> | undefined {
  if (request === undefined) return undefined;
  return {
    word: ports.vault.fingerprint(requestKey(request.clientId, request.key)),
    earlier: async () => {
      const known = await earlierReply(ports, request, now());
      return known === undefined ? undefined : replay(known);
    },
  };
}

/**
 * What was answered to this request when it came first; undefined where it is new.
 *
 * @throws AppError idempotency_key_reused, store_unavailable
 */
export async function earlierReply(
  { store, vault }: Pick<AcceptancePorts, 'store' | 'vault'>,
  request: Omit<RepeatableRequest, 'reply'>,
  now: number,
): Promise<EarlierReply> {
  const earlier = await store.earlierAnswer(identityOf(request, vault), now);
  return earlier === undefined ? undefined : replyOf(earlier);
}

/** A call that knows whether somebody is told of it, and what is stored along with it. */
export function withNotice(
  call: Call,
  notice: Notice | undefined,
): { readonly call: Call; readonly notice: Pick<AlsoStored, 'notice'> } {
  if (notice === undefined) return { call, notice: {} };
  return { call: { ...call, wishes: { ...call.wishes, told: true } }, notice: { notice } };
}

/** What a verification is found under by its alias: clients do not meet. */
export function aliasKey(clientId: string | null, alias: string): string {
  return requestKey(clientId, alias);
}

/** What an idempotent request is kept under: clients do not meet. */
function requestKey(clientId: string | null, key: string): string {
  return JSON.stringify([clientId, key]);
}

/** The ids of what one request makes belong to one family, and to that of its key where it has one. */
export function familyOfRequest(
  request: Pick<RepeatableRequest, 'clientId' | 'key'> | undefined,
  randomBytes: (n: number) => Uint8Array,
): string {
  return request === undefined
    ? randomFamily(randomBytes)
    : familyOfKey(requestKey(request.clientId, request.key));
}

function identityOf(
  { clientId, key, text }: Omit<RepeatableRequest, 'reply'>,
  vault: AcceptancePorts['vault'],
): Pick<IdempotentRequest, 'key' | 'fingerprint'> {
  return { key: requestKey(clientId, key), fingerprint: vault.fingerprint(text) };
}

/**
 * Why a call could not be taken now, so that nothing is used up for it; undefined: perhaps it can. Only `takeCall`
 * keeps a line.
 */
export function refusalNow(dialer: CallPort): AppError | undefined {
  const missing = dialer.missing();
  if (missing.length > 0) {
    return new AppError('engine_unavailable', {
      message: `Calls cannot be carried at the moment. Missing: ${missing.join(', ')}.`,
      retryAfterSeconds: ENGINE_RETRY_SECONDS,
    });
  }
  return dialer.room() ? undefined : full();
}

function full(): AppError {
  return new AppError('capacity', { retryAfterSeconds: CAPACITY_RETRY_SECONDS });
}

/** Keeps a line for a call; where that cannot be, says why. */
function reserve(dialer: CallPort, callId: string): AppError | undefined {
  return refusalNow(dialer) ?? (dialer.reserve(callId) ? undefined : full());
}

/** @throws AppError idempotency_key_reused */
function replyOf(earlier: Repeated): string {
  if (earlier.kind === 'key_reused') {
    throw new AppError('idempotency_key_reused');
  }
  return earlier.reply;
}
