import { isSupportedCountry } from 'libphonenumber-js/min';
import { z } from 'zod';
import { section } from './config-values.ts';
import { NUMBER_TYPES } from './limits/settings.ts';

const MAX_COUNT = 1_000_000_000;
const DAY_SECONDS = 86_400;
const MAX_COUNTRIES = 300;

const country = z.string().refine((code): boolean => isSupportedCountry(code), {
  error: 'expected a country such as `DE` (ISO 3166-1; the United Kingdom is `GB`)',
});
const currency = z.string().regex(/^[A-Z]{3}$/, { error: 'expected a currency such as `EUR`' });
const amount = z.string().regex(/^[0-9]{1,9}(?:\.[0-9]{1,6})?$/, {
  error: 'expected an amount in quotes, such as `"250.00"`',
});
const callingCode = z
  .string()
  .regex(/^[1-9][0-9]{0,2}$/, { error: 'expected a calling code without plus, in quotes, such as `"881"`' });

const most = z.int().min(1).max(MAX_COUNT).nullable();

/** Networks of satellites, ships and planes, and international services: those that fraud calls at dear prices (ITU-T E.164.1). */
const NETWORKS_AND_SERVICES = ['870', '878', '881', '882', '883', '888', '979', '808'];

/** How often, and for how much; see `LimitSettings` and docs/limits.md. */
export const limits = section({
  number: section({
    perMinute: most.default(3),
    perHour: most.default(8),
    perDay: most.default(20),
    pausesSeconds: z.array(z.int().min(0).max(DAY_SECONDS)).max(20).default([0, 30, 60, 120, 300]),
    forgetSeconds: z
      .int()
      .min(60)
      .max(30 * DAY_SECONDS)
      .default(DAY_SECONDS),
  }),
  prefix: section({
    droppedDigits: z.int().min(1).max(8).default(4),
    perHour: most.default(50),
  }),
  endUser: section({ perHour: most.default(20) }),
  country: section({
    perHour: most.default(null),
    byCountry: z.record(country, z.int().min(0).max(MAX_COUNT).nullable()).default({}),
  }),
  spend: section({
    perDay: z.record(currency, amount).default({}),
    assumedSeconds: z.int().min(1).max(3600).default(60),
  }),
}).refine(({ number: { pausesSeconds, forgetSeconds } }) => Math.max(0, ...pausesSeconds) < forgetSeconds, {
  error: 'expected number.forgetSeconds to be above every one of number.pausesSeconds',
});

/** Where calls may go; see `DestinationSettings` and docs/limits.md. */
export const destinations = section({
  countries: z
    .union([z.literal('all'), z.array(country).max(MAX_COUNTRIES)], {
      error: 'expected `all`, or a list of countries such as `[DE, AT]`',
    })
    .default([]),
  refusedTypes: z
    .array(z.enum(NUMBER_TYPES))
    .max(NUMBER_TYPES.length)
    .default(['premium_rate', 'shared_cost', 'personal_number', 'pager', 'voicemail']),
  refusedCallingCodes: z.array(callingCode).max(MAX_COUNTRIES).default(NETWORKS_AND_SERVICES),
});
