import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VoiceServer } from '../../../src/lab/voice-server.ts';
import { eventually } from '../../support/eventually.ts';
import { CallsClient } from './calls-client.ts';
import { OwnSounds, serveRecordings, speechFrom } from './own-sounds.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const TO = '+4930123456';
const TRUNKS = [
  { id: 'carrier', host: 'sip.carrier.example', cli: '+493098765432' },
  { id: '74445609', host: 'sip.other.example', cli: '+12125550100', allowedClis: ['+12125550101'] },
];
/** Nothing of these may be seen anywhere but in the prompt. */
const CODE = '482913';
const TEXT = `Your code is ${CODE}, dear Anneliese`;
const NAME_OF_CODE = `secret-path/${CODE}.wav?token=Anneliese`;
const URL_OF_CODE = urlOf(NAME_OF_CODE);
const LONG_FILE = 'x'.repeat(200);
const LONG_NAME = 'x'.repeat(2048 - urlOf('').length);

function urlOf(name: string): string {
  return `http://files.example/voices/${name}.wav`;
}

let sounds: OwnSounds;
let web: VoiceServer;
beforeAll(async () => {
  sounds = await OwnSounds.create();
  await sounds.add(LONG_FILE);
  web = await serveRecordings([NAME_OF_CODE, LONG_NAME]);
});
afterAll(async () => {
  await web.close();
  await sounds.close();
});

let service: Service;
let client: CallsClient;
beforeEach(async () => {
  service = await startService({
    trunks: TRUNKS,
    verification: { sipTargets: ['pbx.example'] },
    sounds: { folder: sounds.folder },
    speech: speechFrom('files.example', web),
  });
  client = new CallsClient(service);
});
afterEach(() => service.close());

/** A request with one item. */
function saying(item: unknown): object {
  return { to: TO, playlist: [item] };
}

describe('POST /v1/calls', () => {
  it('answers 201 with the call, before anything is prepared or dialled', async () => {
    const { statusCode, headers, body } = await service.api.inject({
      method: 'POST',
      url: '/v1/calls',
      payload: { to: '+49 30 123-456', playlist: [{ tts: TEXT }] },
    });
    expect([service.tts.asked.length, service.engine.legs.length]).toEqual([0, 0]);
    expect(statusCode).toBe(201);
    const call = JSON.parse(body) as Record<string, unknown>;
    expect(call).toEqual({
      id: expect.stringMatching(/^call_/),
      verificationId: null,
      to: TO,
      reference: null,
      carrierId: null,
      prompt: null,
      state: 'queued',
      disposition: null,
      blame: null,
      sipStatus: null,
      sipReason: null,
      q850: null,
      hungUpBy: null,
      promptFinished: false,
      durations: { pddMs: null, ringMs: null, talkMs: null },
      createdAt: expect.any(String),
      endedAt: null,
      attempts: [],
      timeline: [{ index: 0, at: call['createdAt'], attempt: 0, type: 'queued', detail: {} }],
    });
    expect(headers['location']).toBe(`/v1/calls/${String(call['id'])}`);
    expect((await service.api.inject(String(headers['location']))).json()).toMatchObject({ id: call['id'] });
    expect((await client.leg()).leg.requestUri).toBe('sip:+4930123456@sip.carrier.example');
    expect(await service.playlists()).toEqual([{ items: [{ tts: TEXT }], repeat: 1, repeatPauseMs: 1000 }]);
  });

  it('takes every option and every kind of item', async () => {
    const voice = { locale: 'en-GB', voice: 'en-gb+f3', gender: 'female', speed: 0.8 };
    const playlist = [
      { file: 'en-US/slt/greeting' },
      { pauseMs: 300 },
      { tts: TEXT, sayAs: 'pairs', ...voice },
      { url: URL_OF_CODE },
      { digits: 'a1B2', sayAs: 'nato', digitPauseMs: 500, ...voice },
    ];
    const { status, body } = await client.post({
      to: 'sip:alice@pbx.example',
      from: '+12125550101',
      carrierId: '74445609',
      playlist,
      repeat: 2,
      repeatPauseMs: 700,
      ringTimeoutSeconds: 25,
      reference: 'order 7 – été',
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      to: 'sip:alice@pbx.example',
      carrierId: '74445609',
      reference: 'order 7 – été',
    });
    const scripted = await client.leg();
    expect(await service.playlists()).toEqual([{ items: playlist, repeat: 2, repeatPauseMs: 700 }]);
    const { asked } = service.tts;
    // What the provider speaks of English.
    const wish = { locale: 'en-US', voice: 'en-gb+f3', gender: 'female', speed: 0.8 };
    expect(asked).toEqual(asked.map(({ text }) => ({ text, ...wish })));
    expect(scripted.leg.from.uri).toContain('+12125550101');
    expect(scripted.leg.timeouts.ringMs).toBe(25_000);
    scripted.ring().answer().finishPrompt();
    expect(await client.ended(body['id'])).toMatchObject({
      reference: 'order 7 – été',
      carrierId: '74445609',
      disposition: 'answered',
      promptFinished: true,
      prompt: {
        locale: 'en-US',
        voices: ['tts tone é en-US'],
        fallback: 'none',
        synthesised: expect.any(Number),
        fetched: 1,
      },
      attempts: [{ trunkId: '74445609', cli: '+12125550101' }],
    });
  });

  it.each(['me', undefined])('shows the number of the trunk for %s', async (from) => {
    await client.post({ to: TO, playlist: [{ pauseMs: 1 }], carrierId: '74445609', ...(from && { from }) });
    expect((await client.leg()).leg.from.uri).toContain('+12125550100');
  });

  it('is followed and hung up like any other call', async () => {
    const { body } = await client.post(saying({ tts: TEXT }));
    (await client.leg()).ring();
    await eventually(async () => expect((await client.read(body['id']))['state']).toBe('ringing'));
    const url = `/v1/calls/${String(body['id'])}`;
    expect((await service.api.inject({ method: 'DELETE', url })).statusCode).toBe(202);
    expect(await client.ended(body['id'])).toMatchObject({ disposition: 'canceled' });
    const events = (await service.api.inject(`${url}/events`)).body;
    expect(events.match(/^event: .*/gm)).toEqual([
      'event: queued',
      'event: prepared',
      'event: trying',
      'event: ringing',
      'event: ended',
      'event: ended',
    ]);
    const page = (await service.api.inject('/v1/calls')).json<{ calls: object[] }>();
    const synthesised = service.tts.asked.length;
    expect(synthesised).toBeGreaterThan(0);
    expect(page.calls).toMatchObject([{ id: body['id'], verificationId: null, prompt: { synthesised } }]);
  });

  it('does not dial what cannot be played, and says why', async () => {
    const { body } = await client.post(saying({ url: urlOf('missing') }));
    const call = await client.ended(body['id']);
    expect(call).toMatchObject({ disposition: 'prompt_failed', prompt: null, attempts: [] });
    expect(call['timeline']).toMatchObject([
      { type: 'queued' },
      {
        type: 'prompt_failed',
        detail: { fault: 'url_failed', message: 'item 1: http://files.example answered with status 404' },
      },
      { type: 'ended' },
    ]);
    expect(service.engine.legs).toEqual([]);
    const metrics = (await service.api.inject('/metrics')).body;
    expect(metrics).toContain('voice_otp_calls_total{disposition="prompt_failed"} 1');
    // It has no verification that could have failed.
    expect(metrics).not.toContain('voice_otp_verifications_ended_total{status="failed"}');
  });

  it('says when all lines are in use, and when calls cannot be carried', async () => {
    service.engine.lacks = ['drachtio'];
    expect((await client.post(saying({ tts: TEXT }))).body).toMatchObject({
      error: { code: 'engine_unavailable' },
    });
    service.engine.lacks = [];
    void service.dialer.drain(new AbortController().signal);
    const refused = await client.post(saying({ tts: TEXT }));
    expect([refused.status, refused.body]).toMatchObject([503, { error: { code: 'capacity' } }]);
    expect(await service.store.calls({ limit: 1 })).toEqual([]);
  });
});

const EXPECTED_KIND = /^body\.playlist\.0: expected one of tts, file, url, digits, pauseMs$/;

describe('a request', () => {
  it.each<[string, object | undefined, RegExp]>([
    ['without a body', undefined, /^body: required/],
    ['without a number', { playlist: [{ pauseMs: 1 }] }, /^body\.to: required/],
    ['without a playlist', { to: TO }, /^body\.playlist: required/],
    ['whose playlist is a text', { to: TO, playlist: TEXT }, /^body\.playlist: expected array/],
    ['whose playlist is empty', { to: TO, playlist: [] }, /^body\.playlist: Too small/],
    [
      'with 101 items',
      { to: TO, playlist: Array.from({ length: 101 }, () => ({ pauseMs: 1 })) },
      /^body\.playlist: Too big/,
    ],
    ['with a mistyped key', { ...saying({ tts: TEXT }), repeats: 2 }, /not known: repeats$/],
    [
      'with a code of its own',
      { ...saying({ tts: TEXT }), [CODE]: 2 },
      /^body: has a key that is not known$/,
    ],
    ['that is said never', { ...saying({ tts: TEXT }), repeat: 0 }, /^body\.repeat: /],
    ['that is said six times', { ...saying({ tts: TEXT }), repeat: 6 }, /^body\.repeat: /],
    ['that is said one and a half times', { ...saying({ tts: TEXT }), repeat: 1.5 }, /^body\.repeat: /],
    ['with a long pause', { ...saying({ tts: TEXT }), repeatPauseMs: 10_001 }, /^body\.repeatPauseMs: /],
    ['that rings for no time', { ...saying({ tts: TEXT }), ringTimeoutSeconds: 0 }, /^body\.ringTimeout/],
    ['that rings too long', { ...saying({ tts: TEXT }), ringTimeoutSeconds: 181 }, /^body\.ringTimeout/],
    [
      'with a line break in its reference',
      { ...saying({ tts: TEXT }), reference: 'a\nb' },
      /^body\.reference: /,
    ],
    ['from two numbers', { ...saying({ tts: TEXT }), from: '+1,+2' }, /^body\.from: /],
    ['by no name of a trunk', { ...saying({ tts: TEXT }), carrierId: '../x' }, /^body\.carrierId: /],
    ['by a number of a trunk', { ...saying({ tts: TEXT }), carrierId: 74445609 }, /^body\.carrierId: /],
    ['with an empty item', saying({}), EXPECTED_KIND],
    ['with a text as an item', saying(TEXT), EXPECTED_KIND],
    ['with nothing as an item', saying(null), EXPECTED_KIND],
    ['with an item of two kinds', saying({ tts: TEXT, digits: CODE }), EXPECTED_KIND],
    ['with an item of no kind', saying({ gender: 'female' }), EXPECTED_KIND],
    ['with an unknown kind of item', saying({ clip: TEXT }), EXPECTED_KIND],
    ['with an unknown key in an item', saying({ tts: TEXT, volume: 3 }), /\.0: .* not known: volume$/],
    ['with a pace for a file', saying({ file: 'a', speed: 1 }), /\.0: .* not known: speed$/],
    ['with a number as a text', saying({ tts: 482913 }), /^body\.playlist\.0\.tts: expected string/],
    ['with an empty text', saying({ tts: '' }), /^body\.playlist\.0\.tts: /],
    ['with 1001 characters', saying({ tts: CODE.padEnd(1001) }), /^body\.playlist\.0\.tts: .*1000/],
    ['with a long file name', saying({ file: CODE.padEnd(201, 'x') }), /^body\.playlist\.0\.file: /],
    ['with a line break in a file name', saying({ file: `${CODE}\n` }), /^body\.playlist\.0\.file: /],
    ['with a long URL', saying({ url: URL_OF_CODE.padEnd(2049, 'x') }), /^body\.playlist\.0\.url: .*2048/],
    ['with an empty URL', saying({ url: '' }), /^body\.playlist\.0\.url: /],
    ['with no digits', saying({ digits: '' }), /^body\.playlist\.0\.digits: expected 1 to 32/],
    ['with 33 digits', saying({ digits: CODE.padEnd(33, '0') }), /^body\.playlist\.0\.digits: /],
    ['with a blank between digits', saying({ digits: '482 913' }), /^body\.playlist\.0\.digits: /],
    ['with digits of another script', saying({ digits: '٤٨٢٩' }), /^body\.playlist\.0\.digits: /],
    ['with a negative pause', saying({ pauseMs: -1 }), /^body\.playlist\.0\.pauseMs: /],
    ['with a pause of eleven seconds', saying({ pauseMs: 10_001 }), /^body\.playlist\.0\.pauseMs: /],
    ['with half a millisecond', saying({ pauseMs: 0.5 }), /^body\.playlist\.0\.pauseMs: /],
    ['with a long pause of digits', saying({ digits: CODE, digitPauseMs: 10_001 }), /\.0\.digitPauseMs: /],
    ['that is too slow', saying({ tts: TEXT, speed: 0.49 }), /^body\.playlist\.0\.speed: /],
    ['that is too fast', saying({ tts: TEXT, speed: 2.01 }), /^body\.playlist\.0\.speed: /],
    ['with an option as a voice', saying({ tts: TEXT, voice: '-w/tmp/x' }), /^body\.playlist\.0\.voice: /],
    ['with a path as a voice', saying({ tts: TEXT, voice: '../x' }), /^body\.playlist\.0\.voice: /],
    ['with a long voice', saying({ tts: TEXT, voice: 'x'.repeat(65) }), /^body\.playlist\.0\.voice: /],
    ['with another gender', saying({ tts: TEXT, gender: 'x' }), /^body\.playlist\.0\.gender: /],
    ['said in another way', saying({ digits: CODE, sayAs: 'x' }), /^body\.playlist\.0\.sayAs: /],
    [
      'with no locale',
      saying({ tts: TEXT, locale: 'English' }),
      /^body\.playlist\.0\.locale: expected a locale/,
    ],
  ])('%s is refused', async (_what, body, message) => {
    const reply = await client.post(body);
    expect(reply.body).toEqual({
      error: {
        code: 'invalid_request',
        message: expect.stringMatching(message),
        requestId: reply.headers['x-request-id'],
      },
    });
    expect(reply.status).toBe(400);
    expect(JSON.stringify(reply.body)).not.toMatch(/482 ?913|Anneliese|secret-path/);
    expect(await service.store.calls({ limit: 1 })).toEqual([]);
  });

  it.each<[string, object]>([
    ['the longest text', { tts: 'x'.repeat(1000) }],
    ['a text with markup and controls', { tts: '<break/> $(reboot) \u0000 "\'' }],
    ['the longest URL', { url: urlOf(LONG_NAME) }],
    ['one digit', { digits: '0' }],
    ['32 of them', { digits: '0'.repeat(32) }],
    ['no pause', { pauseMs: 0 }],
    ['the longest pause', { pauseMs: 10_000 }],
    ['the slowest', { tts: TEXT, speed: 0.5 }],
    ['the fastest', { tts: TEXT, speed: 2 }],
    ['the longest name of a voice', { tts: TEXT, voice: 'x'.repeat(64) }],
    ['the longest file name', { file: LONG_FILE }],
  ])('with %s is taken', async (_what, item) => {
    expect((await client.post(saying(item))).status).toBe(201);
    await client.leg();
    expect(await service.playlists()).toMatchObject([{ items: [item] }]);
  });

  it.each<[string, object, string]>([
    ['to no number', { to: '+49', playlist: [{ tts: TEXT }] }, 'invalid_number'],
    ['to another SIP host', { to: 'sip:a@evil.example', playlist: [{ tts: TEXT }] }, 'target_not_allowed'],
    ['by an unknown trunk', { ...saying({ tts: TEXT }), carrierId: 'nobody' }, 'unknown_carrier'],
    ['from a foreign number', { ...saying({ tts: TEXT }), from: '+4930999999' }, 'cli_not_allowed'],
    [
      'from the number of another trunk',
      { ...saying({ tts: TEXT }), from: '+12125550101', carrierId: 'carrier' },
      'cli_not_allowed',
    ],
    [
      'with more items than are configured',
      { to: TO, playlist: Array.from({ length: 51 }, () => ({ tts: TEXT })) },
      'invalid_playlist',
    ],
    ['in a language that nobody speaks', saying({ tts: TEXT, locale: 'tlh' }), 'unsupported_locale'],
  ])('%s is refused by the service', async (_what, body, code) => {
    const reply = await client.post(body);
    expect([reply.status, reply.body]).toMatchObject([400, { error: { code } }]);
    expect(JSON.stringify(reply.body)).not.toMatch(/482913|Anneliese/);
    expect(await service.store.calls({ limit: 1 })).toEqual([]);
    expect(service.dialer.active()).toBe(0);
  });
});
