import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VoiceServer } from '../../../src/lab/voice-server.ts';
import { eventually } from '../../support/eventually.ts';
import { DataTechLabsClient, TRUNKS, TTS_BODY, WAV_BODY } from './datatechlabs-client.ts';
import { serveRecordings, speechFrom } from './own-sounds.ts';
import type { ScriptedLeg } from './scripted-engine.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const CODE = '123456';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

let web: VoiceServer;
beforeAll(async () => {
  web = await serveRecordings(['your-code-is', '1', '2', '3', '4', '5', '6']);
});
afterAll(() => web.close());

let service: Service;
let client: DataTechLabsClient;
afterEach(() => service.close());

async function start(settings: Parameters<typeof startService>[0]): Promise<void> {
  service = await startService({ speech: speechFrom('server.domain.com', web), ...settings });
  client = new DataTechLabsClient(service);
}

/** A request with something in it changed, or left out where it is undefined. */
function changed(change: object): object {
  return { to: '12125551212', playlist: [{ play: `Your code is ${CODE}`, type: 'tts' }], ...change };
}

async function leg(): Promise<ScriptedLeg> {
  return eventually(() => {
    const last = service.engine.legs.at(-1);
    expect(last).toBeDefined();
    return last as ScriptedLeg;
  });
}

describe('POST /voice/call/play', () => {
  beforeEach(async () => {
    await start({ trunks: TRUNKS, verification: { sipTargets: ['pbx.example'] } });
  });

  it('takes the TTS body of the article', async () => {
    const { status: http, body } = await client.play(TTS_BODY);
    expect([service.tts.asked.length, service.engine.legs.length]).toEqual([0, 0]);
    expect(http).toBe(200);
    expect(body).toEqual({
      code: 0,
      status: 200,
      data: 'accepted',
      request_id: expect.stringMatching(UUID),
    });
    const { leg: dialled } = await leg();
    expect(dialled.requestUri).toBe('sip:+12125551212@sip.other.example');
    expect(dialled.from.uri).toContain('+12125550100');
    const item = { tts: 'Your code is 123456', locale: 'en-US', gender: 'female', sayAs: 'digits' };
    expect(await service.playlists()).toEqual([{ items: [item, item], repeat: 1, repeatPauseMs: 0 }]);
  });

  it('takes the body of the article with files', async () => {
    const { status: http, body } = await client.play(WAV_BODY);
    expect([http, body['data']]).toEqual([200, 'accepted']);
    await leg();
    const once = ['your-code-is', '1', '2', '3', '4', '5', '6'].map((name) => ({
      url: `http://server.domain.com/voices/${name}.wav`,
    }));
    expect(await service.playlists()).toEqual([{ items: [...once, ...once], repeat: 1, repeatPauseMs: 0 }]);
  });

  it.each([
    ['12125551212', '+12125551212'],
    ['+12125551212', '+12125551212'],
    ['0012125551212', '+12125551212'],
    [' 1 (212) 555-1212 ', '+12125551212'],
    ['sip:alice@pbx.example:5070', 'sip:alice@pbx.example:5070'],
  ])('calls %s', async (to, called) => {
    const { body } = await client.play(changed({ to }));
    expect(await client.status(body['request_id'])).toMatchObject({ to: called });
  });

  it.each([
    ['me', '+12125550100'],
    [undefined, '+12125550100'],
    ['12125550101', '+12125550101'],
    ['+12125550101', '+12125550101'],
    ['0012125550101', '+12125550101'],
  ])('from %s shows %s', async (from, shown) => {
    expect((await client.play(changed({ from, carrier_id: '74445609' }))).status).toBe(200);
    expect((await leg()).leg.from.uri).toContain(shown);
  });

  it.each([
    ['74445609', 'sip.other.example'],
    [74_445_609, 'sip.other.example'],
    ['', 'sip.carrier.example'],
    [undefined, 'sip.carrier.example'],
  ])('carrier_id %j goes to %s', async (carrier, host) => {
    expect((await client.play(changed({ carrier_id: carrier }))).status).toBe(200);
    expect((await leg()).leg.requestUri).toContain(host);
  });

  it('ignores options that it does not know, and those of a file', async () => {
    const options = { language: 'en-GB', codec: 'x', volume: { up: true } };
    const playlist = [
      { play: 'Hello', type: 'tts', options },
      { play: 'http://server.domain.com/voices/1.wav', options },
      { play: 'Bye', type: 'tts', options: {} },
    ];
    expect((await client.play(changed({ playlist }))).status).toBe(200);
    await leg();
    expect((await service.playlists())[0]?.items).toEqual([
      { tts: 'Hello', locale: 'en-GB' },
      { url: 'http://server.domain.com/voices/1.wav' },
      { tts: 'Bye' },
    ]);
  });

  it('gives the first answer again under an Idempotency-Key', async () => {
    const first = await client.play(TTS_BODY, { 'idempotency-key': 'k' });
    const again = await client.play(TTS_BODY, { 'idempotency-key': 'k' });
    expect(again.body).toEqual(first.body);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(await service.store.calls({ limit: 5 })).toHaveLength(1);
    expect((await client.play(WAV_BODY, { 'idempotency-key': 'k' })).body).toMatchObject({
      code: 1011,
      status: 422,
    });
  });

  const tts = { play: `Your code is ${CODE}`, type: 'tts' };
  it.each<[string, object | string, number, RegExp]>([
    ['an empty object', {}, 1001, /^body\.to: required/],
    ['JSON that is cut off', TTS_BODY.slice(0, 120), 1001, /^The body is not valid JSON\.$/],
    ['a list', [], 1001, /^body: expected object/],
    ['a number as a number', changed({ to: 12_125_551_212 }), 1001, /^body\.to: expected string/],
    ['no playlist', changed({ playlist: undefined }), 1001, /^body\.playlist: required/],
    ['an empty playlist', changed({ playlist: [] }), 1001, /^body\.playlist: /],
    ['101 items', changed({ playlist: Array.from({ length: 101 }, () => tts) }), 1001, /^body\.playlist: /],
    ['an item without play', changed({ playlist: [{ type: 'tts' }] }), 1001, /\.0\.play: required/],
    [
      'an unknown type',
      changed({ playlist: [{ ...tts, type: 'mp3' }] }),
      1001,
      /^body\.playlist\.0\.type: expected tts, or no type/,
    ],
    ['null as a type', changed({ playlist: [{ ...tts, type: null }] }), 1001, /^body\.playlist\.0\.type: /],
    ['an unknown key in an item', changed({ playlist: [{ ...tts, loop: 2 }] }), 1001, /not known: loop/],
    ['an unknown key', changed({ callback: 'x' }), 1001, /^body: has a key that is not known: callback/],
    [
      'a text of 1001 characters',
      changed({ playlist: [{ ...tts, play: CODE.padEnd(1001) }] }),
      1001,
      /^body\.playlist\.0\.play: .*1000/,
    ],
    [
      'a long URL',
      changed({ playlist: [{ play: `http://x/${CODE.padEnd(2048)}` }] }),
      1001,
      /^body\.playlist\.0\.play: .*2048/,
    ],
    ['an empty text', changed({ playlist: [{ ...tts, play: '' }] }), 1001, /^body\.playlist\.0\.play: /],
    [
      'another way to say it',
      changed({ playlist: [{ ...tts, options: { 'say-as': 'date' } }] }),
      1001,
      /^body\.playlist\.0\.options\.say-as: /,
    ],
    [
      'another gender',
      changed({ playlist: [{ ...tts, options: { gender: 'x' } }] }),
      1001,
      /^body\.playlist\.0\.options\.gender: /,
    ],
    [
      'a language by its name',
      changed({ playlist: [{ ...tts, options: { language: 'English' } }] }),
      1001,
      /^body\.playlist\.0\.options\.language: expected a locale/,
    ],
    [
      'a list as a carrier',
      changed({ carrier_id: [] }),
      1001,
      /^body\.carrier_id: expected the id of a trunk$/,
    ],
    ['a path as a carrier', changed({ carrier_id: '../x' }), 1001, /^body\.carrier_id: expected the id/],
    ['a negative carrier', changed({ carrier_id: -1 }), 1001, /^body\.carrier_id: /],
    ['two numbers as a caller', changed({ from: '1,2' }), 1001, /^body\.from: expected a number, or me/],
    ['a short number', changed({ to: '49' }), 1002, /E\.164/],
    ['a national number', changed({ to: '02125551212' }), 1002, /country code/],
    ['a foreign SIP host', changed({ to: 'sip:a@evil.example' }), 1003, /evil\.example/],
    [
      'a language that nobody speaks',
      changed({ playlist: [{ ...tts, options: { language: 'tlh' } }] }),
      1004,
      /speaks tlh/,
    ],
    ['51 items', changed({ playlist: Array.from({ length: 51 }, () => tts) }), 1005, /items/],
    ['an unknown carrier', changed({ carrier_id: 'nobody' }), 1006, /carrier/],
    ['a foreign caller', changed({ from: '12125559999' }), 1007, /calling number/],
  ])('refuses %s', async (_what, payload, code, message) => {
    const reply = await client.play(payload);
    expect([reply.status, reply.body]).toEqual([
      400,
      { code, status: 400, data: expect.stringMatching(message) },
    ]);
    expect(JSON.stringify(reply.body) + service.log()).not.toContain(CODE);
    expect(await service.store.calls({ limit: 1 })).toEqual([]);
  });

  it('says when calls cannot be carried, and when to come back', async () => {
    service.engine.lacks = ['drachtio'];
    const refused = await client.play(TTS_BODY);
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '5']);
    expect(refused.body).toMatchObject({
      code: 5003,
      status: 503,
      data: expect.stringContaining('drachtio'),
    });
    service.engine.lacks = [];
    void service.dialer.drain(new AbortController().signal);
    expect((await client.play(TTS_BODY)).body).toMatchObject({ code: 5002, status: 503 });
    await service.store.close();
    expect(
      (await client.ask('GET', `/voice/call/status/${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(12)}`)).body,
    ).toEqual({
      code: 5006,
      status: 503,
      data: 'The store cannot be reached.',
    });
  });

  it('says nothing of a fault of ours', async () => {
    service.breakWith(new TypeError('details'));
    expect((await client.play(TTS_BODY)).body).toEqual({
      code: 5001,
      status: 500,
      data: 'Something went wrong on our side.',
    });
    expect(service.log()).toContain('details');
    expect(service.log()).not.toContain(CODE);
  });
});

describe('a calling number', () => {
  beforeEach(async () => {
    await start({
      trunks: [
        { id: 'pbx', host: 'pbx.example', cli: '1000', allowedClis: ['12125550100'] },
        { id: 'carrier', host: 'sip.carrier.example', cli: '+12125550101', allowedClis: ['+1000'] },
      ],
    });
  });

  it.each([
    ['me', undefined, 'sip:1000@pbx.example'],
    ['1000', undefined, 'sip:1000@pbx.example'],
    ['1000', 'pbx', 'sip:1000@pbx.example'],
    ['12125550100', 'pbx', 'sip:12125550100@pbx.example'],
    ['1000', 'carrier', 'sip:+1000@sip.carrier.example'],
    ['12125550101', undefined, 'sip:+12125550101@sip.carrier.example'],
    ['0012125550101', undefined, 'sip:+12125550101@sip.carrier.example'],
  ])('%s by %s is shown as %s', async (from, carrier, shown) => {
    expect((await client.play(changed({ from, carrier_id: carrier }))).status).toBe(200);
    expect((await leg()).leg.from.uri).toBe(shown);
  });

  it.each([
    ['1001', undefined],
    ['+12125550100', undefined],
    ['12125550101', 'pbx'],
    ['12125550100', 'carrier'],
  ])('%s by %s is refused', async (from, carrier) => {
    const reply = await client.play(changed({ from, carrier_id: carrier }));
    expect([reply.status, reply.body]).toMatchObject([400, { code: 1007 }]);
  });
});

it('leaves nothing of a playlist in answers and in the log', async () => {
  await start({ trunks: TRUNKS });
  service.engine.script = (scripted) => scripted.ring().answer().finishPrompt();
  const ids = [(await client.play(TTS_BODY)).body, (await client.play(WAV_BODY)).body].map(
    (body) => body['request_id'],
  );
  const seen = await eventually(async () => {
    const all = await Promise.all(ids.map((id) => client.status(id)));
    expect(all.map(({ state }) => state)).toEqual(['ended', 'ended']);
    return JSON.stringify(all);
  });
  expect(seen + service.log()).not.toMatch(/123456|Your code|server\.domain|voices\//);
});
