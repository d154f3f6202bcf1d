import type { CountryCode } from 'libphonenumber-js/min';
import { parsePhoneNumberFromString } from 'libphonenumber-js/min';

/** Digits with what people put between them; a plus or `00` first where the country code is there already. */
const WRITTEN = /^(?:tel:)?\+?[0-9(][0-9 ()./-]{1,38}$/;

/**
 * A number as somebody typed or pasted it, with the country that was chosen beside it, in E.164 form. What is national in
 * it, such as a leading zero, goes where the country has it so (Italy keeps its zeros); one that begins with a plus or
 * `00` has its country in it, whatever was chosen. Undefined where it is no possible number.
 */
export function readEnteredNumber(text: string, country: CountryCode): string | undefined {
  const written = text
    .normalize('NFKC')
    .replaceAll(/\p{Cf}/gu, '')
    .trim();
  if (!WRITTEN.test(written)) return undefined;
  const number = written.replace(/^tel:/, '').replace(/^00(?=[1-9])/, '+');
  const parsed = parsePhoneNumberFromString(number, { defaultCountry: country, extract: false });
  return parsed?.isPossible() === true ? parsed.number : undefined;
}

/** A number as people read it: `+44 20 7946 0200`. What is none stays as it is. */
export function readableNumber(number: string): string {
  return parsePhoneNumberFromString(number)?.formatInternational() ?? number;
}

/** The country and the national form of a number, for a form that is filled in. */
export function enteredParts(
  number: string,
): { readonly country: CountryCode; readonly national: string } | undefined {
  const parsed = parsePhoneNumberFromString(number);
  if (parsed?.country === undefined) return undefined;
  return { country: parsed.country, national: parsed.formatNational() };
}
