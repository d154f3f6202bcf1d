import { z } from 'zod';
import type { Report } from './config-secrets.ts';
import { tlsTerms } from './config-tls.ts';
import { host, milliseconds, path, port, secret } from './config-values.ts';
import type { RedisTerms } from './redis/terms.ts';

const DEFAULT_PORT = 6379;
const SENTINEL_PORT = 26_379;
/** Host, port and database only: whoever connects, and the password, have keys of their own. */
const URL_FORM =
  /^rediss?:\/\/(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:\/\d{0,3})?$/;
const EXPECTED_URL =
  'expected `redis://host:6379` or `rediss://host:6379`, without a user name or a password';

const nodesOf = (defaultPort: number) =>
  z
    .array(z.strictObject({ host, port: port.default(defaultPort) }))
    .min(1, { error: 'expected at least one node' })
    .max(100);

const redisName = z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, {
  error: 'expected 1 to 128 letters, digits, `_`, `.` or `-`',
});

/** Where Redis is, see docs/config.md. Relations between its keys are checked by `redisTerms`. */
export const redis = z.strictObject({
  url: z.string().max(300).refine(isUrl, { error: EXPECTED_URL }).optional(),
  username: z
    .string()
    .regex(/^[^\s\p{Cc}]{1,128}$/u, { error: 'expected 1 to 128 characters without spaces' })
    .optional(),
  password: secret.optional(),
  passwordFile: path.optional(),
  sentinel: z
    .strictObject({
      name: redisName,
      nodes: nodesOf(SENTINEL_PORT),
      password: secret.optional(),
      passwordFile: path.optional(),
    })
    .optional(),
  cluster: z.strictObject({ nodes: nodesOf(DEFAULT_PORT) }).optional(),
  tls: z
    .strictObject({
      caFile: path.optional(),
      certFile: path.optional(),
      keyFile: path.optional(),
      serverName: z.string().min(1).max(253).optional(),
    })
    .optional(),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, { error: 'expected 1 to 64 letters, digits, `_`, `.` or `-`' })
    .default('votp'),
  commandTimeoutMs: milliseconds(50, 900).default(800),
});

type Redis = z.output<typeof redis>;

/** The section with its secrets and the contents of its files. */
export type CompleteRedis = RedisTerms & {
  /** What all keys begin with. */
  prefix: string;
};

/** Reads a password that stands in a key or in the file that another key names. */
type ReadPassword = (
  given: Redis['password'],
  file: string | undefined,
  owner: readonly PropertyKey[],
) => Redis['password'];

/** What is wrong between the keys, or with the files, goes to `report`. */
export function redisTerms(
  { passwordFile, password, sentinel, tls, ...rest }: Redis,
  owner: readonly PropertyKey[],
  readPassword: ReadPassword,
  report: Report,
): CompleteRedis {
  const ways = [rest.url, sentinel, rest.cluster].filter((way) => way !== undefined);
  if (ways.length !== 1) report(owner, 'expected exactly one of url, sentinel and cluster');
  if (tls !== undefined && rest.url?.startsWith('redis:') === true) {
    report([...owner, 'url'], 'expected `rediss://`, because `tls` is there');
  }
  const own = readPassword(password, passwordFile, owner);
  if (
    rest.username !== undefined &&
    own === undefined &&
    password === undefined &&
    passwordFile === undefined
  ) {
    report([...owner, 'password'], 'required, because `username` is there');
  }
  return {
    ...rest,
    ...(own === undefined ? {} : { password: own }),
    ...(sentinel === undefined
      ? {}
      : { sentinel: sentinelTerms(sentinel, [...owner, 'sentinel'], readPassword) }),
    ...(tls === undefined ? {} : { tls: trust(tls, [...owner, 'tls'], report) }),
  };
}

function sentinelTerms(
  { name, nodes, password, passwordFile }: NonNullable<Redis['sentinel']>,
  owner: readonly PropertyKey[],
  readPassword: ReadPassword,
): NonNullable<RedisTerms['sentinel']> {
  const own = readPassword(password, passwordFile, owner);
  return { name, nodes, ...(own === undefined ? {} : { password: own }) };
}

function trust(
  { caFile, certFile, keyFile, serverName }: NonNullable<Redis['tls']>,
  owner: readonly PropertyKey[],
  report: Report,
): NonNullable<RedisTerms['tls']> {
  // The key of trunks has a longer name.
  const named: Report = (place, message) =>
    report(
      place.map((key) => (key === 'certificateFile' ? 'certFile' : key)),
      message.replaceAll('certificateFile', 'certFile'),
    );
  return tlsTerms({ caFile, pins: [], certificateFile: certFile, keyFile, serverName }, owner, named);
}

function isUrl(text: string): boolean {
  if (!URL_FORM.test(text)) return false;
  try {
    return new URL(text).port !== '0';
  } catch {
    return false;
  }
}
