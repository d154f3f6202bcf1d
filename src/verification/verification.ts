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

/**
 * `voice`: a code is said. `flash`: the phone rings, and the number that called is what it proves. `auto`: a flash
 * call where one can be placed, and a voice call after it where that was not enough. `sms`: a code is sent as a text.
 */
export type Channel = 'voice' | 'flash' | 'auto' | 'sms';

/** What approved a verification: a code that was heard, the number that called, or keys pressed in the call. */
export type Proof = 'code' | 'caller_id' | 'keys';

/** Who gets to hear the code of a voice call, and how. */
export interface Delivery {
  /** What has to be pressed before the code is said; null: nothing. */
  readonly gate: GateWish | null;
  /** Key that says the code once more, so often at most; null: none. */
  readonly repeat: { readonly key: string; readonly times: number } | null;
  /** What a voicemail gets (see `DetectionTerms`); null: nobody listens for one. */
  readonly onMachine: 'speak' | 'hangup' | 'wait_for_tone' | null;
  /** Of `auto`: how long after the flash call the voice call waits for a check. */
  readonly voiceAfterMs: number;
}

export interface GateWish {
  /** `0`–`9`; null: the code itself, which the callee reads on a screen, and which approves the verification. */
  readonly key: string | null;
  readonly waitMs: number;
  /** What is said instead of our own question; null: our own. */
  readonly text: string | null;
}

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
  /** HMAC-SHA256(pepper, id, code), hex: what is submitted is compared with it. Null where no code is ever said. */
  readonly codeDigest: string | null;
  /** AES-256-GCM sealed code, base64; null from the end of the call on. */
  readonly sealedCode: string | null;
  /** The same of the hidden digits of a flash call's calling number … */
  readonly cliDigest: string | null;
  /** … and of the whole of it. */
  readonly sealedCli: string | null;
  /** How often the prompt says the code. */
  readonly repeat: number;
  readonly sayAs: SayAs;
  /** Of the voice, where there is a choice; null: any. */
  readonly gender: Gender | null;
  /** The client's own text, with `{code}` in it; null: ours. */
  readonly template: string | null;
  readonly channel: Channel;
  /** Of a flash call; null where there is none. */
  readonly flash: FlashDetails | null;
  /** Of a voice call; null where there is none. */
  readonly delivery: Delivery | null;
  /** Null unless it is approved. */
  readonly approvedBy: Proof | null;
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
  | 'sealedCode'
  | 'cliDigest'
  | 'sealedCli'
  | 'repeat'
  | 'sayAs'
  | 'gender'
  | 'template'
  | 'channel'
  | 'flash'
  | 'delivery'
  | 'maxChecks'
  | 'callId'
> & {
  readonly createdAt: number;
  readonly ttlSeconds: number;
};

export function createVerification({ ttlSeconds, ...known }: NewVerification): Verification {
  return {
    ...known,
    status: 'pending',
    approvedBy: null,
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

/** What is submitted as a proof. */
export interface Submitted {
  readonly by: Proof;
  /** As `codeDigest`, or `cliDigest` for a calling number. */
  readonly digest: string;
}

/** The digest that a submitted one has to be equal to; undefined where this proves nothing here. */
export function expectedDigest({ codeDigest, cliDigest }: Verification, by: Proof): string | undefined {
  return (by === 'caller_id' ? cliDigest : codeDigest) ?? undefined;
}

/**
 * One check of a submitted proof. The caller makes this and the storing of the new state one transaction; that
 * is what limits the number of comparisons when many ask at once.
 */
export function applyCheck(verification: Verification, by: Proof, equal: boolean, now: number): Checked {
  const current = expire(verification, now);
  if (current.status !== 'pending') {
    return { verdict: 'not_pending', verification: current };
  }
  const counted = { ...current, checks: current.checks + 1 };
  if (equal) {
    return { verdict: 'approved', verification: { ...end(counted, 'approved', now), approvedBy: by } };
  }
  return {
    verdict: 'wrong',
    verification: counted.checks >= counted.maxChecks ? end(counted, 'max_checks_reached', now) : counted,
  };
}

/** What a final verification seals is of no use to anybody, and goes at the same time. */
function end(verification: Verification, status: VerificationStatus, at: number): Verification {
  return { ...verification, status, endedAt: at, sealedCode: null, sealedCli: null };
}
