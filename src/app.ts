import { randomBytes, randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { buildServer } from './api/server.ts';
import { openBacking } from './backing.ts';
import { restoreResults } from './call/past-results.ts';
import { callbacksOf } from './callbacks.ts';
import { ClientRegistry } from './clients/registry.ts';
import type { Config } from './config.ts';
import type { Engine } from './engine/engine.ts';
import { engineOf, startComplaint } from './engine-choice.ts';
import { countriesOf } from './page/countries.ts';
import type { LabDesk } from './page/lab-desk.ts';
import type { PromptLibrary } from './prompt/library.ts';
import { type ConfigChanges, compare } from './reload.ts';
import { Secret } from './secret.ts';
import { servicesOf } from './services.ts';
import type { WireMessage } from './sip/transport.ts';
import { startSpeech } from './speech.ts';
import { needed, OpenParts } from './starting.ts';
import { sweepRegularly } from './sweeping.ts';
import { startTracing } from './tracing.ts';
import { loadMasterKey } from './verification/master-key.ts';
import { Vault } from './verification/vault.ts';
import { Ways } from './ways.ts';

/** The whole service, running. */
export interface App {
  /** Where the API listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly library: PromptLibrary;
  readonly engine: Engine;
  /**
   * Goes by another configuration as far as that is possible without a restart. Attempts that are under way keep what
   * they began with.
   */
  reload(next: Config): ConfigChanges;
  /**
   * Takes no more calls, waits for those under way until the signal is aborted, hangs up the rest, and frees
   * everything.
   */
  close(signal: AbortSignal): Promise<void>;
}

export interface Surroundings {
  readonly logger: Logger;
  /** Every SIP message of the engine, unmasked: for a ladder on a terminal, never for a log. */
  readonly onWire?: (message: WireMessage) => void;
  /** The phones of a lab, for the page. */
  readonly desk?: LabDesk;
}

const PACKAGE = new URL('../package.json', import.meta.url);
/** Connections that wait to be taken: Linux drops those of a burst beyond it, and resets some of them. */
const BACKLOG = 4096;
const RANDOM_STEPS = 2 ** 47;
/** What BYE and CANCEL get after the calls were told to end. */
const ENGINE_CLOSE_MS = 5000;

/**
 * Puts the service together and starts it: store, sounds, engine, what an earlier process left open, and the
 * API last, so that no call is taken that could not be carried. What was started before a failure is closed.
 *
 * @throws StartError
 */
export async function startApp(config: Config, { logger, onWire, desk }: Surroundings): Promise<App> {
  const opened = new OpenParts();
  try {
    const speech = await needed('The sounds cannot be used', () => startSpeech(config, logger));
    opened.add(() => speech.close());
    const masterKey = await needed('The master key cannot be used', () =>
      loadMasterKey(config.store.keyFile, randomBytes),
    );
    const vault = new Vault(masterKey, randomBytes);
    const backing = await openBacking(config, logger);
    opened.add(() => backing.close());
    const { store, clock } = backing;
    const clients = new ClientRegistry(config.api.clients, clock.now);
    const tracing = startTracing(config.trace);
    opened.add(() => tracing.close());
    const { trace } = tracing;
    const engine = engineOf(config, logger, (message) => {
      tracing.take(message);
      onWire?.(message);
    });
    await needed(startComplaint(config), () => engine.start());
    opened.add(() => engine.close(AbortSignal.timeout(ENGINE_CLOSE_MS)));

    const ways = new Ways(config.trunks, {
      engine,
      logger,
      capacity: backing.capacity,
      random: secureRandom,
    });
    ways.start();
    opened.add(() => ways.close());
    const callbacks = callbacksOf(config, {
      store,
      clients,
      queue: backing.wakes,
      now: clock.now,
      random: secureRandom,
      log: logger,
    });
    opened.add(() => callbacks.close());
    const services = servicesOf(config, {
      logger,
      store,
      engine,
      vault,
      speech,
      ways,
      tracing,
      peers: backing.peers,
      clock,
      clients,
      callbacks,
      cluster: () => backing.state(),
      random: secureRandom,
    });
    const { dialer } = services;
    const elapsed = (): number => performance.now();
    const past = await restoreResults({ store, results: ways.results, now: clock.now, elapsed });
    logger.debug({ calls: past }, 'the results of trunks go on from earlier calls');
    const left = await backing.begin(dialer);
    if (left > 0) logger.warn({ calls: left }, 'took over calls that an earlier process left open');

    callbacks.start();

    const stopSweeping = sweepRegularly(store, config, logger, { node: backing.node, time: clock.now });
    opened.add(async () => stopSweeping());
    const version = await packageVersion();
    const api = await buildServer({
      config: config.api,
      clients,
      version,
      logger,
      ...services,
      webhooks: callbacks,
      prompts: speech.prompter,
      rcml: speech.rcml,
      trace,
      ways: {
        routing: ways.routing,
        capacity: ways.capacity,
        states: ways.states,
        results: ways.results,
        health: ways.health,
        registrations: ways.registrations,
        callees: config.verification,
      },
      store,
      engine,
      page: {
        cookieKey: new Secret(vault.fingerprint('cookies of the page')),
        countries: (id) =>
          countriesOf(
            config.destinations.countries,
            id === null ? null : (clients.get(id)?.countries ?? null),
          ),
        lab: desk === undefined ? undefined : { desk, callOf: (sipCallId) => trace.callOf(sipCallId) },
      },
      queues: () => backing.queues,
    });
    opened.add(() => api.close());
    await needed(`The API cannot listen on ${config.api.host}, port ${config.api.port}`, () =>
      api.listen({ host: config.api.host, port: config.api.port, backlog: BACKLOG }),
    );
    const url = urlOf(api.server.address() as AddressInfo);
    logger.info({ url, engine: engine.name, authentication: !clients.open }, 'listening');
    if (config.destinations.countries.length === 0) {
      logger.warn('no country is listed in destinations.countries: numbers of the lab alone can be called');
    }
    let running = config;
    return {
      url,
      library: speech.library,
      engine,
      reload: (next) => {
        const changes = compare(running, next);
        running = changes.running;
        ways.replace(running.trunks);
        clients.replace(running.api.clients);
        logger.level = running.log.level;
        return changes;
      },
      close: async (signal) => {
        dialer.leave();
        await sleep(config.calls.noticeMs, undefined, { signal }).catch(() => undefined);
        backing.drain();
        await dialer.drain(signal);
        await opened.close(logger);
      },
    };
  } catch (error) {
    await opened.close(logger);
    throw error;
  }
}

/** 0 to 1, exclusive. */
function secureRandom(): number {
  return randomInt(RANDOM_STEPS) / RANDOM_STEPS;
}

async function packageVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(PACKAGE, 'utf8')) as { version: string };
  return version;
}

function urlOf({ address, port }: AddressInfo): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}
