import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { type App, startApp } from '../app.ts';
import { configFrom } from '../config.ts';
import type { configSchema } from '../config-schema.ts';
import { type LabCall, LabCarrier, type LabText } from '../lab/carrier.ts';
import { Desk } from '../lab/desk.ts';
import { Listener } from '../lab/listener.ts';
import { VoiceServer } from '../lab/voice-server.ts';
import type { PromptLibrary } from '../prompt/library.ts';
import { Secret } from '../secret.ts';
import type { WireMessage } from '../sip/transport.ts';
import { UsageError } from './command.ts';

/** Lab numbers: a range that Ofcom keeps for drama, so that none of them is anybody's. */
export const LAB_PREFIX = '+442079460';
export const LAB_USERNAME = 'lab';
const LAB_PASSWORD = 'lab-secret';
export const LAB_LOCALE = 'en-US';
/** The carrier and the host of recordings of the examples in docs/datatechlabs.md, so that those work here as they are. */
const LAB_TRUNK = '74445609';
const VOICE_HOST = 'server.domain.com';
const VOICES = fileURLToPath(new URL('../../sounds/en-US/slt', import.meta.url));

/** Where the lab listens. */
export const LAB_OPTIONS = {
  host: { type: 'string', value: 'HOST', gist: 'where it listens; default 127.0.0.1' },
  port: { type: 'string', value: 'PORT', gist: 'and on which port; 0: any that is free' },
  json: { type: 'boolean', gist: 'a line of JSON once it listens, and one for each call that is over' },
} as const;

/** @throws UsageError */
export function readPort(text: string | undefined, preset: number): number {
  const port = text === undefined ? preset : Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError('--port is 0 to 65535');
  return port;
}

/** Whoever plays with the lab calls the same few phones over and over, and its trunk reaches nothing else. */
const PLAY: Pick<z.input<typeof configSchema>, 'destinations' | 'limits'> = {
  destinations: { countries: 'all' },
  limits: {
    number: { perMinute: null, perHour: null, perDay: null, pausesSeconds: [] },
    prefix: { perHour: null },
    endUser: { perHour: null },
  },
};

export interface LabSite {
  readonly app: App;
  /** Where the page is. */
  readonly page: string;
  readonly carrier: LabCarrier;
  /** Knows what the phones heard. */
  readonly listener: Listener;
  /** Holds the store and recordings; gone after close. */
  readonly folder: string;
  close(): Promise<void>;
}

export interface LabSiteOptions {
  readonly apiHost: string;
  readonly apiPort: number;
  readonly logger: Logger;
  readonly onWire?: (message: WireMessage) => void;
  readonly onCall?: (call: LabCall) => void;
  readonly onText?: (text: LabText) => void;
  /** A folder of prompts in place of the delivered ones. */
  readonly sounds?: string;
}

const DRAIN_MS = 1000;
/** A lab may run for weeks. */
const KEPT_CALLS = 100;

export function labCarrierFor(
  host: string,
  port: number,
  options: {
    readonly logger: Logger;
    readonly onCall?: (call: LabCall) => void;
    readonly onText?: (text: LabText) => void;
  },
): LabCarrier {
  return new LabCarrier({
    host,
    port,
    codecs: ['PCMU', 'PCMA'],
    username: LAB_USERNAME,
    password: new Secret(LAB_PASSWORD),
    keptCalls: KEPT_CALLS,
    onFault: (err) => options.logger.error({ err }, 'a fault in the lab carrier'),
    ...(options.onCall === undefined ? {} : { onCall: options.onCall }),
    ...(options.onText === undefined ? {} : { onText: options.onText }),
  });
}

/** The service with the embedded engine, a store in a temporary folder, and a lab carrier as its trunk, all on loopback. */
export async function startLabSite(options: LabSiteOptions): Promise<LabSite> {
  const { apiHost, apiPort, logger, onWire } = options;
  const folder = await mkdtemp(join(tmpdir(), 'voice-otp-'));
  let library: PromptLibrary | undefined;
  const listener = new Listener(() => library?.clips(LAB_LOCALE) ?? new Map());
  const desk = new Desk((call) => listener.heardBy(call));
  const carrier = labCarrierFor('127.0.0.1', 0, {
    logger,
    onCall: (call) => {
      desk.take(call);
      options.onCall?.(call);
    },
    onText: (text) => {
      desk.takeText({ number: text.number, from: text.from, text: text.text });
      options.onText?.(text);
    },
  });
  const voices = new VoiceServer(servedVoices());
  const remove = async (): Promise<void> => {
    await carrier.close();
    await listener.close();
    await voices.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await carrier.start();
    await voices.start();
    const config = configFrom({
      ...PLAY,
      api: { host: apiHost, port: apiPort, page: { enabled: true } },
      sip: { host: '127.0.0.1', port: 0 },
      trunks: [
        {
          id: LAB_TRUNK,
          host: '127.0.0.1',
          port: carrier.port,
          username: LAB_USERNAME,
          password: LAB_PASSWORD,
          cli: '+442079460999',
          // Numbers for fiction, like the phones' own: nobody has them.
          flashPool: [{ first: '+441614960000', last: '+441614960999' }],
          sms: {},
        },
      ],
      sounds: options.sounds === undefined ? {} : { folder: options.sounds },
      speech: {
        cache: { folder: join(folder, 'speech') },
        urls: { internalHosts: [{ host: VOICE_HOST, address: '127.0.0.1', port: voices.port }] },
      },
      store: { path: join(folder, 'store.db'), keyFile: join(folder, 'master.key') },
    });
    const app = await startApp(config, { logger, desk, ...(onWire === undefined ? {} : { onWire }) });
    library = app.library;
    return {
      app,
      page: `${app.url}/try`,
      carrier,
      listener,
      folder,
      close: async () => {
        await app.close(AbortSignal.timeout(DRAIN_MS));
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What the examples say: a phrase and the digits. */
function servedVoices(): ReadonlyMap<string, string> {
  const digits = Array.from({ length: 10 }, (_, digit) => String(digit));
  return new Map([
    ['your-code-is', join(VOICES, 'greeting.wav')],
    ...digits.map((digit) => [digit, join(VOICES, `${digit}.wav`)] as const),
  ]);
}
