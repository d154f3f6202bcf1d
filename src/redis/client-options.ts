import type { ConnectionOptions } from 'node:tls';
import {
  type ClusterOptions,
  type CommonRedisOptions,
  ReplyError,
  type SentinelConnectionOptions,
} from 'ioredis';
import { MasterConnector, ServerConnector } from './connector.ts';
import { type RedisTerms, redisAddress } from './terms.ts';

/**
 * `quick`: a command succeeds or fails within its time, whatever happens to the server, and is never sent twice.
 * `patient`: commands wait for the server and are sent again, as BullMQ's workers ask for. `listening`: a connection
 * that keeps its subscriptions.
 */
export type Manner = 'quick' | 'patient' | 'listening';

type CommonOptions = Omit<CommonRedisOptions, 'replyMapping'> & {
  tls?: ConnectionOptions;
  disconnectTimeout?: number;
};

const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 500;
/** A node of a cluster that stays away is forgotten after so many attempts; where it is, others are asked then. */
const NODE_ATTEMPTS = 20;
/** BullMQ blocks for up to 10 s, and then has a watchdog of its own. */
const PATIENT_SILENCE_MS = 15_000;
/** Times of a command: this process may have been busy, and not have looked. */
const QUICK_SILENCE = 2;
/** What a socket may be silent for after the time of a command, milliseconds. */
const SILENCE_MS = 100;
/** No command waits for a connection that is being made. */
const CONNECT_MS = 2000;
/** How long the other side may take to close a connection that we close. */
export const DISCONNECT_MS = 200;
const KEEP_ALIVE_MS = 5000;
const SLOTS_REFRESH_MS = 2000;
const MAX_REDIRECTIONS = 6;

/** Milliseconds before an attempt to connect, counted from 1. */
export function reconnectDelay(attempt: number): number {
  const delay = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), LONGEST_DELAY_MS);
  return delay * (0.75 + Math.random() / 2);
}

/** Options of a client of one server, or of the master that sentinels name. */
export function serverOptions(terms: RedisTerms, connectionName: string, manner: Manner) {
  const common = { ...commonOptions(terms, connectionName, manner), retryStrategy: reconnectDelay };
  const offline = { enableOfflineQueue: manner !== 'quick' };
  if (terms.sentinel !== undefined) {
    return { ...common, ...offline, ...sentinelOptions(terms, terms.sentinel) };
  }
  const { host, port, database } = redisAddress(terms.url ?? '');
  return { ...common, ...offline, host, port, db: database };
}

/** Options of a client of a cluster. */
export function clusterOptions(terms: RedisTerms, connectionName: string, manner: Manner) {
  const quick = manner === 'quick';
  return {
    redisOptions: commonOptions(terms, connectionName, manner),
    enableOfflineQueue: !quick,
    clusterRetryStrategy: (attempt: number) => reconnectDelay(attempt),
    clusterNodeRetryStrategy: (attempt: number) => (attempt > NODE_ATTEMPTS ? null : reconnectDelay(attempt)),
    ...(quick
      ? { retryDelayOnFailover: 0, retryDelayOnClusterDown: 0, maxRedirections: MAX_REDIRECTIONS }
      : {}),
    slotsRefreshTimeout: terms.commandTimeoutMs,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    // Names stay names: a certificate is issued to them.
    dnsLookup: (host, done) => done(null, host),
  } satisfies ClusterOptions;
}

function commonOptions(terms: RedisTerms, connectionName: string, manner: Manner): CommonOptions {
  const { username, password, commandTimeoutMs } = terms;
  const tls = tlsOption(terms);
  return {
    connectionName,
    Connector: ServerConnector,
    connectTimeout: CONNECT_MS,
    disconnectTimeout: DISCONNECT_MS,
    maxLoadingRetryTime: LONGEST_DELAY_MS,
    keepAlive: KEEP_ALIVE_MS,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: password.reveal() }),
    ...(tls === undefined ? {} : { tls }),
    // After a failover the name may lead to the new master, or a sentinel tells where it is.
    reconnectOnError: (error) => error instanceof ReplyError && error.message.startsWith('READONLY'),
    ...timesOf(manner, commandTimeoutMs),
  };
}

type Times = 'socketTimeout' | 'maxRetriesPerRequest';

/** A socket that is silent for too long while an answer is due is closed, since it may belong to nobody any more. */
function timesOf(manner: Manner, commandTimeoutMs: number): Pick<CommonRedisOptions, Times> {
  switch (manner) {
    case 'quick':
      return {
        socketTimeout: QUICK_SILENCE * commandTimeoutMs + SILENCE_MS,
        maxRetriesPerRequest: 0,
      };
    case 'listening':
      return { socketTimeout: commandTimeoutMs + SILENCE_MS, maxRetriesPerRequest: null };
    case 'patient':
      return { socketTimeout: PATIENT_SILENCE_MS, maxRetriesPerRequest: null };
  }
}

function sentinelOptions(
  terms: RedisTerms,
  { name, nodes, password }: NonNullable<RedisTerms['sentinel']>,
): Omit<SentinelConnectionOptions, 'family' | 'path' | 'replyMapping'> &
  Required<Pick<CommonRedisOptions, 'Connector'>> {
  const tls = tlsOption(terms);
  return {
    Connector: MasterConnector,
    name,
    sentinels: nodes.map(({ host, port }) => ({ host, port })),
    sentinelCommandTimeout: terms.commandTimeoutMs,
    sentinelRetryStrategy: reconnectDelay,
    ...(password === undefined ? {} : { sentinelPassword: password.reveal() }),
    ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
  };
}

function tlsOption({ url, tls }: RedisTerms): ConnectionOptions | undefined {
  if (tls === undefined && !(url !== undefined && redisAddress(url).tls)) return undefined;
  const { ca, certificate, serverName } = tls ?? {};
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key.reveal() }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}
