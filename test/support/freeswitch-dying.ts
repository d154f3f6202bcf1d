import { Secret } from '../../src/secret.ts';
import type { ServerRef } from './freeswitch.ts';

// Not of the kind that the service would take for its own.
const VARIABLE = 'TEST_DYING_SERVERS';

interface Told {
  readonly drachtio: readonly ServerRef[];
  readonly freeswitch: readonly ServerRef[];
  readonly folder: string;
}

/** Leaves word of the servers to processes that this one starts. */
export function tellDying({ drachtio, freeswitch, folder }: Told): void {
  const open = (servers: readonly ServerRef[]) =>
    servers.map(({ host, port, secret }) => ({ host, port, secret: secret.reveal() }));
  process.env[VARIABLE] = JSON.stringify({
    drachtio: open(drachtio),
    freeswitch: open(freeswitch),
    folder: `${folder}-dying`,
  });
}

export function toldServers(): Told {
  const told = JSON.parse(process.env[VARIABLE] ?? '{}') as {
    drachtio: { host: string; port: number; secret: string }[];
    freeswitch: { host: string; port: number; secret: string }[];
    folder: string;
  };
  const closed = (servers: typeof told.drachtio): ServerRef[] =>
    servers.map(({ host, port, secret }) => ({ host, port, secret: new Secret(secret) }));
  return { drachtio: closed(told.drachtio), freeswitch: closed(told.freeswitch), folder: told.folder };
}
