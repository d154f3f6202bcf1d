import type { SayAs } from '../prompt/playlist.ts';
import type { Gender } from '../prompt/tts.ts';

/** `approved`, `expired`, `failed`, `canceled` and `max_checks_reached` are final. */
export type VerificationStatus =
  | 'pending'
  | 'approved'
  | 'expired'
  | 'failed'
  | 'canceled'
  | 'max_checks_reached';

/** `voice`: a code is said. `flash`: the phone rings, and the number that called is what it proves. */
export type Channel = 'voice' | 'flash';

/** What a flash call shows and hides. */
export interface FlashDetails {
  /** The calling number without its hidden digits. */
  readonly prefix: string;
  /** How many digits of it are compared, from the end. */
  readonly hiddenDigits: number;
  /** That somebody who has not seen the phone guesses them within the checks: 0 to 1. */
  readonly guessProbability: number;
  readonly ringHoldMs: number;
  readonly maxRingMs: number;
  /** What is said where somebody answers; null: nothing, the call is hung up. */
  readonly fallbackText: string | null;
}

/** The proving of one number. Times are epoch milliseconds. */
export interface Verification {
  /** `ver_…` */
  readonly id: string;
  /** The API client that owns it; null where the API runs without keys. */
  readonly clientId: string | null;
  /** E.164 with `+`, or a `sip:` URI where the configuration allows them. */
  readonly to: string;
  readonly locale: string;
  readonly reference: string | null;
  readonly status: VerificationStatus;
  readonly codeLength: number;
  /** HMAC-SHA256(pepper, id, code), hex: what is submitted is compared with it; of a flash call the hidden digits. */
  readonly codeDigest: string;
  /** AES-256-GCM sealed code, base64, of a flash call the whole calling number; null from the end of the call on. */
  readonly sealedCode: string | null;
  /** How often the prompt says the code. */
  readonly repeat: number;
  readonly sayAs: SayAs;
  /** Of the voice, where there is a choice; null: any. */
  readonly gender: Gender | null;
  readonly channel: Channel;
  /** Of a flash call; null for a voice call. */
  readonly flash: FlashDetails | null;
  /** How many submitted codes were compared. */
  readonly checks: number;
  readonly maxChecks: number;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** When the status became final; null while pending. */
  readonly endedAt: number | null;
  readonly callId: string;
}

/** What is decided before a verification exists; everything else of it follows. */
export type NewVerification = Pick<
  Verification,
  | 'id'
  | 'clientId'
  | 'to'
  | 'locale'
  | 'reference'
  | 'codeLength'
  | 'codeDigest'
  | 'repeat'
  | 'sayAs'
  | 'gender'
  | 'channel'
  | 'flash'
  | 'maxChecks'
  | 'callId'
> & {
  readonly sealedCode: string;
  readonly createdAt: number;
  readonly ttlSeconds: number;
};

export function createVerification({ ttlSeconds, ...known }: NewVerification): Verification {
  return {
    ...known,
    status: 'pending',
    checks: 0,
    expiresAt: known.createdAt + ttlSeconds * 1000,
    endedAt: null,
  };
}

/** Ends a pending verification for another reason than a check. One that is final stays as it is. */
export function endVerification(
  verification: Verification,
  status: 'failed' | 'canceled' | 'expired',
  now: number,
): Verification {
  return verification.status === 'pending' ? end(verification, status, now) : verification;
}

/** The verification as it is at `now`: a pending one whose time is over is `expired`, whenever that is stored. */
export function expire(verification: Verification, now: number): Verification {
  return verification.status === 'pending' && now >= verification.expiresAt
    ? end(verification, 'expired', verification.expiresAt)
    : verification;
}

export type CheckVerdict =
  | 'approved'
  /** Compared and not equal. On the last check the status becomes `max_checks_reached` at the same time. */
  | 'wrong'
  /** Not compared: the verification is final, and its status says how. */
  | 'not_pending';

export interface Checked {
  readonly verdict: CheckVerdict;
  /** As it is after the check. */
  readonly verification: Verification;
}

/**
 * One check of a submitted code. The caller makes this and the storing of the new state one transaction; that
 * is what limits the number of comparisons when many ask at once.
 */
export function applyCheck(verification: Verification, equal: boolean, now: number): Checked {
  const current = expire(verification, now);
  if (current.status !== 'pending') {
    return { verdict: 'not_pending', verification: current };
  }
  const counted = { ...current, checks: current.checks + 1 };
  if (equal) {
    return { verdict: 'approved', verification: end(counted, 'approved', now) };
  }
  return {
    verdict: 'wrong',
    verification: counted.checks >= counted.maxChecks ? end(counted, 'max_checks_reached', now) : counted,
  };
}

/** A final verification's code is of no use to anybody, so that its sealed copy goes at the same time. */
function end(verification: Verification, status: VerificationStatus, at: number): Verification {
  return { ...verification, status, endedAt: at, sealedCode: null };
}
