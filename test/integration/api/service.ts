import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { createMetrics } from '../../../src/api/metrics.ts';
import type { Api } from '../../../src/api/server.ts';
import { buildServer } from '../../../src/api/server.ts';
import { CallService } from '../../../src/call/call-service.ts';
import { Dialer } from '../../../src/call/dialer.ts';
import { CallFeed } from '../../../src/call/feed.ts';
import { callbacksOf } from '../../../src/callbacks.ts';
import { ClientRegistry } from '../../../src/clients/registry.ts';
import { alone } from '../../../src/cluster/alone.ts';
import { configFrom } from '../../../src/config.ts';
import type { configSchema } from '../../../src/config-schema.ts';
import { documentsOf } from '../../../src/documents.ts';
import { createLogger } from '../../../src/log.ts';
import type { Playlist } from '../../../src/prompt/playlist.ts';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { CallTrace } from '../../../src/trace/call-trace.ts';
import { VerificationService } from '../../../src/verification/service.ts';
import { MASTER_KEY_BYTES, Vault } from '../../../src/verification/vault.ts';
import { localWakeQueue } from '../../../src/webhooks/wake-queue.ts';
import type { MadeUpTts } from '../../support/made-up-tts.ts';
import { OPEN_ENTRANCE } from '../../support/open-entrance.ts';
import { routed } from '../../support/routed.ts';
import { ScriptedEngine } from './scripted-engine.ts';
import { startSpeechRig } from './speech-rig.ts';

type Settings = z.input<typeof configSchema>;

export interface Service {
  readonly api: Api;
  readonly engine: ScriptedEngine;
  /** Who speaks texts. */
  readonly tts: MadeUpTts;
  readonly store: SqliteStore;
  /** Its file. */
  readonly storePath: string;
  readonly dialer: Dialer;
  /** Of the calls that are not over, the newest first: they are kept for as long, and sealed. */
  readonly playlists: () => Promise<readonly Playlist[]>;
  /** Whatever needs a new id meets this error, as it would meet a fault of ours. */
  readonly breakWith: (bug: Error) => void;
  /** All log lines so far. */
  readonly log: () => string;
  /** Log lines of errors so far. */
  readonly faults: () => readonly string[];
  /** Until when flash calls to a number pause, epoch milliseconds: set by the test, as the guard would. */
  readonly pauses: Map<string, number>;
  /** Moves the clock that verifications live by. */
  readonly passTime: (ms: number) => void;
  readonly close: () => Promise<void>;
}

const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+493098765432' };

/** The service as it runs, but for the engine and the provider of speech: in a folder of its own. */
export async function startService(settings: Partial<Settings> = {}): Promise<Service> {
  const config = configFrom({ trunks: [TRUNK], ...settings });
  const folder = mkdtempSync(join(tmpdir(), 'voice-otp-api-'));
  const storePath = join(folder, 'voice-otp.db');
  const store = new SqliteStore({ path: storePath, synchronous: 'normal' });
  const engine = new ScriptedEngine();
  const vault = new Vault(randomBytes(MASTER_KEY_BYTES), randomBytes);
  let log = '';
  const logger = createLogger({ level: 'trace', destination: { write: (line) => void (log += line) } });
  const { prompter, voices, tts, ...speech } = await startSpeechRig(config, join(folder, 'speech'), logger);
  let bug: Error | undefined;
  const newId = (prefix: string): string => {
    if (bug !== undefined) {
      throw bug;
    }
    return `${prefix}_${randomBytes(16).toString('hex')}`;
  };
  let lateMs = 0;
  const now = (): number => Date.now() + lateMs;
  const feed = new CallFeed({
    load: (id) => store.call(id),
    onListenerError: (err, callId) => logger.error({ err, callId }, 'listener failed'),
  });
  const pauses = new Map<string, number>();
  const metrics = createMetrics({ activeCalls: () => dialer.active() });
  const ways = routed(config.trunks);
  const dialer: Dialer = new Dialer({
    store,
    engine,
    feed,
    vault,
    prompts: prompter,
    ...ways,
    now,
    clockOffsetMs: () => 0,
    peers: alone('here'),
    log: logger,
    settings: { ...config.calls, asks: config.gate.asks, detection: config.voicemail },
    onApproved: () => metrics.verificationEnded('approved'),
    onEnded: (call) => metrics.callEnded(call),
  });
  const verifications = new VerificationService({
    ...OPEN_ENTRANCE,
    onStarted: () => metrics.verificationStarted(),
    onFinal: ({ status }) => {
      if (status !== 'pending') metrics.verificationEnded(status);
    },
    routing: ways.routing,
    store,
    dialer,
    vault,
    resolveLocale: (locale, sayAs) => voices.resolve(locale, sayAs),
    speechIsAway: () => voices.speechIsAway(),
    now,
    newId,
    randomBytes,
    settings: config.verification,
    delivery: { gate: config.gate, voicemail: config.voicemail, flash: config.flash },
    flash: {
      store,
      trunks: config.trunks,
      random: Math.random,
      pausedUntil: (to) => pauses.get(to),
      settings: config.flash,
    },
  });
  const calls = new CallService({
    ...OPEN_ENTRANCE,
    store,
    dialer,
    vault,
    routing: ways.routing,
    callees: config.verification,
    prompts: prompter,
    now,
    newId,
    randomBytes,
  });
  const clients = new ClientRegistry(config.api.clients, now);
  const documents = documentsOf(config.speech.urls);
  const callbacks = callbacksOf(config, {
    store,
    clients,
    queue: localWakeQueue(),
    now,
    random: Math.random,
    log: logger,
  });
  callbacks.start();
  const api = await buildServer({
    config: config.api,
    clients,
    version: '0.1.0',
    logger,
    metrics,
    verifications,
    calls,
    prompts: prompter,
    rcml: documents.rcml,
    feed,
    dialer,
    store,
    engine,
    ways: { ...ways, callees: config.verification },
    trace: new CallTrace(config.trace),
    webhooks: callbacks,
  });
  return {
    api,
    engine,
    tts,
    store,
    storePath,
    dialer,
    playlists: async () => {
      const stored = await store.calls({ limit: 100 });
      return stored.flatMap(({ id, sealedPlaylist: sealed }) =>
        sealed === null ? [] : [JSON.parse(vault.open(id, sealed).reveal()) as Playlist],
      );
    },
    breakWith: (error) => {
      bug = error;
    },
    log: () => log,
    faults: () => log.split('\n').filter((line) => /"level":"(error|fatal)"/.test(line)),
    pauses,
    passTime: (ms) => {
      lateMs += ms;
    },
    close: async () => {
      await api.close();
      await callbacks.close();
      documents.close();
      await dialer.drain(AbortSignal.abort());
      await speech.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
