import { randomBytes, randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { ApiMetrics, ClusterState } from './api/metrics.ts';
import { createMetrics } from './api/metrics.ts';
import type { Call } from './call/call.ts';
import { CallService } from './call/call-service.ts';
import { Dialer } from './call/dialer.ts';
import { CallFeed } from './call/feed.ts';
import { ProofWatch } from './call/proof-watch.ts';
import type { Callbacks } from './callbacks.ts';
import type { Client, Clients } from './clients/client.ts';
import { mayShowCli, mayUseTemplate } from './clients/permission.ts';
import type { Peers } from './cluster/peers.ts';
import type { Config } from './config.ts';
import type { Engine } from './engine/engine.ts';
import { Gate } from './limits/gate.ts';
import type { SpeechParts } from './speech.ts';
import { inFamily } from './store/family.ts';
import type { Store } from './store/store.ts';
import type { Tracing } from './tracing.ts';
import { FlashGuard } from './trunk/flash-guard.ts';
import { candidates } from './trunk/route.ts';
import type { ClientPermits } from './verification/preparation.ts';
import { VerificationService } from './verification/service.ts';
import type { Vault } from './verification/vault.ts';
import type { Verification } from './verification/verification.ts';
import type { Ways } from './ways.ts';
import { noticeMaker } from './webhooks/notice-maker.ts';

/** What takes calls and verifications, and carries them. */
export interface Services {
  readonly dialer: Dialer;
  readonly calls: CallService;
  readonly verifications: VerificationService;
  readonly feed: CallFeed;
  readonly metrics: ApiMetrics;
}

/** The time that counts for all who share the store. */
export interface ServiceClock {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What is to be added to the time of this machine. */
  readonly offsetMs: () => number;
}

/** What they use of the world. */
export interface ServiceParts {
  readonly logger: Logger;
  readonly store: Store;
  readonly engine: Engine;
  readonly vault: Vault;
  readonly speech: SpeechParts;
  readonly ways: Ways;
  readonly tracing: Pick<Tracing, 'trace' | 'sent'>;
  readonly peers: Peers;
  readonly clock: ServiceClock;
  readonly clients: Clients;
  /** Who tells clients what happens. */
  readonly callbacks: Pick<Callbacks, 'wake' | 'state'>;
  readonly cluster: () => ClusterState | undefined;
  /** Cryptographic: 0, inclusive, to 1, exclusive. */
  readonly random: () => number;
}

/** Puts the services together; nothing is started. */
export function servicesOf(
  config: Config,
  {
    logger,
    store,
    engine,
    vault,
    speech,
    ways,
    tracing,
    peers,
    clock,
    clients,
    callbacks,
    cluster,
    random,
  }: ServiceParts,
): Services {
  const { pauseSeconds, ...rules } = config.flash.guard;
  const guard = new FlashGuard(
    { ...rules, pauseMs: pauseSeconds * 1000 },
    { now: clock.now, elapsed: () => performance.now() },
  );
  const metrics = createMetrics({
    activeCalls: () => dialer.active(),
    speech: () => speech.states(),
    flashPauses: () => guard.paused(),
    captured: () => tracing.sent(),
    cluster,
    webhooks: () => callbacks.state(),
  });
  const gate = new Gate({
    limits: store.limits,
    clients,
    routing: ways.routing,
    now: clock.now,
    settings: config,
    log: logger,
    onRefused: (refusal) => metrics.requestRefused(refusal),
  });
  const told = (call: Call): void => {
    if (call.wishes.told === true) callbacks.wake(call.id);
  };
  const feed = new CallFeed({
    load: (callId) => store.call(callId),
    onPublished: told,
    onListenerError: (err, callId) => logger.error({ err, callId }, 'a listener of call events failed'),
    peers,
  });
  const proofs = new ProofWatch({ store, results: ways.results, log: logger });
  const dialer: Dialer = new Dialer({
    store,
    engine,
    feed,
    vault,
    routing: ways.routing,
    capacity: ways.capacity,
    states: ways.states,
    now: clock.now,
    clockOffsetMs: clock.offsetMs,
    peers,
    log: logger,
    settings: { ...config.calls, asks: config.gate.asks, detection: config.voicemail },
    prompts: speech.prompter,
    onApproved: (verification) => final(verification),
    onLeg: (callId, sipCallId) => tracing.trace.follow(callId, sipCallId),
    onAttempt: (call) => {
      watchFlash(call, guard, logger);
      const attempt = call.attempts.at(-1);
      if (attempt !== undefined) ways.results.attempt(call.to, attempt);
    },
    onEnded: (call) => {
      metrics.callEnded(call);
      proofs.look(call.verificationId);
      void gate.settled(call);
      told(call);
    },
  });
  const final = (verification: Verification): void => {
    const { id, callId, status } = verification;
    if (status !== 'pending') metrics.verificationEnded(status);
    if (status === 'approved') void gate.proven(verification);
    proofs.look(id);
    callbacks.wake(callId);
  };
  const newId = (prefix: string, family: string): string =>
    inFamily(`${prefix}_${randomUUID().replaceAll('-', '')}`, family);
  // What every request passes, and what it may ask for.
  const entrance = { permits: permitsOf(clients), gate, notices: noticeMaker(clients) };
  const calls = new CallService({
    ...entrance,
    store,
    dialer,
    vault,
    routing: ways.routing,
    callees: config.verification,
    prompts: speech.prompter,
    now: clock.now,
    newId,
    randomBytes,
  });
  const verifications = new VerificationService({
    ...entrance,
    store,
    routing: ways.routing,
    dialer,
    vault,
    resolveLocale: (locale, sayAs) => speech.voices.resolve(locale, sayAs),
    speechIsAway: () => speech.voices.speechIsAway(),
    now: clock.now,
    newId,
    randomBytes,
    settings: config.verification,
    onStarted: () => metrics.verificationStarted(),
    onFinal: final,
    delivery: config,
    flash: {
      store,
      // As they are when a call is asked for.
      get trunks() {
        return ways.routing.trunks;
      },
      order: (to) => {
        const found = ways.routing.find({ to, carrierId: null, cli: null, channel: 'flash' });
        return candidates(found).map(({ trunkId }) => trunkId);
      },
      random,
      pausedUntil: (to) => guard.pausedUntil(to),
      settings: config.flash,
    },
  });
  return { dialer, calls, verifications, feed, metrics };
}

/** Where the API runs without keys, whoever asks may ask for all there is. A client that is no more may ask for nothing. */
function permitsOf(clients: Clients): ClientPermits {
  const may = (clientId: string | null, permitted: (client: Client) => boolean): boolean => {
    if (clientId === null) return true;
    const client = clients.get(clientId);
    return client !== undefined && permitted(client);
  };
  return {
    cli: (clientId, cli) => may(clientId, (client) => mayShowCli(client, cli)),
    template: (clientId, text) => may(clientId, (client) => mayUseTemplate(client, text)),
  };
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
