import type { CountryCode } from 'libphonenumber-js/min';
import { getCountries, getCountryCallingCode, isSupportedCountry } from 'libphonenumber-js/min';

/** A country of the drop-down. */
export interface Country {
  /** ISO 3166-1 alpha-2. */
  readonly code: CountryCode;
  readonly name: string;
  /** Digits, without the plus. */
  readonly callingCode: string;
}

/** What is not a country, yet has numbers: the library knows it by two letters too. */
const NAMES: Readonly<Record<string, string>> = { AC: 'Ascension Island', TA: 'Tristan da Cunha' };

/** All that have a calling code, by their English names. */
export const COUNTRIES: readonly Country[] = namedCountries();

function namedCountries(): readonly Country[] {
  const names = new Intl.DisplayNames('en', { type: 'region', fallback: 'code' });
  return getCountries()
    .map((code) => ({
      code,
      name: NAMES[code] ?? names.of(code) ?? code,
      callingCode: getCountryCallingCode(code),
    }))
    .toSorted((a, b) => a.name.localeCompare(b.name, 'en'));
}

/**
 * Those that may be called, for the drop-down.
 *
 * @param lists what may be called by each of several rules, ISO 3166-1 alpha-2; `all` and null leave it to the others
 * @returns every country where none is left: whoever chooses one is told why it cannot be called
 */
export function countriesOf(...lists: readonly ('all' | readonly string[] | null)[]): readonly Country[] {
  const open = COUNTRIES.filter(({ code }) =>
    lists.every((list) => list === 'all' || list === null || list.includes(code)),
  );
  return open.length === 0 ? COUNTRIES : open;
}

/** The country of a code, in whichever letters it is written. */
export function countryOf(code: string): Country | undefined {
  return COUNTRIES.find((country) => country.code === code.toUpperCase());
}

/** The first country that a browser's languages name (RFC 9110 §12.5.4), such as GB for `en-GB,en;q=0.9`. */
export function countryOfLanguages(acceptLanguage: string | undefined): CountryCode | undefined {
  const regions = (acceptLanguage ?? '')
    .slice(0, MAX_LANGUAGES)
    .matchAll(/[a-z]{2,3}(?:-[a-z]{4})?-([a-z]{2})\b/gi);
  for (const [, region = ''] of regions) {
    const code = region.toUpperCase();
    if (isSupportedCountry(code)) return code;
  }
  return undefined;
}

/** Longer headers are read so far. */
const MAX_LANGUAGES = 200;
