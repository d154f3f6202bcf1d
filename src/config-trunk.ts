import { z } from 'zod';
import { trunkTls } from './config-tls.ts';
import { host, milliseconds, name, path, port, secret, sipText } from './config-values.ts';
import { rangeSize } from './trunk/cli-pool.ts';
import { AMOUNT, INCREMENT, NUMBER_FORMAT, REGISTRAR, TRUNK_IDENTITIES } from './trunk/definition.ts';

/** Of calling numbers in one range of a pool. */
const MAX_RANGE = 10_000;

const transport = z.enum(['udp', 'tcp', 'tls']);
export const setupTimeoutMs = milliseconds(500, 60_000);
export const ringTimeoutMs = milliseconds(1000, 180_000);

const cli = z.string().regex(/^\+?[A-Za-z0-9_.-]{1,64}$/, {
  error: 'expected a number such as `+4930123456`, or another user part of a SIP address',
});

const e164 = z.string().regex(/^\+[1-9][0-9]{6,14}$/, {
  error: 'expected a number in E.164 form such as `+4930123456`',
});

const flashRange = z
  .strictObject({
    first: e164,
    last: e164.optional(),
    countries: z
      .array(z.string().regex(/^[A-Z]{2}$/, { error: 'expected a country such as `DE`' }))
      .min(1)
      .max(300)
      .optional(),
  })
  .refine((range) => rangeSize(range) >= 1 && rangeSize(range) <= MAX_RANGE, {
    error: `expected 1 to ${MAX_RANGE} numbers of the same length`,
  });

const currencyCode = z.string().regex(/^[A-Z]{3}$/, { error: 'expected a currency such as `EUR`' });

const servedPrefix = z
  .strictObject({
    prefix: z.string().regex(/^\+(?:[1-9][0-9]{0,14})?$/, {
      error: 'expected `+`, or the beginning of a number such as `+49`',
    }),
    price: z
      .strictObject({
        amount: z
          .string()
          .regex(AMOUNT, { error: 'expected a price a minute in quotes, such as `"0.0125"`' }),
        increment: z
          .string()
          .regex(INCREMENT, { error: 'expected seconds such as `60/60`, `30/6` or `1/1`' })
          .default('60/60'),
      })
      .optional(),
    currency: currencyCode.optional(),
  })
  .refine(({ price, currency }) => (price === undefined) === (currency === undefined), {
    error: 'expected price and currency, or neither',
  });

const registration = z.strictObject({
  registrar: z
    .string()
    .max(260)
    .regex(REGISTRAR, { error: 'expected a host, with its port or without' })
    .optional(),
  expiresSeconds: z.int().min(60).max(86_400).default(3600),
  user: sipText.optional(),
});

const texts = z.strictObject({
  maxSegments: z.int().min(1).max(8).default(3),
  timeoutMs: milliseconds(500, 32_000).default(15_000),
  only: z.boolean().default(false),
  price: z
    .strictObject({
      amount: z.string().regex(AMOUNT, { error: 'expected a price a message in quotes, such as `"0.045"`' }),
      currency: currencyCode,
    })
    .optional(),
});

/** One way into the telephone network; `Trunk` says what each key means. */
export const trunk = z.strictObject({
  id: name,
  host,
  port: port.optional(),
  transport: transport.default('udp'),
  outboundProxy: z.strictObject({ host, port: port.optional(), transport: transport.optional() }).optional(),
  username: sipText.optional(),
  password: secret.optional(),
  passwordFile: path.optional(),
  register: registration.optional(),
  cli,
  allowedClis: z.array(cli).max(10_000).default([]),
  flashPool: z.array(flashRange).max(100).default([]),
  displayName: sipText.optional(),
  codecs: z
    .array(z.enum(['PCMU', 'PCMA']))
    .min(1)
    .max(2)
    .refine((codecs) => new Set(codecs).size === codecs.length, { error: 'expected each codec once' })
    .default(['PCMU', 'PCMA']),
  numberFormat: z
    .string()
    .regex(NUMBER_FORMAT, { error: 'expected `+E164`, `E164` or digits before it, such as `00E164`' })
    .default('+E164'),
  identity: z.enum(TRUNK_IDENTITIES).default('from'),
  setupTimeoutMs: setupTimeoutMs.optional(),
  ringTimeoutMs: ringTimeoutMs.optional(),
  retryRejected: z.boolean().default(false),
  sms: texts.optional(),
  prefixes: z
    .array(servedPrefix)
    .max(1000)
    .refine((served) => new Set(served.map(({ prefix }) => prefix)).size === served.length, {
      error: 'expected each prefix once',
    })
    .optional(),
  priority: z.int().min(0).max(65_535).optional(),
  weight: z.int().min(0).max(65_535).optional(),
  cps: z.int().min(1).max(1000).optional(),
  channels: z.int().min(1).max(100_000).optional(),
  retry: z.record(z.string().regex(/^[3-6][0-9]{2}$/), z.enum(['next_trunk', 'never'])).optional(),
  optionsIntervalSeconds: z.int().min(1).max(3600).optional(),
  tls: trunkTls.optional(),
  srtp: z.enum(['off', 'optional', 'required']).default('off'),
});
