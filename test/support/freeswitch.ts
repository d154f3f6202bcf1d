import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FreeswitchEngine,
  type FreeswitchEngineOptions,
} from '../../src/engine/freeswitch/freeswitch-engine.ts';
import type { Secret } from '../../src/secret.ts';
import { startDrachtio, startFreeswitch, type TestServer } from './freeswitch-servers.ts';

/** What an engine needs to reach servers; can be handed to another process. */
export interface ServerRef {
  readonly host: string;
  readonly port: number;
  readonly secret: Secret;
}

/** An engine that uses these servers. */
export async function startFreeswitchEngine(
  drachtioServers: readonly ServerRef[],
  mediaServers: readonly ServerRef[],
  options: Partial<FreeswitchEngineOptions> & { promptFolder: string },
): Promise<FreeswitchEngine> {
  const engine = new FreeswitchEngine({
    drachtioServers: drachtioServers.map(({ host, port, secret }) => ({ host, port, secret, weight: 1 })),
    mediaServers: mediaServers.map(({ host, port, secret }) => ({ host, port, secret, weight: 1 })),
    profile: 'drachtio_mrf',
    callback: { host: '127.0.0.1', port: 0 },
    groupReadable: false,
    userAgent: 'voice-otp test',
    onFault: () => {},
    onChange: () => {},
    ...options,
  });
  await engine.start();
  return engine;
}

/** Servers of the test's own, and a folder for prompts. */
export interface ServerSite {
  readonly drachtio: readonly TestServer[];
  readonly freeswitch: readonly TestServer[];
  readonly folder: string;
  engine(options?: Partial<FreeswitchEngineOptions>): Promise<FreeswitchEngine>;
  close(): Promise<void>;
}

export async function startServers(
  counts: { drachtio?: number; freeswitch?: number; rtpPorts?: number; logLevel?: string } = {},
): Promise<ServerSite> {
  const { drachtio: drachtioCount = 1, freeswitch: freeswitchCount = 1, ...each } = counts;
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-prompts-'));
  const drachtio: TestServer[] = [];
  const freeswitch: TestServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all([...drachtio, ...freeswitch].map((server) => server.stop()));
    await rm(folder, { recursive: true, force: true });
    // What processes left there that a suite killed (`tellDying`).
    await rm(`${folder}-dying`, { recursive: true, force: true });
  };
  try {
    // One after the other: each looks for ports that are free.
    for (let i = 0; i < drachtioCount; i++) drachtio.push(await startDrachtio(each));
    for (let i = 0; i < freeswitchCount; i++) freeswitch.push(await startFreeswitch(each));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    drachtio,
    freeswitch,
    folder,
    engine: (options = {}) =>
      startFreeswitchEngine(drachtio, freeswitch, { promptFolder: folder, ...options }),
    close,
  };
}
