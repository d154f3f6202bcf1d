import type { NumberType as LibraryType, PhoneNumber } from 'libphonenumber-js/max';
import { parsePhoneNumberWithError } from 'libphonenumber-js/max';
import type { NumberType } from './settings.ts';

/** Where a number belongs, and what it is. */
export interface NumberOrigin {
  /** ISO 3166-1 alpha-2; null where the calling code is of no country, or of several and the number of none of them. */
  readonly country: string | null;
  /** Without plus; empty for what is no number. */
  readonly callingCode: string;
  /** Null: an ordinary number, or one that the plan does not know. */
  readonly type: NumberType | null;
}

const TYPES: Readonly<Partial<Record<NonNullable<LibraryType>, NumberType>>> = {
  PREMIUM_RATE: 'premium_rate',
  SHARED_COST: 'shared_cost',
  TOLL_FREE: 'toll_free',
  PERSONAL_NUMBER: 'personal_number',
  PAGER: 'pager',
  UAN: 'uan',
  VOICEMAIL: 'voicemail',
  VOIP: 'voip',
};

/** Digits that may follow a number: a network that has heard a whole number listens to no more of them. */
const OVERDIALLED = 5;

/** @param to E.164 with plus */
export function originOf(to: string): NumberOrigin {
  const parsed = parse(to);
  if (parsed === undefined) return { country: null, callingCode: '', type: null };
  return {
    country: parsed.country ?? null,
    callingCode: parsed.countryCallingCode,
    type: typeOf(to, parsed),
  };
}

/** Of a number that is too long, what it is without its last digits: it is put through as such. */
function typeOf(to: string, whole: PhoneNumber): NumberType | null {
  for (let dropped = 0; dropped <= OVERDIALLED; dropped++) {
    const type = dropped === 0 ? whole.getType() : parse(to.slice(0, -dropped))?.getType();
    if (type !== undefined) return TYPES[type] ?? null;
  }
  return null;
}

function parse(number: string): PhoneNumber | undefined {
  try {
    return parsePhoneNumberWithError(number, { extract: false });
  } catch {
    return undefined;
  }
}
