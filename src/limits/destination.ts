import type { NumberOrigin } from './number-origin.ts';
import type { DestinationSettings, NumberType } from './settings.ts';

/**
 * Numbers that belong to nobody, and so those of the lab: +44 20 7946 0000 to 0999 and +44 161 496 0000 to 0999 (Ofcom,
 * "Telephone numbers for use in TV and radio drama programmes").
 */
const FICTION = /^\+44(?:2079460|1614960)\d{3}$/;

/** Types in words, with an article where there is one. */
const TYPE_WORDS: Readonly<Record<NumberType, string>> = {
  premium_rate: 'premium-rate numbers',
  shared_cost: 'shared-cost numbers',
  toll_free: 'toll-free numbers',
  personal_number: 'personal numbers',
  pager: 'pagers',
  uan: 'universal access numbers',
  voicemail: 'mailboxes',
  voip: 'VoIP numbers',
};

/**
 * Why a number may not be called, in words that a client may read; undefined: it may. A `sip:` address is judged by its
 * host (see `readCallee`) and never here.
 *
 * @param own countries that the client may call, null: all that the configuration allows
 */
export function destinationFault(
  to: string,
  { country, callingCode, type }: NumberOrigin,
  { countries, refusedTypes, refusedCallingCodes }: DestinationSettings,
  own: readonly string[] | null,
): string | undefined {
  if (to.startsWith('sip:') || FICTION.test(to)) return undefined;
  if (refusedCallingCodes.includes(callingCode)) {
    return `Calls to +${callingCode} are not allowed: it is of a satellite or international network or service.`;
  }
  if (type !== null && refusedTypes.includes(type)) return `Calls to ${TYPE_WORDS[type]} are not allowed.`;
  const where = country ?? `numbers of +${callingCode} that are of no known country`;
  if (countries !== 'all' && (country === null || !countries.includes(country))) {
    return `Calls to ${where} are not allowed by the configuration.`;
  }
  if (own !== null && (country === null || !own.includes(country))) {
    return `This client may not call ${where}.`;
  }
  return undefined;
}
