import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PromptError } from '../../../src/prompt/prompt-error.ts';
import { eventually } from '../../support/eventually.ts';
import type { ScriptedLeg } from './scripted-engine.ts';
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
const URL_OF_CODE = `https://files.example/secret-path/${CODE}.wav?token=Anneliese`;

let service: Service;
beforeEach(async () => {
  service = await startService({ trunks: TRUNKS, verification: { sipTargets: ['pbx.example'] } });
});
afterEach(() => service.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

async function post(body: object | undefined, headers: Record<string, string> = {}): Promise<Answer> {
  const reply = await service.api.inject({
    method: 'POST',
    url: '/v1/calls',
    headers,
    ...(body === undefined ? {} : { payload: body }),
  });
  return { status: reply.statusCode, headers: reply.headers, body: reply.json<Record<string, unknown>>() };
}

async function read(callId: unknown): Promise<Record<string, unknown>> {
  return (await service.api.inject(`/v1/calls/${String(callId)}`)).json<Record<string, unknown>>();
}

async function ended(callId: unknown): Promise<Record<string, unknown>> {
  return eventually(async () => {
    const call = await read(callId);
    expect(call['state']).toBe('ended');
    return call;
  });
}

async function leg(): Promise<ScriptedLeg> {
  return eventually(() => {
    const [first] = service.engine.legs;
    expect(first).toBeDefined();
    return first as ScriptedLeg;
  });
}

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
    expect([service.prompter.playlists.length, service.engine.legs.length]).toEqual([0, 0]);
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
    expect((await leg()).leg.requestUri).toBe('sip:+4930123456@sip.carrier.example');
    expect(service.prompter.playlists).toEqual([{ items: [{ tts: TEXT }], repeat: 1, repeatPauseMs: 1000 }]);
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
    const { status, body } = await post({
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
    const scripted = await leg();
    expect(service.prompter.playlists).toEqual([{ items: playlist, repeat: 2, repeatPauseMs: 700 }]);
    expect(scripted.leg.from.uri).toContain('+12125550101');
    expect(scripted.leg.timeouts.ringMs).toBe(25_000);
    scripted.ring().answer().finishPrompt();
    expect(await ended(body['id'])).toMatchObject({
      reference: 'order 7 – été',
      carrierId: '74445609',
      disposition: 'answered',
      promptFinished: true,
      prompt: { locale: 'en-US', voices: ['tone é'], fallback: 'none', synthesised: 1, fetched: 1 },
      attempts: [{ trunkId: '74445609', cli: '+12125550101' }],
    });
  });

  it.each(['me', undefined])('shows the number of the trunk for %s', async (from) => {
    await post({ to: TO, playlist: [{ pauseMs: 1 }], carrierId: '74445609', ...(from && { from }) });
    expect((await leg()).leg.from.uri).toContain('+12125550100');
  });

  it('is followed and hung up like any other call', async () => {
    const { body } = await post(saying({ tts: TEXT }));
    (await leg()).ring();
    await eventually(async () => expect((await read(body['id']))['state']).toBe('ringing'));
    const url = `/v1/calls/${String(body['id'])}`;
    expect((await service.api.inject({ method: 'DELETE', url })).statusCode).toBe(202);
    expect(await ended(body['id'])).toMatchObject({ disposition: 'canceled' });
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
    expect(page.calls).toMatchObject([{ id: body['id'], verificationId: null, prompt: { synthesised: 1 } }]);
  });

  it('does not dial what cannot be played, and says why', async () => {
    service.prompter.fault = new PromptError('url_failed', 'item 1: files.example answered 404');
    const { body } = await post(saying({ url: URL_OF_CODE }));
    const call = await ended(body['id']);
    expect(call).toMatchObject({ disposition: 'prompt_failed', prompt: null, attempts: [] });
    expect(call['timeline']).toMatchObject([
      { type: 'queued' },
      {
        type: 'prompt_failed',
        detail: { fault: 'url_failed', message: 'item 1: files.example answered 404' },
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
    expect((await post(saying({ tts: TEXT }))).body).toMatchObject({ error: { code: 'engine_unavailable' } });
    service.engine.lacks = [];
    void service.dialer.drain(new AbortController().signal);
    const refused = await post(saying({ tts: TEXT }));
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
    const reply = await post(body);
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
    ['the longest URL', { url: 'https://files.example/'.padEnd(2048, 'x') }],
    ['one digit', { digits: '0' }],
    ['32 of them', { digits: '0'.repeat(32) }],
    ['no pause', { pauseMs: 0 }],
    ['the longest pause', { pauseMs: 10_000 }],
    ['the slowest', { tts: TEXT, speed: 0.5 }],
    ['the fastest', { tts: TEXT, speed: 2 }],
    ['the longest name of a voice', { tts: TEXT, voice: 'x'.repeat(64) }],
    ['the longest file name', { file: 'x'.repeat(200) }],
  ])('with %s is taken', async (_what, item) => {
    expect((await post(saying(item))).status).toBe(201);
    await eventually(() => expect(service.prompter.playlists[0]?.items).toEqual([item]));
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
    const reply = await post(body);
    expect([reply.status, reply.body]).toMatchObject([400, { error: { code } }]);
    expect(JSON.stringify(reply.body)).not.toMatch(/482913|Anneliese/);
    expect(await service.store.calls({ limit: 1 })).toEqual([]);
    expect(service.dialer.active()).toBe(0);
  });
});

describe('Idempotency-Key', () => {
  const key = { 'idempotency-key': 'order-7' };

  it('gives the first answer again and places one call', async () => {
    const first = await post({ to: TO, playlist: [{ tts: TEXT, speed: 1 }] }, key);
    (await leg()).ring().answer().finishPrompt();
    await ended(first.body['id']);
    const again = await post({ playlist: [{ speed: 1, tts: TEXT }], repeat: 1, to: TO }, key);
    expect([first.headers['idempotency-replayed'], again.headers['idempotency-replayed']]).toEqual([
      undefined,
      'true',
    ]);
    expect([again.status, again.headers['location'], again.body]).toEqual([
      201,
      first.headers['location'],
      first.body,
    ]);
    expect(await service.store.calls({ limit: 10 })).toHaveLength(1);
  });

  it('places one call for twenty requests at once', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => post(saying({ tts: TEXT }), key)));
    expect(new Set(replies.map(({ body }) => body['id'])).size).toBe(1);
    expect(replies.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
    expect(await service.store.calls({ limit: 10 })).toHaveLength(1);
  });

  it.each([
    saying({ tts: `${TEXT}!` }),
    saying({ tts: TEXT, speed: 1.1 }),
    { ...saying({ tts: TEXT }), repeat: 2 },
    { ...saying({ tts: TEXT }), reference: 'x' },
  ])('refuses another body: %#', async (body) => {
    await post(saying({ tts: TEXT }), key);
    const reply = await post(body, key);
    expect([reply.status, reply.body]).toMatchObject([422, { error: { code: 'idempotency_key_reused' } }]);
  });

  it('is not shared with verifications', async () => {
    await post(saying({ tts: TEXT }), key);
    const other = { method: 'POST', url: '/v1/verifications', headers: key, payload: { to: TO } } as const;
    expect((await service.api.inject(other)).statusCode).toBe(422);
  });
});

it('leaves nothing of a playlist in answers and in the log', async () => {
  const seen: string[] = [];
  const playlist = [
    { tts: TEXT },
    { url: URL_OF_CODE },
    { digits: CODE, sayAs: 'digits' },
    { file: `Anneliese/${CODE}` },
  ];
  const { body } = await post({ to: TO, playlist }, { 'idempotency-key': 'k' });
  (await leg()).ring().answer().finishPrompt();
  seen.push(JSON.stringify([body, await ended(body['id'])]));
  seen.push((await service.api.inject(`/v1/calls/${String(body['id'])}/events`)).body);
  service.prompter.fault = new PromptError('tts_failed', 'item 1: espeak ended with 1');
  const failed = await post({ to: TO, playlist });
  seen.push(JSON.stringify(await ended(failed.body['id'])));
  service.prompter.fault = undefined;
  // A fault of ours while a playlist is in hand.
  service.prompter.bug = new TypeError('a bug');
  const broken = await post({ to: TO, playlist });
  expect(broken.status).toBe(500);
  seen.push(JSON.stringify(broken.body));
  expect(service.log()).toContain('a bug');
  expect(seen.join('\n') + service.log()).not.toMatch(/482913|Anneliese|secret-path|4829 ?13/);
});
