import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';
import { VerificationsClient } from './verifications-client.ts';

const TO = '+4930123456';

/** 200 numbers: 3 checks are guessed with 0.015. */
const POOL = { first: '+498990007100', last: '+498990007299' };
const TRUNK = { id: 'carrier', host: 'sip.carrier.example', cli: '+493098765432', flashPool: [POOL] };

const RANG = { kind: 'rang' } as const;

let service: Service;
let client: VerificationsClient;

async function startWith(settings: Parameters<typeof startService>[0]): Promise<void> {
  await service?.close();
  service = await startService({ trunks: [TRUNK], ...settings });
  client = new VerificationsClient(service);
}

beforeEach(() => startWith({}));
afterEach(() => service.close());

describe('POST /v1/verifications with channel flash', () => {
  it('tells what the app has to match, and places a call that says nothing', async () => {
    const body = await client.start({ to: TO, channel: 'flash' });
    expect(body).toMatchObject({
      status: 'pending',
      channel: 'flash',
      codeLength: 4,
      gate: 'none',
      approvedBy: null,
      maxChecks: 3,
      checksLeft: 3,
      flash: {
        prefix: '+49899000',
        hiddenDigits: 4,
        guessProbability: 0.015,
        ringHoldMs: 2500,
        maxRingMs: 10_000,
      },
    });
    expect(Object.keys(body['flash'] as object)).toHaveLength(5);
    const { leg } = await client.leg();
    expect(leg).toMatchObject({
      prompt: null,
      flash: { ringHoldMs: 2500, maxRingMs: 10_000, onAnswer: 'hangup' },
    });
    expect(leg.gate).toBeUndefined();
    expect(await client.shownBy()).toMatch(/^\+498990007[12]\d\d$/);
  });

  it('has what was asked for rather than what is set', async () => {
    const body = await client.start({
      to: TO,
      channel: 'flash',
      ringHoldMs: 1200,
      maxRingSeconds: 6,
      maxChecks: 2,
      onAnswer: 'speak',
      fallbackText: 'This was only a test call',
    });
    expect(body).toMatchObject({
      maxChecks: 2,
      flash: { guessProbability: 0.01, ringHoldMs: 1200, maxRingMs: 6000 },
    });
    const { leg } = await client.leg();
    expect(leg.flash).toEqual({ ringHoldMs: 1200, maxRingMs: 6000, onAnswer: 'speak' });
    expect(leg.prompt).not.toBeNull();
    expect(service.log() + client.answers).not.toContain('only a test');
  });

  it.each<[string, object, RegExp]>([
    ['ringHoldMs with voice', { ringHoldMs: 900 }, /go with channel flash or auto/],
    ['maxRingSeconds with voice', { channel: 'voice', maxRingSeconds: 9 }, /go with channel flash or auto/],
    ['onAnswer with voice', { onAnswer: 'hangup' }, /go with channel flash or auto/],
    ['fallbackText alone', { channel: 'flash', fallbackText: 'Hello' }, /onAnswer speak and fallbackText/],
    [
      'fallbackText with hangup',
      { channel: 'auto', onAnswer: 'hangup', fallbackText: 'Hello' },
      /onAnswer speak and fallbackText/,
    ],
    ['speak without a text', { channel: 'flash', onAnswer: 'speak' }, /onAnswer speak and fallbackText/],
    ['a gate', { channel: 'flash', gate: {} }, /go with a voice call/],
    ['confirm', { channel: 'flash', confirm: true }, /go with a voice call/],
    ['a repeat key', { channel: 'flash', repeatKey: '1' }, /go with a voice call/],
    ['a rule for voicemails', { channel: 'flash', voicemail: 'hangup' }, /go with a voice call/],
    ['a code', { channel: 'flash', code: '482913' }, /flash call has no code/],
    ['another channel', { channel: 'fax' }, /^body\.channel: /],
    ['a hold of 499 ms', { channel: 'flash', ringHoldMs: 499 }, /^body\.ringHoldMs: /],
    ['a hold of 8001 ms', { channel: 'flash', ringHoldMs: 8001 }, /^body\.ringHoldMs: /],
    ['half a millisecond', { channel: 'flash', ringHoldMs: 900.5 }, /^body\.ringHoldMs: /],
    ['a limit of 2 s', { channel: 'flash', maxRingSeconds: 2 }, /^body\.maxRingSeconds: /],
    ['a limit of 31 s', { channel: 'flash', maxRingSeconds: 31 }, /^body\.maxRingSeconds: /],
    ['another answer', { channel: 'flash', onAnswer: 'sing' }, /^body\.onAnswer: /],
    [
      'a text without end',
      { channel: 'flash', onAnswer: 'speak', fallbackText: 'x'.repeat(1001) },
      /^body\.fallbackText: /,
    ],
    [
      'a hold that is longer than the limit',
      { channel: 'flash', ringHoldMs: 8000, maxRingSeconds: 3 },
      /ringHoldMs.*maxRingSeconds/,
    ],
    [
      'a hold longer than the set limit',
      { channel: 'auto', maxRingSeconds: 3, ringHoldMs: 3000 },
      /ringHoldMs/,
    ],
  ])('refuses %s, and takes no number for it', async (_what, more, message) => {
    const { status, body } = await client.post({ to: TO, ...more });
    expect([status, body]).toEqual([
      400,
      {
        error: {
          code: 'invalid_request',
          message: expect.stringMatching(message),
          requestId: expect.any(String),
        },
      },
    ]);
    expect(await service.store.calls({ limit: 10 })).toEqual([]);
    const { flash } = await client.start({ to: TO, channel: 'flash' });
    expect(flash).toMatchObject({ guessProbability: 0.015 });
  });

  it('says how likely a guess would be where there are too few numbers', async () => {
    await startWith({
      trunks: [{ ...TRUNK, flashPool: [{ first: '+498990007100', last: '+498990007159' }] }],
    });
    const refused = await client.post({ to: TO, channel: 'flash' });
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({
      error: {
        code: 'flash_unavailable',
        message: expect.stringMatching(/3 checks of 60 numbers .* 0\.050, .* 0\.02/),
      },
    });
    expect(refused.headers['retry-after']).toBeUndefined();
    expect(service.dialer.active()).toBe(0);
    expect(await client.start({ to: TO, channel: 'flash', maxChecks: 1 })).toMatchObject({ maxChecks: 1 });
    expect(await client.start({ to: TO, channel: 'auto' })).toMatchObject({ channel: 'auto', flash: null });
  });

  it('says when all numbers were shown, and to whom', async () => {
    await startWith({
      trunks: [{ ...TRUNK, flashPool: [{ first: '+498990007100', last: '+498990007150' }] }],
    });
    const wish = { to: TO, channel: 'flash', maxChecks: 1 };
    for (const left of [51, 50]) {
      expect(await client.start(wish)).toMatchObject({ flash: { guessProbability: 1 / left } });
    }
    const refused = await client.post(wish);
    expect([refused.status, refused.body]).toMatchObject([429, { error: { code: 'flash_exhausted' } }]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(await client.start({ ...wish, channel: 'auto' })).toMatchObject({
      flash: null,
      status: 'pending',
    });
    expect(await client.start({ ...wish, to: '+4930999999' })).toMatchObject({
      flash: { guessProbability: 1 / 51 },
    });
  });

  it('says when calls to a prefix pause, and until when', async () => {
    service.pauses.set(TO, Date.now() + 90_000);
    const refused = await client.post({ to: TO, channel: 'flash' });
    expect([refused.status, refused.body]).toMatchObject([503, { error: { code: 'flash_paused' } }]);
    const seconds = Number(refused.headers['retry-after']);
    expect(seconds).toBeGreaterThan(80);
    expect(seconds).toBeLessThanOrEqual(90);
    expect(await client.start({ to: TO, channel: 'auto' })).toMatchObject({ channel: 'auto', flash: null });
    expect((await client.leg()).leg.flash).toBeUndefined();
    expect((await client.leg()).leg.prompt).not.toBeNull();
  });
});

describe('the number that calls', () => {
  it('is in no answer, event, page, log line or record, until the call is over and after it', async () => {
    const verification = await client.start({ to: TO, channel: 'auto', code: '482913' });
    const cli = await client.shownBy();
    const leg = await client.leg();
    leg.ring();
    const look = async (): Promise<void> => {
      const call = `/v1/calls/${String(verification['callId'])}`;
      for (const url of [call, '/v1/calls', '/metrics', '/openapi.json']) {
        await client.ask('GET', url);
      }
      await client.read(verification);
      const stored = await service.store.verification(String(verification['id']));
      client.answers += JSON.stringify([stored, (await service.store.calls({ limit: 9 }))[0]?.timeline]);
    };
    await look();
    expect((await client.check(verification, { callerId: '+498990000000' })).status).toBe(200);
    expect((await client.check(verification, { callerId: `${cli}x` })).status).toBe(400);
    leg.end(RANG);
    expect((await client.check(verification, { callerId: cli })).body).toMatchObject({ approved: true });
    const call = await client.ended(verification);
    await client.ask('GET', `/v1/calls/${String(verification['callId'])}/events`);
    await look();
    expect(call['attempts']).toMatchObject([
      { channel: 'flash', cli: '+49899000••••', disposition: 'rang', billable: false, delivered: null },
    ]);
    expect(service.faults()).toEqual([]);
    const hidden = cli.slice(-4);
    for (const text of [client.answers, service.log()]) {
      expect(text).not.toContain(cli.slice(1));
      expect(text).not.toContain(`9000${hidden}`);
      expect(text).not.toMatch(new RegExp(`["• :@]${hidden}\\b`));
    }
  });
});

describe('POST /v1/verifications/:id/check of a flash call', () => {
  const spelled: readonly [string, (cli: string) => string][] = [
    ['with plus', (cli) => cli],
    ['without plus', (cli) => cli.slice(1)],
    ['with 00', (cli) => `00${cli.slice(1)}`],
    ['national', (cli) => `0${cli.slice(3)}`],
    ['with spaces', (cli) => cli.replace(/(\+\d\d)(\d\d)(\d{4})/, '$1 $2 $3 ')],
    ['with dashes and brackets', (cli) => cli.replace(/(\+\d\d)(\d\d)(\d{4})/, '$1 (0)$2-$3-')],
    ['as in America', (cli) => `(${cli.slice(3, 6)}) ${cli.slice(6, 9)}-${cli.slice(9)}`],
    ['the hidden digits alone', (cli) => cli.slice(-4)],
  ];

  it.each(spelled)('approves the number %s', async (_how, spell) => {
    const verification = await client.start({ to: TO, channel: 'flash' });
    const callerId = spell(await client.shownBy());
    expect(await client.check(verification, { callerId })).toMatchObject({
      status: 200,
      body: { status: 'approved', approved: true, checksLeft: 0 },
    });
    expect(await client.read(verification)).toMatchObject({ approvedBy: 'caller_id', checks: 1 });
    expect((await client.check(verification, { callerId })).status).toBe(409);
  });

  it('counts wrong numbers, three at most', async () => {
    const verification = await client.start({ to: TO, channel: 'flash', maxChecks: 10 });
    const right = await client.shownBy();
    for (const [wrong, left] of [
      ['+498990000001', 2],
      ['030 000 2', 1],
    ] as const) {
      expect((await client.check(verification, { callerId: wrong })).body).toMatchObject({
        approved: false,
        status: 'pending',
        checksLeft: left,
      });
    }
    expect((await client.check(verification, { callerId: '0000' })).body).toMatchObject({
      status: 'max_checks_reached',
      checksLeft: 0,
    });
    expect((await client.check(verification, { callerId: right })).status).toBe(409);
  });

  it.each<[string, object]>([
    ['anonymous', { callerId: 'anonymous' }],
    ['too short', { callerId: '123' }],
    ['of too few digits', { callerId: '+4-9-8' }],
    ['empty', { callerId: '' }],
    ['a number', { callerId: 498990001234 }],
    ['with a line break', { callerId: '+498990001234\n' }],
    ['without end', { callerId: '1'.repeat(41) }],
    ['a code', { code: '7100' }],
    ['both', { code: '7100', callerId: '+498990007100' }],
    ['neither', {}],
  ])('refuses one that is %s, and does not count it', async (_what, submission) => {
    const verification = await client.start({ to: TO, channel: 'flash' });
    expect(await client.check(verification, submission)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_request' } },
    });
    expect(await client.read(verification)).toMatchObject({ checks: 0, checksLeft: 3, status: 'pending' });
  });

  it('refuses the number that called where nothing but a code was said', async () => {
    const voice = await client.start({ to: TO });
    expect((await client.check(voice, { callerId: '+498990007100' })).status).toBe(400);
    service.pauses.set(TO, Date.now() + 60_000);
    const spoken = await client.start({ to: TO, channel: 'auto', code: '482913' });
    expect((await client.check(spoken, { callerId: '+498990007100' })).body).toMatchObject({
      error: { message: expect.stringMatching(/^A code has/) },
    });
    expect((await client.check(spoken, { code: '482913' })).body).toMatchObject({ approved: true });
  });

  it('approves one of fifty at once', async () => {
    const verification = await client.start({ to: TO, channel: 'flash' });
    const callerId = await client.shownBy();
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => client.check(verification, { callerId })),
    );
    expect(replies.filter(({ body }) => body['approved'] === true)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 409)).toHaveLength(49);
  });

  it('compares three of fifty wrong ones at once', async () => {
    const verification = await client.start({ to: TO, channel: 'flash' });
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => client.check(verification, { callerId: '+49000000' })),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(3);
    expect(await client.read(verification)).toMatchObject({ status: 'max_checks_reached', checks: 3 });
  });
});

describe('Idempotency-Key of a flash call', () => {
  const key = { 'idempotency-key': 'order-7' };

  it('gets the first answer, one call and one number', async () => {
    const wish = { to: TO, channel: 'flash' };
    const first = await client.post(wish, key);
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
    for (let i = 0; i < 3; i++) {
      const again = await client.post(wish, key);
      expect([again.status, again.body]).toEqual([201, first.body]);
      expect(again.headers['idempotency-replayed']).toBe('true');
    }
    expect(service.engine.legs).toHaveLength(1);
    expect(await client.start(wish)).toMatchObject({ flash: { guessProbability: 3 / 199 } });
    expect((await client.post({ ...wish, channel: 'auto' }, key)).status).toBe(422);
    expect((await client.post({ ...wish, ringHoldMs: 900 }, key)).status).toBe(422);
  });

  it('takes one number for twenty requests at once, and for one that is repeated after a refusal', async () => {
    const wish = { to: TO, channel: 'flash' };
    service.pauses.set(TO, Date.now() + 60_000);
    expect((await client.post(wish, key)).status).toBe(503);
    service.pauses.delete(TO);
    const replies = await Promise.all(Array.from({ length: 20 }, () => client.post(wish, key)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(replies.map(({ body }) => body['id'])).size).toBe(1);
    expect(replies.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
    expect(await client.start(wish)).toMatchObject({ flash: { guessProbability: 3 / 199 } });
  });

  it('gets it also where no flash call could be placed now', async () => {
    const first = await client.post({ to: TO, channel: 'flash' }, key);
    service.pauses.set(TO, Date.now() + 60_000);
    expect((await client.post({ to: TO, channel: 'flash' }, key)).body).toEqual(first.body);
  });
});

describe('metrics', () => {
  it('count a flash call that was approved, and one that did not ring', async () => {
    const good = await client.start({ to: TO, channel: 'flash' });
    await client.check(good, { callerId: await client.shownBy() });
    (await client.leg()).ring().end(RANG);
    await client.ended(good);
    const bad = await client.start({ to: TO, channel: 'flash' });
    (await client.leg(1)).end({ kind: 'no_ring' });
    expect(await client.ended(bad)).toMatchObject({ disposition: 'no_ring', blame: 'unknown' });
    expect(await client.read(bad)).toMatchObject({ status: 'failed' });
    const { body: page } = await service.api.inject('/metrics');
    expect(page).toContain('voice_otp_verifications_started_total 2');
    expect(page).toContain('voice_otp_verifications_ended_total{status="approved"} 1');
    expect(page).toContain('voice_otp_verifications_ended_total{status="failed"} 1');
    expect(page).toContain('voice_otp_calls_total{disposition="rang"} 1');
    expect(page).toContain('voice_otp_calls_total{disposition="no_ring"} 1');
  });
});
