import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import type { LabCall } from '../../../src/lab/carrier.ts';
import { Recogniser } from '../../../src/lab/recogniser.ts';
import type { Pcm } from '../../../src/media/pcm.ts';
import { parseWav } from '../../../src/media/wav.ts';
import { NotingWeb } from '../../support/app/noting-web.ts';
import { LAB_TRUNK, type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';

const HOST = 'rcml.shop.example';
const CODE = '482910';
const SAY = `<Response><Say voice="woman" language="en">Your code is ${[...CODE].join(' ')}</Say></Response>`;
const SHOP = createKey('shop', randomBytes);

let site: Site;
let web: NotingWeb;

beforeAll(async () => {
  web = await new NotingWeb().start();
  web.pages.set('/app.xml', { headers: { 'content-type': 'text/xml' }, body: SAY });
  web.pages.set('/long.xml', { body: '<Response><Pause length="60"/></Response>' });
  const internalHosts = [{ host: HOST, address: '127.0.0.1', port: web.port }];
  site = await startSite({
    fullSounds: true,
    settings: {
      api: { clients: [{ id: 'shop', keys: [{ hash: SHOP.hash }] }] },
      speech: {
        providers: [{ type: 'espeak', id: 'espeak' }],
        urls: { internalHosts },
      },
      webhooks: { internalHosts },
    },
  });
});

afterAll(async () => {
  const faults = site.faults();
  await site.close();
  await web.close();
  expect(faults).toEqual([]);
});

interface CallJson {
  readonly sid: string;
  readonly status: string;
  readonly duration: number | null;
  readonly ring_duration: number | null;
}

async function ask(
  method: string,
  path: string,
  fields?: Readonly<Record<string, string>>,
): Promise<CallJson> {
  const answer = await fetch(`${site.client.url}/restcomm/2012-04-24/Accounts/shop/Calls${path}`, {
    method,
    headers: { authorization: `Basic ${Buffer.from(` shop:${SHOP.key}`).toString('base64')}` },
    ...(fields === undefined ? {} : { body: new URLSearchParams(fields) }),
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as CallJson;
}

/** The call of the article, with another callee. */
function flashCall(to: string, change: Readonly<Record<string, string>> = {}): Promise<CallJson> {
  return ask('POST', '.json', {
    From: LAB_TRUNK.cli.slice(1),
    To: to,
    Url: `http://${HOST}/app.xml`,
    Timeout: '10',
    ...change,
  });
}

function becomes(sid: string, status: string, forMs?: number): Promise<CallJson> {
  return eventually(
    async () => {
      const call = await ask('GET', `/${sid}.json`);
      expect(call.status).toBe(status);
      return call;
    },
    forMs === undefined ? {} : { timeoutMs: forMs },
  );
}

/** What the phone heard, by the sounds that the service makes of these texts itself. */
async function said(call: LabCall, texts: readonly string[]): Promise<string[]> {
  const clips = new Map<string, Pcm>();
  for (const tts of texts) {
    const answer = await fetch(`${site.client.url}/v1/prompts/preview`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${SHOP.key}` },
      body: JSON.stringify({ playlist: [{ tts, sayAs: 'digits', locale: 'en', gender: 'female' }] }),
    });
    const { samples } = parseWav(new Uint8Array(await answer.arrayBuffer()));
    clips.set(tts, { sampleRate: 8000, samples: samples.slice(samples.findIndex((sample) => sample !== 0)) });
  }
  return new Recogniser(clips).recognise(call.phone.heard).items.map(({ clip }) => clip);
}

describe.concurrent('the flash call of the article', () => {
  it('rings for ten seconds, is canceled then, and was not answered', async () => {
    const to = '+447911120180';
    const { sid, status } = await flashCall(to.slice(1));
    expect(status).toBe('queued');
    await becomes(sid, 'ringing');
    const rang = await site.phone(to);
    const ended = await becomes(sid, 'no-answer', 15_000);
    expect(ended).toMatchObject({ duration: 0, ring_duration: expect.any(Number) });
    expect(rang.phone.heard.samples).toHaveLength(0);
    const ofCall = site.wire.filter(({ text }) => text.includes(to));
    const rung = ofCall.find(({ text }) => text.startsWith('SIP/2.0 180 '));
    const canceled = ofCall.filter(({ text }) => text.startsWith('CANCEL '));
    expect(canceled).toHaveLength(1);
    const rangMs = (canceled[0]?.at ?? 0) - (rung?.at ?? 0);
    expect(rangMs).toBeGreaterThan(9000);
    expect(rangMs).toBeLessThan(11_000);
  });

  it('says the document where somebody answers', async () => {
    const to = '+447911121200';
    const { sid } = await flashCall(to.slice(1));
    await becomes(sid, 'completed', 20_000);
    expect(await said(await site.phone(to), ['Your code is', ...'0123456789'])).toEqual([
      'Your code is',
      ...CODE,
    ]);
    expect(site.log()).not.toContain(CODE);
  });
});

describe.concurrent('a call that is under way', () => {
  it('is canceled while it rings', async () => {
    const { sid } = await flashCall('447911122180', { Timeout: '60' });
    await becomes(sid, 'ringing');
    await ask('POST', `/${sid}.json`, { Status: 'canceled' });
    expect(await becomes(sid, 'canceled')).toMatchObject({ duration: 0 });
  });

  it('is hung up when it was answered', async () => {
    const { sid } = await flashCall('447911123200', { Url: `http://${HOST}/long.xml` });
    await becomes(sid, 'in-progress');
    await ask('POST', `/${sid}.json`, { Status: 'completed' });
    expect(await becomes(sid, 'completed')).toMatchObject({ duration: expect.any(Number) });
  });
});

describe.concurrent('status callbacks', () => {
  /** Those that came for a call, as they came. */
  const told = (sid: string) =>
    web.requests.filter(({ fields }) => fields['SequenceNumber'] !== undefined && fields['CallSid'] === sid);
  const StatusCallback = `http://${HOST}/told?shop=1`;

  it('come in order, each with the status of its moment', async () => {
    web.pages.set('/told', { status: 204 });
    const { sid } = await flashCall('447911124200', {
      StatusCallback,
      StatusCallbackEvent: 'initiated ringing,answered, completed',
    });
    await becomes(sid, 'completed', 20_000);
    await eventually(() => expect(told(sid)).toHaveLength(4));
    expect(
      told(sid).map(({ method, fields }) => [method, fields['SequenceNumber'], fields['CallStatus']]),
    ).toEqual([
      ['POST', '0', 'initiated'],
      ['POST', '1', 'ringing'],
      ['POST', '2', 'in-progress'],
      ['POST', '3', 'completed'],
    ]);
    for (const { fields } of told(sid)) {
      expect(fields).toMatchObject({
        shop: '1',
        AccountSid: 'shop',
        From: LAB_TRUNK.cli,
        To: '+447911124200',
        CallbackSource: 'call-progress-events',
        Timestamp: expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000$/),
      });
    }
    expect(Number(told(sid)[3]?.fields['CallDuration'])).toBeGreaterThan(0);
  });

  it('are of the end only, where none are asked for, and may be GET', async () => {
    web.pages.set('/told', { status: 204 });
    const { sid } = await flashCall('447911125486', { StatusCallback, StatusCallbackMethod: 'GET' });
    await eventually(() => expect(told(sid)).toHaveLength(1));
    expect(told(sid)).toMatchObject([
      { method: 'GET', fields: { shop: '1', CallStatus: 'busy', SequenceNumber: '0', CallDuration: '0' } },
    ]);
  });
});
