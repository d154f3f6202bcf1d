import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import { eventually } from '../../support/eventually.ts';
import { acceptedNotice, courseOf, SECRET } from '../../support/notice-rig.ts';
import { answers, stalls, takes, WebhookReceiver } from '../../support/webhook-receiver.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const keys = {
  shop: createKey('shop', randomBytes),
  bank: createKey('bank', randomBytes),
  desk: createKey('desk', randomBytes),
  boss: createKey('boss', randomBytes),
};

type Who = keyof typeof keys;

let service: Service;
let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  service = await startService({
    api: {
      clients: [
        {
          id: 'shop',
          keys: [{ hash: keys.shop.hash }],
          callback: { url: 'http://shop.test/told', secret: SECRET },
        },
        { id: 'bank', keys: [{ hash: keys.bank.hash }] },
        { id: 'desk', keys: [{ hash: keys.desk.hash }], scopes: ['verifications'] },
        { id: 'boss', keys: [{ hash: keys.boss.hash }], scopes: ['operator'] },
      ],
    },
    webhooks: {
      internalHosts: [{ host: 'shop.test', address: '127.0.0.1', port: receiver.port }],
      timeoutMs: 300,
      firstPauseMs: 10,
      longestPauseMs: 20,
      giveUpSeconds: 1,
      lookMs: 20,
    },
  });
});

afterAll(async () => {
  await service.close();
  await receiver.stop();
});

function ask(who: Who | undefined, method: 'GET' | 'POST', url: string) {
  const headers = who === undefined ? {} : { authorization: `Bearer ${keys[who].key}` };
  return service.api.inject({ method, url, headers });
}

describe('dead letters', () => {
  it('are listed and sent again: a client its own, an operator those of all', async () => {
    receiver.behaviour = answers(410);
    const ids: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      ids.unshift((await acceptedNotice(service.store)).noticeId);
      await eventually(async () => expect((await service.store.notices.counts()).dead).toBe(i + 1));
    }
    const listed = async (who: Who, query = ''): Promise<unknown> => {
      const reply = await ask(who, 'GET', `/v1/webhooks/dead${query}`);
      expect(reply.statusCode).toBe(200);
      return reply.json<{ webhooks: { id: string }[] }>().webhooks.map(({ id }) => id);
    };
    expect(new Set((await listed('shop')) as string[])).toEqual(new Set(ids));
    expect(await listed('bank')).toEqual([]);
    expect(new Set((await listed('boss')) as string[])).toEqual(new Set(ids));
    const first = (await ask('shop', 'GET', '/v1/webhooks/dead?limit=2')).json<{
      webhooks: { id: string }[];
      next: string;
    }>();
    expect(first.next).toBe(first.webhooks[1]?.id);
    const rest = await listed('shop', `?limit=2&after=${first.next}`);
    expect(new Set([...first.webhooks.map(({ id }) => id), ...(rest as string[])])).toEqual(new Set(ids));
    expect(first.webhooks[0]).toMatchObject({
      clientId: 'shop',
      format: 'standard',
      delivered: 0,
      lastError: 'answered with status 410',
    });

    const [id] = ids;
    const again = `/v1/webhooks/${id}/redeliver`;
    expect((await ask('bank', 'POST', again)).statusCode).toBe(404);
    expect((await ask('shop', 'POST', '/v1/webhooks/ntc_none/redeliver')).statusCode).toBe(404);
    receiver.behaviour = takes;
    receiver.received.splice(0);
    expect((await ask('shop', 'POST', again)).statusCode).toBe(202);
    await eventually(() => expect(receiver.types()).toEqual(['verification.created', 'call.queued']));
    expect((await ask('shop', 'POST', again)).statusCode).toBe(404);
    expect((await ask('boss', 'POST', `/v1/webhooks/${ids[1]}/redeliver`)).statusCode).toBe(202);
    expect(await listed('shop')).toEqual([ids[2]]);
  });

  it('are not said to be all where the one that a page begins after is there no more', async () => {
    receiver.behaviour = answers(410);
    const page = async (query: string) => {
      const reply = await ask('shop', 'GET', `/v1/webhooks/dead?limit=1${query}`);
      return { status: reply.statusCode, ...reply.json<{ webhooks: { id: string }[]; next: string }>() };
    };
    const { store } = service;
    const older = await acceptedNotice(store);
    await eventually(async () => expect((await store.notices.get(older.noticeId))?.state).toBe('dead'));
    const { call, noticeId } = await acceptedNotice(store);
    await eventually(async () => expect((await store.notices.get(noticeId))?.state).toBe('dead'));
    expect((await page('')).next).toBe(noticeId);
    // All of it is told, and it goes.
    await store.finishCall(courseOf(call).ended, true, Date.now());
    receiver.behaviour = takes;
    expect((await ask('shop', 'POST', `/v1/webhooks/${noticeId}/redeliver`)).statusCode).toBe(202);
    await eventually(async () => expect(await store.notices.get(noticeId)).toBeUndefined());
    expect(await page(`&after=${noticeId}`)).toMatchObject({
      status: 400,
      error: { code: 'invalid_request' },
    });
    expect((await page('')).webhooks).toMatchObject([{ id: older.noticeId }]);
  });

  it('are for those whose keys open them', async () => {
    for (const [method, url] of [
      ['GET', '/v1/webhooks/dead'],
      ['POST', '/v1/webhooks/ntc_a/redeliver'],
      ['POST', '/v1/webhooks/test'],
    ] as const) {
      expect((await ask(undefined, method, url)).statusCode).toBe(401);
      expect((await ask('desk', method, url)).statusCode).toBe(403);
    }
  });
});

describe('the test of a callback', () => {
  it('says what came back, and is signed', async () => {
    receiver.behaviour = takes;
    receiver.received.splice(0);
    const reply = await ask('shop', 'POST', '/v1/webhooks/test');
    expect(reply.json()).toEqual({ taken: true, status: 204, ms: expect.any(Number) as number, error: null });
    const [got] = receiver.received;
    expect(
      new Webhook(SECRET).verify(got?.body ?? '', (got?.headers ?? {}) as Record<string, string>),
    ).toMatchObject({ type: 'webhook.test', data: {} });
    receiver.behaviour = answers(302, { location: 'http://shop.test/' });
    expect((await ask('shop', 'POST', '/v1/webhooks/test')).json()).toMatchObject({
      taken: false,
      status: null,
      error: 'failed: http://shop.test redirects',
    });
    receiver.behaviour = answers(500);
    expect((await ask('shop', 'POST', '/v1/webhooks/test')).json()).toMatchObject({
      taken: false,
      status: 500,
    });
    receiver.behaviour = stalls;
    expect((await ask('shop', 'POST', '/v1/webhooks/test')).json()).toMatchObject({
      taken: false,
      status: null,
      error: expect.stringMatching(/^timeout/) as string,
    });
    expect((await ask('bank', 'POST', '/v1/webhooks/test')).statusCode).toBe(404);
  });
});
