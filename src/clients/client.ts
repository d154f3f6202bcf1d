import type { Secret } from '../secret.ts';

/**
 * What a client's key opens: `verifications` (start, read, check, cancel), `calls` (calls that say something, and reading
 * all of one's calls), `records` (call detail records of one's own), `webhooks` (dead letters of one's own), `operator`
 * (what is of all clients, trunks and queues; it opens the others too).
 */
export const SCOPES = ['verifications', 'calls', 'records', 'webhooks', 'operator'] as const;
export type Scope = (typeof SCOPES)[number];

/** A key as the configuration holds it. */
export interface ClientKey {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly hash: string;
  /** From then on it opens nothing; epoch milliseconds, null: never. */
  readonly expiresAt: number | null;
}

/** Where a client hears of its verifications and calls. */
export interface Callback {
  readonly url: string;
  /** `whsec_…`; the first signs, the others sign too while they are being replaced. */
  readonly secrets: readonly Secret[];
  /** Types of events; null: all. */
  readonly events: readonly string[] | null;
}

/** Who uses the APIs. */
export interface Client {
  /** Also the account SID, service id or user name of the APIs that come from elsewhere. */
  readonly id: string;
  readonly keys: readonly ClientKey[];
  readonly scopes: readonly Scope[];
  /** ISO 3166-1 alpha-2; null: those that the configuration allows to all. */
  readonly countries: readonly string[] | null;
  /** Calling numbers that it may ask for, among those that a trunk may show; null: all of these. */
  readonly clis: readonly string[] | null;
  /** Texts that it may have said or sent, word for word, with `{code}` in them; null: any. */
  readonly templates: readonly string[] | null;
  readonly callback: Callback | null;
  readonly limits: {
    /** Verifications and calls that are started, within any second; null: no limit of its own. */
    readonly perSecond: number | null;
    readonly perDay: number | null;
  };
  /** What its calls of any 24 hours may cost, in millionths of a unit of the currency; null: no limit of its own. */
  readonly spend: { readonly currency: string; readonly microsPerDay: number } | null;
}

/** Those that there are now: they may be replaced while the service runs (SIGHUP). */
export interface Clients {
  /** Null: the API runs without keys. Undefined: there is none of this name. */
  get(id: string): Client | undefined;
}
