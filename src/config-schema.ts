import { z } from 'zod';
import { clientLists } from './config-clients.ts';
import { destinations, limits } from './config-limits.ts';
import { redis } from './config-redis.ts';
import { speech } from './config-speech.ts';
import { ringTimeoutMs, setupTimeoutMs, trunk } from './config-trunk.ts';
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
import { webhooks } from './config-webhooks.ts';
import { LOG_LEVELS } from './log.ts';
import { VOICEMAIL_RULES } from './verification/delivery.ts';

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

const api = section({
  host: host.default('127.0.0.1'),
  port: portOrAny.default(8080),
  ...clientLists,
  trustProxy: z.array(network).max(100).default([]),
  rateLimit: section({
    max: z.int().min(1).max(1_000_000).default(600),
    windowSeconds: z.int().min(1).max(3600).default(60),
  }),
  wrongKeys: section({
    max: z.int().min(1).max(10_000).default(20),
    windowSeconds: z.int().min(1).max(3600).default(60),
  }),
  dataTechLabs: z.boolean().default(true),
  restcomm2fa: z.boolean().default(true),
  restcomm2faChannel: z.enum(['voice', 'sms']).default('voice'),
  restcommCalls: z.boolean().default(true),
  messageBird: z.boolean().default(true),
  page: section({ enabled: z.boolean().default(false), client: name.optional() }),
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

/** To be written by whoever knows it: drachtio cannot be told to compare them. */
const names = z.literal('unchecked', {
  error:
    'expected `unchecked`: drachtio believes these authorities for every trunk, whatever name a certificate has',
});

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
  tls: z.strictObject({ caFile: path, names }).optional(),
});

const calls = section({
  setupTimeoutMs: setupTimeoutMs.default(8000),
  ringTimeoutMs: ringTimeoutMs.default(30_000),
  maxCallMs: milliseconds(1000, 600_000).default(120_000),
  lingerMs: milliseconds(0, 10_000).default(500),
  maxConcurrent: z.int().min(1).max(100_000).default(500),
  maxAttempts: z.int().min(1).max(10).default(3),
  deadlineMs: milliseconds(1000, 600_000).default(60_000),
  attemptTimeoutMs: milliseconds(1000, 600_000).default(600_000),
  queueMs: milliseconds(0, 600_000).default(20_000),
  nextTrunkMs: milliseconds(0, 60_000).default(500),
  storePatienceMs: milliseconds(0, 60_000).default(2000),
  noticeMs: milliseconds(0, 600_000).default(0),
  drainMs: milliseconds(0, 600_000).default(30_000),
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
  kind: z.enum(['sqlite', 'redis']).default('sqlite'),
  path: path.default('./data/voice-otp.db'),
  keyFile: path.default('./data/master.key'),
  synchronous: z.enum(['full', 'normal']).default('full'),
  retentionDays: section({
    verifications: z.int().min(1).max(3650).default(30),
    calls: z.int().min(1).max(3650).default(90),
    cdrs: z.int().min(1).max(36_500).optional(),
  }),
  redis: redis.optional(),
});

const cluster = section({
  node: name.optional(),
  leaseMs: milliseconds(2000, 120_000).default(10_000),
  spoolFolder: path.default('./data/spool'),
});

const sink = z.strictObject({
  folder: path,
  maxBytes: z.int().min(10_000).max(10_000_000_000).default(100_000_000),
  maxMinutes: z.int().min(1).max(1440).default(60),
});

const cdr = section({ sink: sink.optional() });

const hep = z.strictObject({
  host,
  port: port.default(9060),
  captureId: z.int().min(0).max(4_294_967_295).default(2001),
  password: secret.optional(),
  passwordFile: path.optional(),
  numbers: z.enum(['masked', 'whole']).default('masked'),
});

const trace = section({
  maxCalls: z.int().min(0).max(100_000).default(1000),
  maxBytes: z.int().min(0).max(4_000_000_000).default(64_000_000),
  hep: hep.optional(),
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
  destinations,
  limits,
  flash,
  gate,
  voicemail,
  sounds,
  speech,
  store,
  cluster,
  cdr,
  trace,
  webhooks,
  log,
});

/** The configuration as the schema alone leaves it: defaults filled in, relations between keys unchecked. */
export type ParsedConfig = z.output<typeof configSchema>;
