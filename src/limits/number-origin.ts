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
  /** What a network hears of it: of a number with digits too many, what it is without them. */
  readonly reached: string;
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
  if (parsed === undefined) return { country: null, callingCode: '', type: null, reached: to };
  return {
    country: parsed.country ?? null,
    callingCode: parsed.countryCallingCode,
    ...reachedBy(to, parsed),
  };
}

/** A number that the plan does not know is itself, unless the plan knows it without its last digits, or its first zeros. */
function reachedBy(to: string, whole: PhoneNumber): Pick<NumberOrigin, 'type' | 'reached'> {
  const code = `+${whole.countryCallingCode}`;
  const withoutZeros = code + to.slice(code.length).replace(/^0+/, '');
  for (const digits of withoutZeros === to ? [to] : [to, withoutZeros]) {
    for (let dropped = 0; dropped <= OVERDIALLED; dropped++) {
      const known = parse(digits.slice(0, digits.length - dropped));
      const type = known?.getType();
      if (known !== undefined && type !== undefined)
        return { type: TYPES[type] ?? null, reached: known.number };
    }
  }
  return { type: null, reached: to };
}

function parse(number: string): PhoneNumber | undefined {
  try {
    return parsePhoneNumberWithError(number, { extract: false });
  } catch {
    return undefined;
  }
}
