import type { Secret } from '../secret.ts';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/**
 * Where Redis (or Valkey) is and how it is reached: exactly one of `url`, `sentinel` and `cluster`. The contents of
 * files are in the place of their names.
 */
export interface RedisTerms {
  /** `redis://host:port/database` or `rediss://…` for TLS; port 6379 and database 0 unless told. */
  readonly url?: string | undefined;
  /** User of the access control list; without it, the password is that of the user `default`. */
  readonly username?: string | undefined;
  readonly password?: Secret | undefined;
  readonly sentinel?:
    | {
        /** What the sentinels call the master. */
        readonly name: string;
        readonly nodes: readonly RedisNode[];
        readonly password?: Secret | undefined;
      }
    | undefined;
  /** Nodes that are asked for the rest of the cluster. */
  readonly cluster?: { readonly nodes: readonly RedisNode[] } | undefined;
  /** With `sentinel` or `cluster`: its presence means TLS, to the sentinels too. */
  readonly tls?:
    | {
        /** PEM; without it, the authorities that Node brings. */
        readonly ca?: string | undefined;
        /** What we show; PEM. */
        readonly certificate?: { readonly cert: string; readonly key: Secret } | undefined;
        /** The name that the certificate must have, where that is not the host. */
        readonly serverName?: string | undefined;
      }
    | undefined;
  /** How long a command may take, milliseconds. */
  readonly commandTimeoutMs: number;
}

const DEFAULT_PORT = 6379;

/** @throws TypeError where the text is no address at all */
export function redisAddress(url: string): RedisNode & { readonly database: number; readonly tls: boolean } {
  const { protocol, hostname, port, pathname } = new URL(url);
  return {
    // An address of version 6 has brackets in a URL, and nowhere else.
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? DEFAULT_PORT : Number(port),
    database: Number(pathname.slice(1)),
    tls: protocol === 'rediss:',
  };
}

/** Where it is, for people: host and port of each node, and never a password. */
export function placeOf({ url, sentinel, cluster }: RedisTerms): string {
  const list = (nodes: readonly RedisNode[]): string =>
    nodes.map(({ host, port }) => `${host}:${port}`).join(', ');
  if (sentinel !== undefined) return `the master ${sentinel.name} of the sentinels ${list(sentinel.nodes)}`;
  if (cluster !== undefined) return `the cluster of ${list(cluster.nodes)}`;
  return list(url === undefined ? [] : [redisAddress(url)]);
}
