import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import { findCodes } from '../../support/app/canary.ts';
import type { Json } from '../../support/app/client.ts';
import { type Served, serve } from '../../support/app/process.ts';
import { shortSounds } from '../../support/app/short-sounds.ts';
import { LAB_TRUNK, type Settings, testSettings } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startCarrier } from '../../support/lab.ts';
import { SECRET } from '../../support/notice-rig.ts';
import { type Received, WebhookReceiver } from '../../support/webhook-receiver.ts';

const shop = createKey('shop', randomBytes);
/** So long that no time, id or count is it by chance. */
const CODE = '7391846205';
const BEARER = { authorization: `Bearer ${shop.key}` };

let folder: string;
let sounds: string;
let carrier: LabCarrier;
let port: number;
let settings: Settings;
const running: Served[] = [];
const receivers: WebhookReceiver[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-told-'));
  sounds = await shortSounds();
  ({ carrier } = await startCarrier());
  port = await freePorts(1);
  const defaults = testSettings(folder);
  settings = {
    ...defaults,
    api: {
      ...defaults.api,
      clients: [
        {
          id: 'shop',
          keys: [{ hash: shop.hash }],
          callback: { url: 'http://shop.test/told', secret: SECRET },
        },
      ],
    },
    webhooks: {
      internalHosts: [{ host: 'shop.test', address: '127.0.0.1', port }],
      timeoutMs: 1000,
      firstPauseMs: 50,
      longestPauseMs: 200,
      lookMs: 50,
    },
    log: { level: 'info' },
    sounds: { folder: sounds },
    trunks: [{ ...LAB_TRUNK, port: carrier.port }],
  };
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((served) => served.kill()));
  await Promise.all(receivers.splice(0).map((receiver) => receiver.stop()));
  await carrier.close();
  for (const one of [folder, sounds]) await rm(one, { recursive: true, force: true });
});

async function start(): Promise<Served> {
  const served = await serve(folder, settings);
  running.push(served);
  return served;
}

async function receive(): Promise<WebhookReceiver> {
  const receiver = await WebhookReceiver.start(undefined, port);
  receivers.push(receiver);
  return receiver;
}

interface Told {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly verificationId: string; readonly index?: number };
}

function verified({ body, headers }: Received): Told {
  return new Webhook(SECRET).verify(body, headers as Record<string, string>) as Told;
}

async function verification({ client }: Served, to: string, more = {}): Promise<Json> {
  const { status, body } = await client.ask('POST', '/v1/verifications', { to, ...more }, BEARER);
  expect(status).toBe(201);
  return body;
}

it('what was accepted is told although the service was killed and the receiver was away', {
  timeout: 60_000,
}, async () => {
  const first = await start();
  const asked = await Promise.all(
    ['200', '486', '300'].map((suffix) => verification(first, `+442079460${suffix}`)),
  );
  await first.kill();
  const receiver = await receive();
  await start();
  await eventually(
    () => {
      const told = receiver.received.map(verified);
      for (const { id } of asked) {
        const types = told.filter(({ data }) => data.verificationId === id).map(({ type }) => type);
        expect(types).toContain('call.ended');
      }
    },
    { timeoutMs: 20_000 },
  );
  const told = receiver.received.map(verified);
  expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
  for (const { id } of asked) {
    const own = told.filter(({ data }) => data.verificationId === id);
    expect(own.slice(0, 2).map(({ type }) => type)).toEqual(['verification.created', 'call.queued']);
    const places = own.flatMap(({ data }) => data.index ?? []);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  }
});

it('a call is told of while it goes on, and its verification when it ends', { timeout: 60_000 }, async () => {
  const receiver = await receive();
  const served = await start();
  const asked = await verification(served, '+442079460200', { code: CODE });
  const types = (): readonly string[] => receiver.received.map((one) => verified(one).type);
  await eventually(() => expect(types()).toContain('call.answered'), { timeoutMs: 10_000 });
  const check = `/v1/verifications/${asked.id}/check`;
  expect((await served.client.ask('POST', check, { code: CODE }, BEARER)).body.approved).toBe(true);
  await eventually(() => expect(types()).toContain('verification.approved'));
  expect((await served.client.ask('DELETE', `/v1/calls/${asked.callId}`, undefined, BEARER)).status).toBe(
    202,
  );
  await eventually(() => expect(types()).toContain('call.ended'), { timeoutMs: 10_000 });
  expect(types().slice(0, 5)).toEqual([
    'verification.created',
    'call.queued',
    'call.trying',
    'call.ringing',
    'call.answered',
  ]);
  expect(types().filter((type) => type.startsWith('verification.'))).toHaveLength(2);
  const metrics = (await served.client.ask('GET', '/metrics', undefined, BEARER)).text;
  expect(metrics).toContain(`voice_otp_webhook_events_total{result="delivered"} ${receiver.received.length}`);
  expect(metrics).toContain('voice_otp_webhooks{state="dead"} 0');
  const sent = receiver.received.map((one, index) => ({
    name: `event ${index}`,
    bytes: Buffer.from(JSON.stringify(one)),
  }));
  expect(findCodes(sent, [CODE])).toEqual([]);
});
