import { parsePhoneNumberWithError } from 'libphonenumber-js/min';
import type { ServedPrefix, Trunk } from './definition.ts';

/** For `sip:` addresses, and for numbers of no country. */
const NO_COUNTRY = '+';

/** A trunk that says nothing of prefixes carries all. */
const ALL: ServedPrefix = { prefix: '+' };

/**
 * The longest prefix by which a trunk carries the number; undefined where it does not. A `sip:` address has no prefix
 * and belongs to every trunk, as one that may be asked for it.
 */
export function servedPrefix({ prefixes = [] }: Trunk, to: string): ServedPrefix | undefined {
  if (prefixes.length === 0 || to.startsWith('sip:')) return ALL;
  let longest: ServedPrefix | undefined;
  for (const served of prefixes) {
    if (to.startsWith(served.prefix) && served.prefix.length > (longest?.prefix.length ?? 0))
      longest = served;
  }
  return longest;
}

/**
 * The prefix that a trunk's results are kept by: the one that it carries the number by, and at least the country code,
 * so that what it does in one country says nothing of another.
 *
 * @param country `countryPrefix` of the number, where it is known already
 */
export function resultPrefix(trunk: Trunk | undefined, to: string, country = countryPrefix(to)): string {
  const served = trunk === undefined ? undefined : servedPrefix(trunk, to)?.prefix;
  return served !== undefined && served.length > country.length ? served : country;
}

/** `+49`; `+` for what belongs to no country. */
export function countryPrefix(to: string): string {
  try {
    return `+${parsePhoneNumberWithError(to, { extract: false }).countryCallingCode}`;
  } catch {
    return NO_COUNTRY;
  }
}
