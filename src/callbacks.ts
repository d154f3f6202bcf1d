import { randomBytes, randomUUID } from 'node:crypto';
import type { WebhookPorts } from './api/webhooks.ts';
import type { CallLog } from './call/log.ts';
import type { Clients } from './clients/client.ts';
import type { Config } from './config.ts';
import { GuardedFetch } from './outbound/guarded-fetch.ts';
import type { Store } from './store/store.ts';
import { CallbackTester } from './webhooks/callback-tester.ts';
import { Deliverer } from './webhooks/deliverer.ts';
import type { WakeQueue } from './webhooks/wake-queue.ts';

/** What clients are told by, and what their API and metrics see of it. */
export interface Callbacks extends WebhookPorts {
  /** Tells what is due, from now on. */
  start(): void;
  /** Something of a call or its verification was stored that somebody may want to hear. */
  wake(callId: string): void;
  /** Gives what runs a moment, and leaves the rest to the next process. */
  close(): Promise<void>;
}

export interface CallbackParts {
  readonly store: Pick<Store, 'call' | 'verification' | 'endVerification' | 'notices'>;
  readonly clients: Clients;
  readonly queue: WakeQueue;
  /** The clock that all who share the store go by; epoch milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
  readonly log: CallLog;
}

const WORD_BYTES = 12;
/** Of headers and body of an answer nothing is kept. */
const MAX_BYTES = 65_536;

/** Puts together what tells clients; nothing is started. */
export function callbacksOf(
  { webhooks }: Pick<Config, 'webhooks'>,
  { store, clients, queue, now, random, log }: CallbackParts,
): Callbacks {
  const { allowedHosts, internalHosts, giveUpSeconds, ...settings } = webhooks;
  const outbound = new GuardedFetch({
    allowedHosts,
    internalHosts,
    timeoutMs: settings.timeoutMs,
    maxBytes: MAX_BYTES,
    maxRedirects: 0,
  });
  const elapsed = (): number => performance.now();
  const deliverer = new Deliverer({
    store,
    clients,
    outbound,
    queue,
    name: randomBytes(WORD_BYTES).toString('base64url'),
    settings: { ...settings, giveUpMs: giveUpSeconds * 1000 },
    now,
    elapsed,
    random,
    log,
  });
  const tester = new CallbackTester({
    clients,
    outbound,
    now,
    elapsed,
    newId: () => randomUUID().replaceAll('-', ''),
  });
  return {
    notices: store.notices,
    redeliver: (noticeId) => deliverer.redeliver(noticeId),
    test: (clientId) => tester.test(clientId),
    state: async () => {
      const { open, dead, oldestOpenAt } = await store.notices.counts();
      const oldestMs = oldestOpenAt === null ? 0 : Math.max(0, now() - oldestOpenAt);
      return { ...deliverer.counts, open, deadNow: dead, oldestMs };
    },
    start: () => deliverer.start(),
    wake: (callId) => deliverer.wake(callId),
    close: async () => {
      await deliverer.close();
      outbound.close();
    },
  };
}
