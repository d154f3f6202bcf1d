import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { DataTechLabsClient, TRUNKS, TTS_BODY, WAV_BODY } from './datatechlabs-client.ts';
import type { ScriptedLeg } from './scripted-engine.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

let service: Service;
let client: DataTechLabsClient;
afterEach(() => service.close());

async function start(settings: Parameters<typeof startService>[0]): Promise<void> {
  service = await startService(settings);
  client = new DataTechLabsClient(service);
}

async function leg(): Promise<ScriptedLeg> {
  return eventually(() => {
    const last = service.engine.legs.at(-1);
    expect(last).toBeDefined();
    return last as ScriptedLeg;
  });
}

describe('GET /voice/call/status/{request_id}', () => {
  beforeEach(async () => {
    await start({ trunks: TRUNKS });
  });

  it('follows a call through its life', async () => {
    const { request_id: id } = (await client.play(TTS_BODY)).body;
    const first = await client.status(id);
    expect(first).toEqual({
      request_id: id,
      state: expect.stringMatching(/^(queued|dialing)$/),
      disposition: null,
      to: '+12125551212',
      from: first['state'] === 'queued' ? null : '+12125550100',
      carrier_id: '74445609',
      created: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      answered: null,
      ended: null,
      duration: null,
      sip_status: null,
      prompt_finished: false,
      prompt_fault: null,
    });
    const scripted = await leg();
    scripted.ring();
    await eventually(async () => expect(await client.status(id)).toMatchObject({ state: 'ringing' }));
    scripted.answer();
    await eventually(async () => {
      expect(await client.status(id)).toMatchObject({
        state: 'answered',
        from: '+12125550100',
        answered: expect.any(String),
        duration: null,
      });
    });
    scripted.finishPrompt();
    const last = await eventually(async () => {
      const now = await client.status(id);
      expect(now['state']).toBe('ended');
      return now;
    });
    expect(last).toMatchObject({ disposition: 'answered', prompt_finished: true, ended: expect.any(String) });
    const { answered, ended, duration } = last;
    expect(duration).toBe((Date.parse(String(ended)) - Date.parse(String(answered))) / 1000);
  });

  it('tells how the network refused it', async () => {
    const { request_id: id } = (await client.play(TTS_BODY)).body;
    (await leg()).end({ kind: 'rejected', sip: { status: 486, reason: 'Busy Here', q850: 17 } });
    await eventually(async () => {
      expect(await client.status(id)).toMatchObject({
        state: 'ended',
        disposition: 'busy',
        sip_status: 486,
        answered: null,
        duration: null,
      });
    });
  });

  it('tells why a playlist could not be played', async () => {
    // The host of its files is no public one here.
    const { request_id: id } = (await client.play(WAV_BODY)).body;
    await eventually(async () => {
      expect(await client.status(id)).toMatchObject({
        state: 'ended',
        disposition: 'prompt_failed',
        prompt_fault: 'url_refused',
        carrier_id: '74445609',
      });
    });
    expect(service.engine.legs).toEqual([]);
  });

  it('knows a call by the digits of its id, in either case', async () => {
    const reply = await service.api.inject({
      method: 'POST',
      url: '/v1/calls',
      payload: { to: '+12125551212', playlist: [{ pauseMs: 1 }] },
    });
    const { id } = reply.json<{ id: string }>();
    const [, a, b, c, d, e] = /^call_(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(id) ?? [];
    const requestId = [a, b, c, d, e].join('-');
    expect(await client.status(requestId)).toMatchObject({ request_id: requestId });
    expect(await client.status(requestId.toUpperCase())).toMatchObject({ request_id: requestId });
    const { request_id: other } = (await client.play(TTS_BODY)).body;
    const call = await service.api.inject(`/v1/calls/call_${String(other).replaceAll('-', '')}`);
    expect([call.statusCode, call.json()]).toMatchObject([200, { to: '+12125551212' }]);
  });

  it.each([
    ['01234567-89ab-cdef-0123-456789abcdef', 404, 3001],
    ['0123456789abcdef0123456789abcdef', 400, 1001],
    ['call_0123', 400, 1001],
    ['..%2fx', 400, 1001],
    ['x'.repeat(200), 404, 3001],
  ])('%s: %i', async (id, http, code) => {
    const reply = await client.ask('GET', `/voice/call/status/${id}`);
    expect([reply.status, reply.body]).toEqual([
      http,
      { code, status: http, data: expect.stringMatching(/./) },
    ]);
  });
});

describe('GET /status/carrier/{id}', () => {
  beforeEach(async () => {
    await start({ trunks: TRUNKS });
  });

  it('tells whether calls can be carried', async () => {
    const carrier = async () => (await client.ask('GET', '/status/carrier/74445609')).body;
    expect(await carrier()).toEqual({
      code: 0,
      status: 200,
      data: { id: '74445609', known: true, available: true },
    });
    service.engine.lacks = ['drachtio'];
    expect(await carrier()).toMatchObject({ data: { known: true, available: false } });
    service.engine.lacks = [];
    void service.dialer.drain(new AbortController().signal);
    expect(await carrier()).toMatchObject({ data: { known: true, available: false } });
  });

  it.each([
    ['nobody', 404, 3001],
    ['Carrier', 404, 3001],
    ['a%20b', 400, 1001],
  ])('%s: %i', async (id, http, code) => {
    expect((await client.ask('GET', `/status/carrier/${id}`)).body).toMatchObject({ code, status: http });
  });
});
