import type { Client } from './clients/client.ts';
import { clientsOf } from './config-clients.ts';
import { kept, required } from './config-kept.ts';
import { type CompleteRedis, redisTerms } from './config-redis.ts';
import type { ParsedConfig } from './config-schema.ts';
import { tlsTerms } from './config-tls.ts';
import type { TtsProviderConfig } from './config-tts.ts';
import { Secret } from './secret.ts';
import type { Trunk } from './trunk/definition.ts';

/** Takes one complaint about a key of the configuration. */
export type Report = (path: readonly PropertyKey[], message: string) => void;

type WithSecret<Server> = Omit<Server, 'secret' | 'secretFile'> & { secret: Secret };

/** The configuration with every secret in its place, wherever it was kept. */
export type CompleteConfig = Omit<
  ParsedConfig,
  'api' | 'trunks' | 'freeswitch' | 'speech' | 'store' | 'trace'
> & {
  store: Omit<ParsedConfig['store'], 'redis'> & { redis?: CompleteRedis };
  speech: Omit<ParsedConfig['speech'], 'providers'> & { providers: TtsProviderConfig[] };
  /** Clients of both forms, and nothing of the difference. */
  api: Omit<ParsedConfig['api'], 'keys' | 'clients'> & { clients: Client[] };
  trunks: Trunk[];
  trace: Omit<ParsedConfig['trace'], 'hep'> & {
    hep?: Omit<NonNullable<ParsedConfig['trace']['hep']>, 'password' | 'passwordFile'> & {
      password?: Secret;
    };
  };
  freeswitch: Omit<ParsedConfig['freeswitch'], 'drachtioServers' | 'mediaServers' | 'tls'> & {
    drachtioServers: WithSecret<ParsedConfig['freeswitch']['drachtioServers'][number]>[];
    mediaServers: WithSecret<ParsedConfig['freeswitch']['mediaServers'][number]>[];
    /** Contents of the file, as PEM. */
    tls?: { ca: string };
  };
};

/** Reads what is kept in files. What is wrong with it goes to `report`; the result is then of no use. */
export function readSecrets(config: ParsedConfig, report: Report): CompleteConfig {
  return {
    ...config,
    api: apiOf(config, report),
    trunks: trunksOf(config, report),
    store: storeOf(config, report),
    trace: traceOf(config, report),
    speech: { ...config.speech, providers: providersOf(config, report) },
    freeswitch: {
      ...withAuthorities(config.freeswitch, report),
      drachtioServers: config.freeswitch.drachtioServers.flatMap((server, index) =>
        withSecret(server, ['freeswitch', 'drachtioServers', index], report, drachtioComplaint),
      ),
      mediaServers: config.freeswitch.mediaServers.flatMap((server, index) =>
        withSecret(server, ['freeswitch', 'mediaServers', index], report),
      ),
    },
  };
}

function apiOf({ api: { keys, clients, ...rest } }: ParsedConfig, report: Report): CompleteConfig['api'] {
  return { ...rest, clients: clientsOf({ keys, clients }, report) };
}

function trunksOf({ trunks, calls }: ParsedConfig, report: Report): Trunk[] {
  return trunks.map(({ password: given, passwordFile: file, tls, ...trunk }, index) => {
    const from = (line: string) => new Secret(line);
    const password = kept({ owner: ['trunks', index], key: 'password', given, file, from, report });
    return {
      ...trunk,
      setupTimeoutMs: trunk.setupTimeoutMs ?? calls.setupTimeoutMs,
      ringTimeoutMs: trunk.ringTimeoutMs ?? calls.ringTimeoutMs,
      ...(password === undefined ? {} : { password }),
      ...(tls === undefined ? {} : { tls: tlsTerms(tls, ['trunks', index, 'tls'], report) }),
    };
  });
}

function storeOf({ store: { redis, ...rest } }: ParsedConfig, report: Report): CompleteConfig['store'] {
  if (redis === undefined) return rest;
  const from = (line: string) => new Secret(line);
  const terms = redisTerms(
    redis,
    ['store', 'redis'],
    (given, file, owner) => kept({ owner, key: 'password', given, file, from, report }),
    report,
  );
  return { ...rest, redis: terms };
}

function traceOf({ trace: { hep, ...rest } }: ParsedConfig, report: Report): CompleteConfig['trace'] {
  if (hep === undefined) return rest;
  const { password: given, passwordFile: file, ...server } = hep;
  const from = (line: string) => new Secret(line);
  const password = kept({ owner: ['trace', 'hep'], key: 'password', given, file, from, report });
  return { ...rest, hep: { ...server, ...(password === undefined ? {} : { password }) } };
}

function providersOf({ speech }: ParsedConfig, report: Report): TtsProviderConfig[] {
  return speech.providers.map((provider, index) => {
    if (provider.type !== 'http') return provider;
    const { key: given, keyFile: file, ...rest } = provider;
    const from = (line: string) => new Secret(line);
    const key = kept({ owner: ['speech', 'providers', index], key: 'key', given, file, from, report });
    return { ...rest, ...(key === undefined ? {} : { key }) };
  });
}

function withAuthorities(
  { tls, ...freeswitch }: ParsedConfig['freeswitch'],
  report: Report,
): Omit<ParsedConfig['freeswitch'], 'tls'> & Pick<CompleteConfig['freeswitch'], 'tls'> {
  if (tls === undefined) return freeswitch;
  const { ca } = tlsTerms({ caFile: tls.caFile, pins: [] }, ['freeswitch', 'tls'], report);
  return ca === undefined ? freeswitch : { ...freeswitch, tls: { ca } };
}

/** The server with its secret; none where that is missing, which was reported then. */
function withSecret<Server extends { secret?: Secret | undefined; secretFile?: string | undefined }>(
  { secret: given, secretFile: file, ...server }: Server,
  owner: readonly PropertyKey[],
  report: Report,
  complaintOf: (secret: Secret) => string | undefined = controlComplaint,
): WithSecret<Server>[] {
  const from = (line: string) => new Secret(line);
  const secret = required({ owner, key: 'secret', given, file, from, report });
  if (secret === undefined) {
    return [];
  }
  const complaint = complaintOf(secret);
  if (complaint !== undefined) {
    report([...owner, file === undefined ? 'secret' : 'secretFile'], complaint);
  }
  return [{ ...server, secret }];
}

/** The event socket reads `auth <password>` up to the end of the line. */
function controlComplaint(secret: Secret): string | undefined {
  return /\p{Cc}/u.test(secret.reveal()) ? 'expected a secret without control characters' : undefined;
}

/** drachtio splits its `authenticate|<secret>|<tags>` at each bar. */
function drachtioComplaint(secret: Secret): string | undefined {
  return secret.reveal().includes('|') ? 'expected a secret without `|`' : controlComplaint(secret);
}
