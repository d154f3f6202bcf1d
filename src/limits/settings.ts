/** Null: no such limit. */
type Limit = number | null;

/** Kinds of numbers that a plan of numbers sets apart (libphonenumber's types, without the ordinary ones). */
export const NUMBER_TYPES = [
  'premium_rate',
  'shared_cost',
  'toll_free',
  'personal_number',
  'pager',
  'uan',
  'voicemail',
  'voip',
] as const;
export type NumberType = (typeof NUMBER_TYPES)[number];

/** How often, and for how much; those of a client are its own (`Client`). */
export interface LimitSettings {
  /** To one number or `sip:` address. */
  readonly number: {
    readonly perMinute: Limit;
    readonly perHour: Limit;
    readonly perDay: Limit;
    /** After the first, the second and so on; the last from then on. None: no pauses. */
    readonly pausesSeconds: readonly number[];
    /** After so long without one to the number its pauses begin anew. */
    readonly forgetSeconds: number;
  };
  /** To numbers that differ in their last digits only. What was proven does not count. */
  readonly prefix: { readonly droppedDigits: number; readonly perHour: Limit };
  /** For one address of an end user, of IPv6 for its /64. */
  readonly endUser: { readonly perHour: Limit };
  /** To one country. What was proven does not count. */
  readonly country: {
    readonly perHour: Limit;
    /** By ISO 3166-1 alpha-2, instead of `perHour`. */
    readonly byCountry: Readonly<Record<string, Limit>>;
  };
  readonly spend: {
    /** By ISO 4217: what all calls of any 24 hours may cost, such as `250.00`. */
    readonly perDay: Readonly<Record<string, string>>;
    /** How long a call is taken to last until it has ended. */
    readonly assumedSeconds: number;
  };
}

/** Where calls may go. */
export interface DestinationSettings {
  /** ISO 3166-1 alpha-2. */
  readonly countries: 'all' | readonly string[];
  readonly refusedTypes: readonly NumberType[];
  /** Without plus. */
  readonly refusedCallingCodes: readonly string[];
}
