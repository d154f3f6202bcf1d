/** `approved`, `expired`, `failed`, `canceled` and `max_checks_reached` are final. */
export type VerificationStatus =
  | 'pending'
  | 'approved'
  | 'expired'
  | 'failed'
  | 'canceled'
  | 'max_checks_reached';

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
  /** HMAC-SHA256(pepper, id, code), hex: what a submitted code is compared with. */
  readonly codeDigest: string;
  /** AES-256-GCM sealed code, base64; null from the end of the call on. */
  readonly sealedCode: string | null;
  /** How often the prompt says the code. */
  readonly repeat: number;
  /** How many submitted codes were compared. */
  readonly checks: number;
  readonly maxChecks: number;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** When the status became final; null while pending. */
  readonly endedAt: number | null;
  readonly callId: string;
}
