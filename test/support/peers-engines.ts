import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../../src/engine/engine.ts';
import { timersFor } from '../../src/sip/timers.ts';
import type { WireMessage } from '../../src/sip/transport.ts';
import { startEmbedded } from './embedded.ts';
import { type ServerSite, startFreeswitchEngine, startServers } from './freeswitch.ts';
import { channelsOf, DRACHTIO_CONFIG, startDrachtio, type TestServer } from './freeswitch-servers.ts';

/** An engine that tells what it holds: all zero when no call is up. */
export interface CountedEngine extends Engine {
  held(): Readonly<Record<string, number>>;
}

export interface EngineWishes {
  /** RFC 3261 T1, milliseconds. */
  readonly t1Ms: number;
  readonly onFault: (error: unknown) => void;
  readonly onWire: (message: WireMessage) => void;
}

/** Where the engines come from that runs of calls go through. */
export interface EngineSource {
  readonly name: Engine['name'];
  /** Whether its engines tell their SIP by `onWire`; of others the peer's own trace is read. */
  readonly tellsWire: boolean;
  /** How many runs go on at the same time, and how many calls of each begin in a second. */
  readonly runsAtOnce: number;
  readonly callsPerSecond: number;
  start(wishes: EngineWishes): Promise<CountedEngine>;
  /** What is up at servers of its own. */
  held(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

export function embeddedEngines(): EngineSource {
  return {
    name: 'embedded',
    tellsWire: true,
    // Each takes a few seconds, most of them waiting; more at once and messages come late enough to be sent again.
    runsAtOnce: 3,
    callsPerSecond: 50,
    start: startEmbedded,
    held: () => Promise.resolve({}),
    close: () => Promise.resolve(),
  };
}

/** Two for each call that is up, and for each that is just over. */
const RTP_PORTS = 1000;

/** Engines that share one FreeSWITCH, and one drachtio for each T1, which is a matter of its configuration. */
export function freeswitchEngines(): EngineSource {
  let site: Promise<ServerSite> | undefined;
  const drachtios = new Map<number, Promise<TestServer>>();
  let engines = 0;
  return {
    name: 'freeswitch',
    tellsWire: false,
    // FreeSWITCH needs more than ten milliseconds of a processor to set up a channel.
    runsAtOnce: 3,
    callsPerSecond: 15,
    start: async ({ t1Ms, onFault }) => {
      site ??= startServers({ drachtio: 0, rtpPorts: RTP_PORTS });
      const { folder, freeswitch } = await site;
      let drachtio = drachtios.get(t1Ms);
      if (drachtio === undefined) {
        drachtio = drachtioWith(t1Ms, folder);
        drachtios.set(t1Ms, drachtio);
      }
      const promptFolder = join(folder, `engine-${engines++}`);
      await mkdir(promptFolder);
      return startFreeswitchEngine([await drachtio], freeswitch, { promptFolder, onFault });
    },
    held: async () => {
      const servers = (await site)?.freeswitch ?? [];
      const channels = await Promise.all(servers.map(channelsOf));
      return { channels: channels.reduce((sum, count) => sum + count, 0) };
    },
    close: async () => {
      const started = await Promise.all(drachtios.values());
      await Promise.all(started.map((server) => server.stop()));
      await (await site)?.close();
    },
  };
}

async function drachtioWith(t1Ms: number, folder: string): Promise<TestServer> {
  const { t2Ms, t4Ms } = timersFor(t1Ms);
  const values = { t1: t1Ms, t2: t2Ms, t4: t4Ms, t1x64: 64 * t1Ms };
  let text = await readFile(DRACHTIO_CONFIG, 'utf8');
  for (const [name, value] of Object.entries(values))
    text = text.replace(new RegExp(`<${name}>\\d+</${name}>`), `<${name}>${value}</${name}>`);
  const config = join(folder, `drachtio-${t1Ms}.conf.xml`);
  await writeFile(config, text);
  return startDrachtio({ config });
}
