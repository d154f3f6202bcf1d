import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { type App, startApp } from '../../../src/app.ts';
import { configFrom } from '../../../src/config.ts';
import type { configSchema } from '../../../src/config-schema.ts';
import type { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import type { LabCall, LabCarrier } from '../../../src/lab/carrier.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import { createLogger } from '../../../src/log.ts';
import type { WireMessage } from '../../../src/sip/transport.ts';
import { eventually } from '../eventually.ts';
import { startCarrier } from '../lab.ts';
import { Client } from './client.ts';
import { shortSounds } from './short-sounds.ts';

export type Settings = z.input<typeof configSchema>;

/** The whole service in this process, with a lab carrier as its trunk unless it is told of others. */
export interface Site {
  readonly app: App;
  readonly engine: EmbeddedEngine;
  readonly client: Client;
  readonly carrier: LabCarrier;
  /** Of the store and the key. */
  readonly folder: string;
  /** All SIP of the service so far. */
  readonly wire: readonly WireMessage[];
  /** All log lines so far. */
  log(): string;
  /** Log lines of errors so far. */
  faults(): readonly string[];
  /** The lab phone that a number rang last, as soon as it rings. */
  phone(number: string): Promise<LabCall>;
  /** The digits that a phone has heard: an entry for each time that the code was said. */
  heard(call: LabCall): readonly string[];
  close(): Promise<void>;
}

export const LAB_TRUNK = {
  id: 'lab',
  host: '127.0.0.1',
  username: 'lab',
  password: 'lab-secret',
  cli: '+442079460999',
} as const;

/** Everybody may call everywhere, as often as they like: for whoever tests something else. */
const NO_LIMITS: Pick<Settings, 'destinations' | 'limits'> = {
  destinations: { countries: 'all' },
  limits: {
    number: { perMinute: null, perHour: null, perDay: null, pausesSeconds: [] },
    prefix: { perHour: null },
    endUser: { perHour: null },
  },
};

/** Limits and timers that do not get into a test's way. */
export function testSettings(folder: string): Omit<Settings, 'trunks'> {
  return {
    ...NO_LIMITS,
    api: { port: 0, rateLimit: { max: 1_000_000 } },
    sip: { host: '127.0.0.1', port: 0, t1Ms: 100 },
    rtp: { drainMs: 0 },
    calls: { lingerMs: 100 },
    // Recorded sounds need no process of their own.
    speech: { providers: [], cache: { folder: join(folder, 'speech') } },
    store: { path: join(folder, 'store.db'), keyFile: join(folder, 'master.key') },
    log: { level: 'trace' },
  };
}

export async function startSite(
  options: {
    /** What differs from `testSettings`, section by section. */
    readonly settings?: Partial<Settings>;
    readonly trunks?: (carrierPort: number) => Settings['trunks'];
    /** The sounds as they are delivered, phrases in full. */
    readonly fullSounds?: boolean;
    readonly onWire?: (message: WireMessage) => void;
  } = {},
): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-app-'));
  const { carrier, faults: carrierFaults } = await startCarrier();
  const sounds = options.fullSounds === true ? undefined : await shortSounds();
  let log = '';
  const logger = createLogger({ level: 'trace', destination: { write: (line) => void (log += line) } });
  const wire: WireMessage[] = [];
  const defaults = testSettings(folder);
  const { settings = {} } = options;
  const config = configFrom({
    ...defaults,
    ...settings,
    api: { ...defaults.api, ...settings.api },
    sip: { ...defaults.sip, ...settings.sip },
    rtp: { ...defaults.rtp, ...settings.rtp },
    calls: { ...defaults.calls, ...settings.calls },
    speech: { ...defaults.speech, ...settings.speech },
    sounds: sounds === undefined ? {} : { folder: sounds },
    trunks: options.trunks?.(carrier.port) ?? [{ ...LAB_TRUNK, port: carrier.port }],
  });
  const app = await startApp(config, {
    logger,
    onWire: (message) => {
      wire.push(message);
      options.onWire?.(message);
    },
  });
  const recogniser = new Recogniser(app.library.clips('en-US'));
  return {
    app,
    engine: app.engine as EmbeddedEngine,
    client: new Client(app.url),
    carrier,
    folder,
    wire,
    log: () => log,
    faults: () => [
      ...log.split('\n').filter((line) => /"level":"(error|fatal)"/.test(line)),
      ...carrierFaults.map(String),
    ],
    phone: (number) =>
      eventually(() => {
        const call = carrier.calls.findLast((one) => one.number === number);
        if (call === undefined) throw new Error(`${number} has not been rung`);
        return call;
      }),
    heard: (call) => recogniser.recognise(call.phone.heard).groups,
    close: async () => {
      await app.close(AbortSignal.abort());
      await carrier.close();
      await rm(folder, { recursive: true, force: true });
      if (sounds !== undefined) await rm(sounds, { recursive: true, force: true });
    },
  };
}
