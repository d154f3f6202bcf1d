import { z } from 'zod';
import { speech } from './config-speech.ts';
import { trunkTls } from './config-tls.ts';
import {
  address,
  host,
  locale,
  milliseconds,
  name,
  network,
  path,
  port,
  portOrAny,
  secret,
  section,
  sipText,
} from './config-values.ts';
import { LOG_LEVELS } from './log.ts';
import { rangeSize } from './trunk/cli-pool.ts';
import { AMOUNT, INCREMENT, NUMBER_FORMAT, TRUNK_IDENTITIES } from './trunk/definition.ts';
import { VOICEMAIL_RULES } from './verification/delivery.ts';

/** Of calling numbers in one range of a pool. */
const MAX_RANGE = 10_000;

/** What stands for an API key in the configuration, as `createKey` makes it. */
export const KEY_HASH = /^sha256:[0-9a-f]{64}$/;
export const EXPECTED_KEY_HASH = 'expected `sha256:` and 64 hexadecimal digits, as `npm run key` prints them';

/** What FreeSWITCH takes as syntax in the argument of `playback`: variables, parameters, lists and schemes. */
const UNSAFE_IN_PLAYBACK = /[\p{Cc}:!@${}\\]/u;

/** A folder whose files FreeSWITCH is told to play. */
const promptFolder = path.refine((text) => !UNSAFE_IN_PLAYBACK.test(text), {
  error: 'expected no control characters and none of `:`, `!`, `@`, `$`, `{`, `}`, `\\`',
});
/** A folder in which FreeSWITCH is told to record: the path is one quoted word of a command. */
const listenFolder = promptFolder.refine((text) => !text.includes("'"), { error: "expected no `'`" });
const absolute = { error: 'expected a path that begins with `/`' };
const isAbsolute = (text: string): boolean => text.startsWith('/');
const apiKey = z.strictObject({
  id: name,
  hash: z.string().regex(KEY_HASH, { error: EXPECTED_KEY_HASH }).optional(),
  hashFile: path.optional(),
});

const api = section({
  host: host.default('127.0.0.1'),
  port: portOrAny.default(8080),
  keys: z.array(apiKey).max(1000).default([]),
  trustProxy: z.array(network).max(100).default([]),
  rateLimit: section({
    max: z.int().min(1).max(1_000_000).default(600),
    windowSeconds: z.int().min(1).max(3600).default(60),
  }),
  dataTechLabs: z.boolean().default(true),
  bodyLimit: z.int().min(1024).max(1_048_576).default(65_536),
});

const sip = section({
  host: address.default('0.0.0.0'),
  port: portOrAny.default(5060),
  externalAddress: address.optional(),
  tcp: z.boolean().default(true),
  userAgent: sipText.default('voice-otp'),
  t1Ms: milliseconds(50, 5000).default(500),
});

const rtp = section({
  host: address.optional(),
  portMin: port.min(1024).default(16_384),
  portMax: port.min(1024).default(32_767),
  externalAddress: address.optional(),
  symmetric: z.boolean().default(true),
  drainMs: milliseconds(0, 600_000).default(5000),
});

/** A server of ours that is reached by TCP, and what it asks for before it listens to us. */
const serverKeys = {
  host,
  secret: secret.optional(),
  secretFile: path.optional(),
  weight: z.int().min(1).max(100).default(1),
};

const freeswitch = section({
  drachtioServers: z
    .array(z.strictObject({ ...serverKeys, port: port.default(9022) }))
    .max(100)
    .default([]),
  mediaServers: z
    .array(
      z.strictObject({
        ...serverKeys,
        port: port.default(8021),
        promptFolder: promptFolder.refine(isAbsolute, absolute).optional(),
        listenFolder: listenFolder.refine(isAbsolute, absolute).optional(),
      }),
    )
    .max(100)
    .default([]),
  profile: name.default('drachtio_mrf'),
  callback: section({
    host: address.default('0.0.0.0'),
    port: portOrAny.default(0),
    advertisedAddress: host.optional(),
  }),
  promptFolder: promptFolder.default('./data/prompts'),
  listenFolder: listenFolder.optional(),
  groupReadable: z.boolean().default(false),
});

const transport = z.enum(['udp', 'tcp', 'tls']);
const setupTimeoutMs = milliseconds(500, 60_000);
const ringTimeoutMs = milliseconds(1000, 180_000);

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
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, { error: 'expected a currency such as `EUR`' })
      .optional(),
  })
  .refine(({ price, currency }) => (price === undefined) === (currency === undefined), {
    error: 'expected price and currency, or neither',
  });

const trunk = z.strictObject({
  id: name,
  host,
  port: port.optional(),
  transport: transport.default('udp'),
  outboundProxy: z.strictObject({ host, port: port.optional(), transport: transport.optional() }).optional(),
  username: sipText.optional(),
  password: secret.optional(),
  passwordFile: path.optional(),
  cli,
  allowedClis: z.array(cli).max(10_000).default([]),
  flashPool: z.array(flashRange).max(100).default([]),
  displayName: sipText.optional(),
  codecs: z
    .array(z.enum(['PCMU', 'PCMA']))
    .min(1)
    .max(2)
    .default(['PCMU', 'PCMA']),
  numberFormat: z
    .string()
    .regex(NUMBER_FORMAT, { error: 'expected `+E164`, `E164` or digits before it, such as `00E164`' })
    .default('+E164'),
  identity: z.enum(TRUNK_IDENTITIES).default('from'),
  setupTimeoutMs: setupTimeoutMs.optional(),
  ringTimeoutMs: ringTimeoutMs.optional(),
  retryRejected: z.boolean().default(false),
  prefixes: z.array(servedPrefix).max(1000).optional(),
  priority: z.int().min(0).max(65_535).optional(),
  weight: z.int().min(0).max(65_535).optional(),
  cps: z.int().min(1).max(1000).optional(),
  channels: z.int().min(1).max(100_000).optional(),
  retry: z.record(z.string().regex(/^[3-6][0-9]{2}$/), z.enum(['next_trunk', 'never'])).optional(),
  optionsIntervalSeconds: z.int().min(1).max(3600).optional(),
  tls: trunkTls.optional(),
  srtp: z.enum(['off', 'optional', 'required']).default('off'),
});

const calls = section({
  setupTimeoutMs: setupTimeoutMs.default(8000),
  ringTimeoutMs: ringTimeoutMs.default(30_000),
  maxCallMs: milliseconds(1000, 600_000).default(120_000),
  lingerMs: milliseconds(0, 10_000).default(500),
  maxConcurrent: z.int().min(1).max(100_000).default(500),
  maxAttempts: z.int().min(1).max(10).default(3),
  deadlineMs: milliseconds(1000, 600_000).default(60_000),
  queueMs: milliseconds(0, 600_000).default(20_000),
  nextTrunkMs: milliseconds(0, 60_000).default(500),
  storePatienceMs: milliseconds(0, 60_000).default(2000),
});

const verification = section({
  codeLength: z.int().min(4).max(10).default(6),
  ttlSeconds: z.int().min(30).max(86_400).default(600),
  maxTtlSeconds: z.int().min(30).max(86_400).default(600),
  maxChecks: z.int().min(1).max(10).default(5),
  repeat: z.int().min(1).max(5).default(2),
  sayAs: z.enum(['digits', 'pairs', 'nato']).default('digits'),
  locale: locale.default('en-US'),
  sipTargets: z.array(host).max(100).default([]),
});

const flash = section({
  hiddenDigits: z.int().min(3).max(8).default(4),
  ringHoldMs: milliseconds(500, 8000).default(2500),
  maxRingSeconds: z.int().min(3).max(30).default(10),
  maxChecks: z.int().min(1).max(10).default(3),
  maxGuessProbability: z.number().min(0.0001).max(0.5).default(0.02),
  reuseWindowSeconds: z.int().min(60).max(2_592_000).default(86_400),
  voiceAfterSeconds: z.int().min(5).max(300).default(25),
  guard: section({
    prefixDigits: z.int().min(1).max(15).default(5),
    window: z.int().min(1).max(1000).default(50),
    fewest: z.int().min(1).max(1000).default(20),
    answeredRatio: z.number().min(0).max(1).default(0.3),
    pauseSeconds: z.int().min(1).max(86_400).default(900),
  }).refine(({ fewest, window }) => fewest <= window, { error: 'expected fewest not to be above window' }),
});

const gate = section({
  always: z.boolean().default(false),
  digit: z
    .string()
    .regex(/^[0-9]$/, { error: 'expected a digit in quotes' })
    .default('1'),
  seconds: z.int().min(2).max(30).default(8),
  asks: z.int().min(1).max(3).default(2),
  repeatTimes: z.int().min(1).max(10).default(3),
});

const voicemail = section({
  rule: z.enum(VOICEMAIL_RULES).default('ignore'),
  decideMs: milliseconds(1000, 10_000).default(7000),
  toneMs: milliseconds(1000, 60_000).default(30_000),
});

const sounds = section({
  folder: path.optional(),
  voice: name.optional(),
});

const store = section({
  path: path.default('./data/voice-otp.db'),
  keyFile: path.default('./data/master.key'),
  synchronous: z.enum(['full', 'normal']).default('full'),
  retentionDays: section({
    verifications: z.int().min(1).max(3650).default(30),
    calls: z.int().min(1).max(3650).default(90),
  }),
});

const trace = section({
  maxCalls: z.int().min(0).max(100_000).default(1000),
  maxBytes: z.int().min(0).max(4_000_000_000).default(64_000_000),
});

const log = section({ level: z.enum(LOG_LEVELS).default('info') });

/** The configuration file's form; docs/config.md explains every key, and a test holds the two together. */
export const configSchema = z.strictObject({
  engine: z.enum(['embedded', 'freeswitch']).default('embedded'),
  api,
  sip,
  rtp,
  freeswitch,
  trunks: z.array(trunk).min(1, { error: 'expected at least one trunk' }).max(100),
  calls,
  verification,
  flash,
  gate,
  voicemail,
  sounds,
  speech,
  store,
  trace,
  log,
});

/** The configuration as the schema alone leaves it: defaults filled in, relations between keys unchecked. */
export type ParsedConfig = z.output<typeof configSchema>;
