import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { createMetrics } from './api/metrics.ts';
import { buildServer } from './api/server.ts';
import type { Call } from './call/call.ts';
import { CallService } from './call/call-service.ts';
import { Dialer } from './call/dialer.ts';
import { CallFeed } from './call/feed.ts';
import { ProofWatch } from './call/proof-watch.ts';
import type { Config } from './config.ts';
import type { Engine } from './engine/engine.ts';
import { engineOf, startComplaint } from './engine-choice.ts';
import type { PromptLibrary } from './prompt/library.ts';
import type { WireMessage } from './sip/transport.ts';
import { startSpeech } from './speech.ts';
import { SqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';
import { CallTrace } from './trace/call-trace.ts';
import { FlashGuard } from './trunk/flash-guard.ts';
import { LocalCapacity } from './trunk/local-capacity.ts';
import { TrunkResults } from './trunk/results.ts';
import { Routing } from './trunk/routing.ts';
import { TrunkStates } from './trunk/trunk-states.ts';
import { loadMasterKey } from './verification/master-key.ts';
import { VerificationService } from './verification/service.ts';
import { Vault } from './verification/vault.ts';

/** The whole service, running. */
export interface App {
  /** Where the API listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly library: PromptLibrary;
  readonly engine: Engine;
  /**
   * Takes no more calls, waits for those under way until the signal is aborted, hangs up the rest, and frees
   * everything.
   */
  close(signal: AbortSignal): Promise<void>;
}

export interface Surroundings {
  readonly logger: Logger;
  /** Every SIP message of the embedded engine, unmasked: for a ladder on a terminal, never for a log. */
  readonly onWire?: (message: WireMessage) => void;
}

/** Something that the service needs on this machine is not there; the message is for the operator. */
class StartError extends Error {
  constructor(what: string, cause: unknown) {
    super([what, ...reasonsOf(cause)].join(': '), { cause });
    this.name = 'StartError';
  }
}

function reasonsOf(error: unknown): string[] {
  return error instanceof Error ? [error.message, ...reasonsOf(error.cause)] : [];
}

const PACKAGE = new URL('../package.json', import.meta.url);
const SWEEP_INTERVAL_MS = 60_000;
const RANDOM_STEPS = 2 ** 47;
const DAY_MS = 86_400_000;
/** What BYE and CANCEL get after the calls were told to end. */
const ENGINE_CLOSE_MS = 5000;

/**
 * Puts the service together and starts it: store, sounds, engine, what an earlier process left open, and the
 * API last, so that no call is taken that could not be carried. What was started before a failure is closed.
 *
 * @throws StartError
 */
export async function startApp(config: Config, { logger, onWire }: Surroundings): Promise<App> {
  const opened: (() => Promise<unknown>)[] = [];
  try {
    const speech = await needed('The sounds cannot be used', () => startSpeech(config, logger));
    opened.push(() => speech.close());
    const masterKey = await needed('The master key cannot be used', () =>
      loadMasterKey(config.store.keyFile, randomBytes),
    );
    const vault = new Vault(masterKey, randomBytes);
    const store = await needed(
      'The store cannot be used',
      async () => new SqliteStore({ path: config.store.path, synchronous: config.store.synchronous }),
    );
    opened.push(() => store.close());
    const trace = new CallTrace(config.trace);
    const engine = engineOf(config, logger, (message) => {
      trace.take(message);
      onWire?.(message);
    });
    await needed(startComplaint(config), () => engine.start());
    opened.push(() => engine.close(AbortSignal.timeout(ENGINE_CLOSE_MS)));

    const { pauseSeconds, ...rules } = config.flash.guard;
    const guard = new FlashGuard(
      { ...rules, pauseMs: pauseSeconds * 1000 },
      { now: Date.now, elapsed: () => performance.now() },
    );
    const metrics = createMetrics({
      activeCalls: () => dialer.active(),
      speech: () => speech.states(),
      flashPauses: () => guard.paused(),
    });
    const feed = new CallFeed({
      load: (callId) => store.call(callId),
      onListenerError: (err, callId) => logger.error({ err, callId }, 'a listener of call events failed'),
    });
    const clock = { now: Date.now, elapsed: () => performance.now() };
    const states = new TrunkStates({ clock });
    const results: TrunkResults = new TrunkResults({ now: Date.now, trunks: () => routing.trunks });
    const routing = new Routing(config.trunks, { states, results, random: secureRandom });
    const capacity = new LocalCapacity(config.trunks, { elapsed: clock.elapsed });
    opened.push(async () => capacity.close());
    const proofs = new ProofWatch({ store, results, log: logger });
    const dialer: Dialer = new Dialer({
      store,
      engine,
      feed,
      vault,
      routing,
      capacity,
      states,
      now: Date.now,
      log: logger,
      settings: { ...config.calls, asks: config.gate.asks, detection: config.voicemail },
      prompts: speech.prompter,
      onApproved: () => metrics.verificationEnded('approved'),
      onLeg: (callId, sipCallId) => trace.follow(callId, sipCallId),
      onAttempt: (call) => {
        watchFlash(call, guard, logger);
        const attempt = call.attempts.at(-1);
        if (attempt !== undefined) results.attempt(call.to, attempt);
      },
      onEnded: (call) => {
        metrics.callEnded(call);
        proofs.look(call.verificationId);
      },
    });
    const newId = (prefix: string): string => `${prefix}_${randomUUID().replaceAll('-', '')}`;
    const calls = new CallService({
      store,
      dialer,
      vault,
      trunks: config.trunks,
      callees: config.verification,
      prompts: speech.prompter,
      now: Date.now,
      newId,
    });
    const verifications = new VerificationService({
      store,
      dialer,
      vault,
      resolveLocale: (locale, sayAs) => speech.voices.resolve(locale, sayAs),
      speechIsAway: () => speech.voices.speechIsAway(),
      now: Date.now,
      newId,
      randomBytes,
      settings: config.verification,
      onFinal: (id) => proofs.look(id),
      delivery: config,
      flash: {
        store,
        trunks: config.trunks,
        random: secureRandom,
        pausedUntil: (to) => guard.pausedUntil(to),
        settings: config.flash,
      },
    });
    const interrupted = await dialer.recover();
    if (interrupted > 0)
      logger.warn({ calls: interrupted }, 'closed calls that an earlier process left open');

    const stopSweeping = sweepRegularly(store, config, logger);
    opened.push(async () => stopSweeping());
    const version = await packageVersion();
    const api = await buildServer({
      config: config.api,
      version,
      logger,
      metrics,
      verifications,
      calls,
      prompts: speech.prompter,
      trunks: config.trunks,
      trace,
      ways: { routing, capacity, states, results, callees: config.verification },
      feed,
      dialer,
      store,
      engine,
    });
    opened.push(() => api.close());
    await needed(`The API cannot listen on ${config.api.host}, port ${config.api.port}`, () =>
      api.listen({ host: config.api.host, port: config.api.port }),
    );
    const url = urlOf(api.server.address() as AddressInfo);
    logger.info({ url, engine: engine.name, authentication: config.api.keys.length > 0 }, 'listening');
    return {
      url,
      library: speech.library,
      engine,
      close: async (signal) => {
        await dialer.drain(signal);
        await closeAll(opened, logger);
      },
    };
  } catch (error) {
    await closeAll(opened, logger);
    throw error;
  }
}

/** Tells the guard what became of a flash attempt, and the operator of a pause that begins with it. */
function watchFlash({ id, to, attempts }: Call, guard: FlashGuard, logger: Logger): void {
  const attempt = attempts.at(-1);
  if (attempt?.channel !== 'flash' || (attempt.ringingAt === null && attempt.answeredAt === null)) return;
  const pause = guard.record(to, attempt.answeredAt !== null);
  if (pause !== undefined) {
    logger.warn({ callId: id, ...pause }, 'too many flash calls to a prefix were answered: they pause');
  }
}

/** 0 to 1, exclusive. */
function secureRandom(): number {
  return randomInt(RANDOM_STEPS) / RANDOM_STEPS;
}

/** One thing that the operator may have to put right before the service can start. */
async function needed<T>(complaint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new StartError(complaint, error);
  }
}

/** Backwards, since later parts use earlier ones; one that fails does not keep the others open. */
async function closeAll(opened: readonly (() => Promise<unknown>)[], logger: Logger): Promise<void> {
  for (const close of opened.toReversed()) {
    await close().catch((err: unknown) => logger.error({ err }, 'a part of the service did not close'));
  }
}

function sweepRegularly(store: Store, config: Config, logger: Logger): () => void {
  const { retentionDays } = config.store;
  const sweep = (): void => {
    const now = Date.now();
    const limits = {
      verificationsBefore: now - retentionDays.verifications * DAY_MS,
      callsBefore: now - retentionDays.calls * DAY_MS,
      cliUsesBefore: now - config.flash.reuseWindowSeconds * 1000,
    };
    store.sweep(now, limits).catch((err: unknown) => logger.error({ err }, 'sweeping the store failed'));
  };
  sweep();
  const timer = setInterval(sweep, SWEEP_INTERVAL_MS);
  return () => clearInterval(timer);
}

async function packageVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(PACKAGE, 'utf8')) as { version: string };
  return version;
}

function urlOf({ address, port }: AddressInfo): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}
