import { join } from 'node:path';
import type { Settings, Site } from './app/site.ts';
import { startServers } from './freeswitch.ts';
import { channelsOf, type TestServer } from './freeswitch-servers.ts';
import type { CountedEngine } from './peers-engines.ts';

/** What whole services run on, besides their own process. */
export interface Footing {
  /** What the configuration of one more service says of it. */
  settings(): Partial<Settings>;
  /** Calls that are up at servers that are not part of a service. */
  channels(): Promise<number>;
  close(): Promise<void>;
}

export function embeddedFooting(): Promise<Footing> {
  return Promise.resolve({
    settings: () => ({}),
    channels: () => Promise.resolve(0),
    close: () => Promise.resolve(),
  });
}

/** Room for a hundred calls at once, and for those that are just over. */
const RTP_PORTS = 600;

/** Servers of their own, which the services share. */
export async function freeswitchFooting(): Promise<Footing> {
  const servers = await startServers({ rtpPorts: RTP_PORTS });
  const reference = ({ host, port, secret }: TestServer) => ({ host, port, secret: secret.reveal() });
  let services = 0;
  return {
    settings: () => ({
      engine: 'freeswitch',
      freeswitch: {
        drachtioServers: servers.drachtio.map(reference),
        mediaServers: servers.freeswitch.map(reference),
        callback: { host: '127.0.0.1' },
        promptFolder: join(servers.folder, `service-${services++}`),
      },
    }),
    channels: async () => {
      const counts = await Promise.all(servers.freeswitch.map(channelsOf));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    close: () => servers.close(),
  };
}

/** What the engine of a service holds, as far as it is not zero. */
export function heldBy(site: Site): Record<string, number> {
  const counts = (site.app.engine as CountedEngine).held();
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
