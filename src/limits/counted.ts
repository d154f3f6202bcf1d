import ipaddr from 'ipaddr.js';
import type { AdmissionRequest } from '../call/acceptance.ts';
import { microsOf } from '../cdr/billing.ts';
import type { Client } from '../clients/client.ts';
import type { Count, GrowingPause } from './limit-store.ts';
import type { NumberOrigin } from './number-origin.ts';
import type { LimitSettings } from './settings.ts';
import type { Cost } from './spend.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** What may be too much, and what a client reads then. */
export const LIMITS = {
  client_second: 'This client has started all that it may start within a second.',
  client_day: 'This client has started all that it may start within a day.',
  number_minute: 'Too many to this number within a minute.',
  number_hour: 'Too many to this number within an hour.',
  number_day: 'Too many to this number within a day.',
  number_pause: 'The next to this number has to wait: with each one the pause grows.',
  prefix_hour: 'Too many to numbers like this one within an hour that proved nothing.',
  end_user_hour: 'Too many for the address of this end user within an hour.',
  country_hour: 'Too many to this country within an hour that proved nothing.',
  client_spend: 'What this client may spend in a day is spent.',
  service_spend: 'What may be spent in a day is spent.',
} as const;

export type LimitName = keyof typeof LIMITS;

export interface NamedCount extends Count {
  readonly limit: LimitName;
}

/** What follows from a request. */
export interface Counted {
  readonly counts: readonly NamedCount[];
  readonly pauses: readonly GrowingPause[];
}

export interface Known {
  /** Undefined where the API runs without keys. */
  readonly client: Client | undefined;
  readonly origin: NumberOrigin;
  /** What it may cost. */
  readonly cost: Cost;
}

/** Everything that a request counts as. */
export function countedOf(
  { endUserAddress }: Pick<AdmissionRequest, 'endUserAddress'>,
  { client, origin, cost }: Known,
  settings: LimitSettings,
): Counted {
  const { perMinute, perHour, perDay } = settings.number;
  const { reached } = origin;
  return {
    counts: [
      ...clientCounts(client),
      ...limited('number_minute', `number ${reached} minute`, MINUTE_MS, perMinute),
      ...limited('number_hour', `number ${reached} hour`, HOUR_MS, perHour),
      ...limited('number_day', `number ${reached} day`, DAY_MS, perDay),
      ...provableCounts(origin, settings),
      ...endUserCounts(endUserAddress, settings),
      ...spendCounts(client, cost, settings),
    ],
    pauses: pausesOf(origin, settings),
  };
}

/** What does not count any more once the number is proven: a legitimate burst proves what it asks for, a pump nothing. */
export function provableCounts(
  { country, callingCode, reached }: NumberOrigin,
  { prefix, country: { perHour, byCountry } }: LimitSettings,
): readonly NamedCount[] {
  if (reached.startsWith('sip:')) return [];
  const beginning = reached.slice(0, Math.max(2, reached.length - prefix.droppedDigits));
  const area = country ?? `+${callingCode}`;
  const most = byCountry[area];
  return [
    ...limited('prefix_hour', `prefix ${beginning}/${prefix.droppedDigits}`, HOUR_MS, prefix.perHour),
    ...limited('country_hour', `country ${area}`, HOUR_MS, most === undefined ? perHour : most),
  ];
}

/** The caps that there are on what a client, and the whole service, may spend in the currencies of a cost. */
export function spendCounts(
  client: Pick<Client, 'id' | 'spend'> | undefined,
  cost: Cost,
  { spend: { perDay } }: Pick<LimitSettings, 'spend'>,
): readonly NamedCount[] {
  const own = client?.spend ?? undefined;
  return [...cost].flatMap(([currency, micros]) => {
    if (micros < 1) return [];
    const cap = perDay[currency];
    const mine = own?.currency === currency ? own.microsPerDay : null;
    return [
      ...limited('client_spend', `spend client ${client?.id} ${currency}`, DAY_MS, mine, micros),
      ...limited(
        'service_spend',
        `spend service ${currency}`,
        DAY_MS,
        cap === undefined ? null : microsOf(cap),
        micros,
      ),
    ];
  });
}

export function pausesOf(
  { reached }: NumberOrigin,
  { number }: Pick<LimitSettings, 'number'>,
): readonly GrowingPause[] {
  const { pausesSeconds, forgetSeconds } = number;
  if (pausesSeconds.every((seconds) => seconds === 0)) return [];
  const pausesMs = pausesSeconds.map((seconds) => seconds * 1000);
  return [{ key: `number ${reached}`, pausesMs, forgetMs: forgetSeconds * 1000 }];
}

/** What is counted for an end user: an IPv4 address, or the /64 of an IPv6 address, which one subscriber has. */
export function endUserNetwork(text: string): string | undefined {
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.process(text);
  if (address instanceof ipaddr.IPv4) return address.toString();
  return `${address.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

function clientCounts(client: Client | undefined): readonly NamedCount[] {
  if (client === undefined) return [];
  const { id, limits } = client;
  return [
    ...limited('client_second', `client ${id} second`, SECOND_MS, limits.perSecond),
    ...limited('client_day', `client ${id} day`, DAY_MS, limits.perDay),
  ];
}

function endUserCounts(address: string | undefined, { endUser }: LimitSettings): readonly NamedCount[] {
  const network = address === undefined ? undefined : endUserNetwork(address);
  return network === undefined ? [] : limited('end_user_hour', `user ${network}`, HOUR_MS, endUser.perHour);
}

/** Nothing where there is no such limit. */
function limited(
  limit: LimitName,
  key: string,
  windowMs: number,
  max: number | null,
  amount = 1,
): readonly NamedCount[] {
  return max === null ? [] : [{ limit, key, windowMs, max, amount }];
}
