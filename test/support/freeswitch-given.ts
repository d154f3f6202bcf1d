import { describe } from 'vitest';
import { Secret } from '../../src/secret.ts';
import { type ServerRef, startFreeswitchEngine, startServers } from './freeswitch.ts';
import { channelsOf } from './freeswitch-servers.ts';
import { describeWithPeer } from './peers.ts';

/** Servers for a suite that neither kills nor restarts them. */
export interface Servers {
  readonly drachtio: readonly ServerRef[];
  readonly freeswitch: readonly ServerRef[];
  readonly folder: string;
  engine(options: { onFault: (error: unknown) => void }): ReturnType<typeof startFreeswitchEngine>;
  /** Channels that are up at FreeSWITCH. */
  channels(): Promise<number>;
  close(): Promise<void>;
}

/**
 * A suite for drachtio and FreeSWITCH: those whose addresses the environment gives, or else those in the PATH,
 * started for the suite; without either it is skipped with the reason. Given ones share TEST_PROMPT_FOLDER with us,
 * reach us at 127.0.0.1, and are idle otherwise:
 *
 * TEST_DRACHTIO=host:port TEST_DRACHTIO_SECRET=… TEST_FREESWITCH=host:port TEST_FREESWITCH_PASSWORD=…
 * TEST_PROMPT_FOLDER=/a/folder
 */
export function describeWithServers(title: string, suite: (start: () => Promise<Servers>) => void): void {
  const given = givenServers();
  if (given !== undefined) describe(title, () => suite(async () => given));
  else describeWithPeer(['drachtio', 'freeswitch'], title, () => suite(ownServers));
}

async function ownServers(): Promise<Servers> {
  const site = await startServers();
  const [first] = site.freeswitch;
  return { ...site, channels: async () => (first === undefined ? 0 : channelsOf(first)) };
}

function givenServers(): Servers | undefined {
  const drachtio = reference('TEST_DRACHTIO', 'TEST_DRACHTIO_SECRET');
  const freeswitch = reference('TEST_FREESWITCH', 'TEST_FREESWITCH_PASSWORD');
  const folder = process.env['TEST_PROMPT_FOLDER'];
  if (drachtio === undefined || freeswitch === undefined || folder === undefined) return undefined;
  return {
    drachtio: [drachtio],
    freeswitch: [freeswitch],
    folder,
    engine: (options) =>
      startFreeswitchEngine([drachtio], [freeswitch], { promptFolder: folder, ...options }),
    channels: () => channelsOf(freeswitch),
    close: async () => undefined,
  };
}

function reference(address: string, secret: string): ServerRef | undefined {
  const [, host, port] = /^(.+):(\d+)$/.exec(process.env[address] ?? '') ?? [];
  if (host === undefined || port === undefined) return undefined;
  return { host, port: Number(port), secret: new Secret(process.env[secret] ?? '') };
}
