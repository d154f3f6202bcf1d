import { randomBytes, randomUUID } from 'node:crypto';
import { apply, endCall } from '../../src/call/apply.ts';
import type { Call } from '../../src/call/call.ts';
import { GuardedFetch } from '../../src/outbound/guarded-fetch.ts';
import { Secret } from '../../src/secret.ts';
import type { Store } from '../../src/store/store.ts';
import { Deliverer, type WebhookSettings } from '../../src/webhooks/deliverer.ts';
import type { NoticeTarget } from '../../src/webhooks/notice.ts';
import { createNotice, noticeIdOf } from '../../src/webhooks/notice.ts';
import { localWakeQueue, type WakeQueue } from '../../src/webhooks/wake-queue.ts';
import { clientWith } from './client.ts';
import { acceptedPair } from './records.ts';
import type { WebhookReceiver } from './webhook-receiver.ts';

/** Base64 of 32 bytes, as Standard Webhooks write secrets. */
export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

const QUICK: WebhookSettings = {
  timeoutMs: 400,
  firstPauseMs: 40,
  longestPauseMs: 150,
  giveUpMs: 60_000,
  lookMs: 30,
  maxConcurrent: 20,
  maxPerHost: 4,
  claimSlackMs: 600,
};

export const CLIENTS_OWN: NoticeTarget = {
  format: 'standard',
  url: null,
  method: 'POST',
  events: null,
  fields: {},
};

export interface DelivererWishes {
  readonly settings?: Partial<WebhookSettings>;
  readonly queue?: WakeQueue;
  readonly secrets?: readonly string[];
  readonly now?: () => number;
}

const NO_LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A deliverer that knows receivers as `a.test`, `b.test` and so on; the callback of the client `shop` is at `a.test`. */
export function delivererFor(
  store: Store,
  receivers: readonly Pick<WebhookReceiver, 'port'>[],
  { settings = {}, queue = localWakeQueue(), secrets = [SECRET], now = Date.now }: DelivererWishes = {},
): { readonly deliverer: Deliverer; close(): Promise<void> } {
  const all = { ...QUICK, ...settings };
  const outbound = new GuardedFetch({
    allowedHosts: [],
    internalHosts: receivers.map(({ port }, index) => ({
      host: `${String.fromCharCode(97 + index)}.test`,
      address: '127.0.0.1',
      port,
    })),
    timeoutMs: all.timeoutMs,
    maxBytes: 10_000,
    maxRedirects: 3,
    resolve: () => Promise.reject(new Error('no name is looked up here')),
  });
  const callback = {
    url: 'http://a.test/told',
    secrets: secrets.map((text) => new Secret(text)),
    events: null,
  };
  const deliverer = new Deliverer({
    store,
    clients: { get: (id) => (id === 'shop' ? clientWith({ callback }) : undefined) },
    outbound,
    queue,
    name: `node.${randomBytes(4).toString('hex')}`,
    settings: all,
    now,
    elapsed: () => performance.now(),
    random: Math.random,
    log: NO_LOG,
  });
  deliverer.start();
  return {
    deliverer,
    close: async () => {
      await deliverer.close();
      outbound.close();
    },
  };
}

/** Accepts a verification whose client is to be told of it; its call has not been dialled. */
export async function acceptedNotice(
  store: Store,
  target: Partial<NoticeTarget> = {},
  { ttlSeconds = 600, to = '+4930123456', clientId = 'shop' } = {},
): Promise<{ readonly call: Call; readonly verificationId: string; readonly noticeId: string }> {
  const now = Date.now();
  const name = randomUUID().replaceAll('-', '');
  const { verification, call } = acceptedPair(name, {
    createdAt: now,
    clientId,
    ttlSeconds,
    to,
    reference: 'order 7',
  });
  const notice = createNotice({
    clientId,
    callId: call.id,
    verificationId: verification.id,
    target: { ...CLIENTS_OWN, ...target },
    now,
  });
  await store.accept(verification, call, null, { notice });
  return { call, verificationId: verification.id, noticeId: noticeIdOf(call.id) };
}

const CONTEXT = {
  trunkId: 'alpha',
  channel: 'voice',
  cli: '+498912345',
  marks: { codes: [] },
} as unknown as Parameters<typeof apply>[2];

/** The call as it goes on, up to its end; as it is stored in between. */
export function courseOf(call: Call): { ringing: Call; answered: Call; ended: Call } {
  const at = call.createdAt;
  const trying = apply(call, { type: 'trying', at: at + 1, leftover: {} } as never, CONTEXT);
  const ringing = apply(trying, { type: 'ringing', at: at + 2 } as never, CONTEXT);
  const answered = apply(ringing, { type: 'answered', at: at + 3, codec: 'PCMU' } as never, CONTEXT);
  const said = apply(answered, { type: 'prompt_finished', at: at + 4 }, CONTEXT);
  const end = { kind: 'hung_up', by: 'callee', why: 'bye' };
  const over = apply(said, { type: 'ended', at: at + 3003, end } as never, CONTEXT);
  return { ringing, answered, ended: endCall(over, at + 3003, 'answered', 'none') };
}
