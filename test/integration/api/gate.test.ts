import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';
import { VerificationsClient } from './verifications-client.ts';

const TO = '+4930123456';
const CODE = '482913';
const NO_KEY = { kind: 'hung_up', by: 'us', why: 'no_key' } as const;
const DONE = { kind: 'hung_up', by: 'us', why: 'prompt_finished' } as const;
const key = { 'idempotency-key': 'order-7' };

let service: Service;
let client: VerificationsClient;

async function startWith(settings: Parameters<typeof startService>[0]): Promise<void> {
  await service?.close();
  service = await startService(settings);
  client = new VerificationsClient(service);
}

beforeEach(() => startWith({}));
afterEach(() => service.close());

describe('POST /v1/verifications', () => {
  it.each<[string, object, RegExp]>([
    ['confirm with a digit', { confirm: true, gate: { digit: '1' } }, /confirm has no digit/],
    ['confirm with a question', { confirm: true, gate: { prompt: 'Hello' } }, /confirm has a question/],
    ['confirm with a repeat key', { confirm: true, repeatKey: '9' }, /repeatKey does not go with confirm/],
    ['confirm with letters', { confirm: true, sayAs: 'nato' }, /confirm needs a code of digits/],
    [
      'confirm with letters in the code',
      { confirm: true, sayAs: 'nato', code: 'AB12' },
      /confirm needs a code of digits/,
    ],
    ['confirm as text', { confirm: 'yes' }, /^body\.confirm: /],
    ['a gate and waiting for a tone', { gate: {}, voicemail: 'wait_for_tone' }, /wait_for_tone/],
    ['confirm and waiting for a tone', { confirm: true, voicemail: 'wait_for_tone' }, /wait_for_tone/],
    ['a star as the key', { gate: { digit: '*' } }, /^body\.gate\.digit: /],
    ['two keys', { gate: { digit: '12' } }, /^body\.gate\.digit: /],
    ['a number as the key', { gate: { digit: 1 } }, /^body\.gate\.digit: /],
    ['a second', { gate: { seconds: 1 } }, /^body\.gate\.seconds: /],
    ['31 seconds', { gate: { seconds: 31 } }, /^body\.gate\.seconds: /],
    ['an empty question', { gate: { prompt: '' } }, /^body\.gate\.prompt: /],
    ['a question without end', { gate: { prompt: 'x'.repeat(1001) } }, /^body\.gate\.prompt: /],
    ['a gate that is a key', { gate: '1' }, /^body\.gate: /],
    ['another key of the gate', { gate: { key: '1' } }, /^body\.gate: has a key that is not known/],
    ['a repeat key A', { repeatKey: 'A' }, /^body\.repeatKey: /],
    ['another rule for voicemails', { voicemail: 'shout' }, /^body\.voicemail: /],
  ])('refuses %s', async (_what, more, message) => {
    const { status, body } = await client.post({ to: TO, ...more });
    expect([status, body]).toMatchObject([
      400,
      { error: { code: 'invalid_request', message: expect.stringMatching(message) } },
    ]);
    expect(await service.store.calls({ limit: 10 })).toEqual([]);
  });

  it('places a call with the gate that was asked for', async () => {
    await startWith({ voicemail: { decideMs: 3000, toneMs: 20_000 } });
    const body = await client.start({
      to: TO,
      code: CODE,
      gate: { digit: '7', seconds: 5, prompt: 'Press the key that you chose' },
      repeatKey: '#',
      voicemail: 'hangup',
    });
    expect(body).toMatchObject({ gate: 'key', channel: 'voice', flash: null });
    expect(body['confirmCode']).toBeUndefined();
    const { leg } = await client.leg();
    expect(leg).toMatchObject({
      gate: { asks: 2, waitMs: 5000 },
      repeat: { key: '#', times: 3 },
      detection: { onMachine: 'hangup', decideMs: 3000, toneMs: 20_000 },
    });
    expect(leg.gate?.keys.reveal()).toBe('7');
    expect(client.answers + service.log()).not.toMatch(/that you chose|482913/);
  });

  it('has the gate that is set, and lets nobody do without one that is always there', async () => {
    await startWith({ gate: { always: true, digit: '4', seconds: 3, asks: 1, repeatTimes: 2 } });
    expect(await client.start({ to: TO, repeatKey: '4' })).toMatchObject({ gate: 'key' });
    const { leg } = await client.leg();
    expect(leg).toMatchObject({ gate: { asks: 1, waitMs: 3000 }, repeat: { key: '4', times: 2 } });
    expect(leg.gate?.keys.reveal()).toBe('4');
    expect(await client.start({ to: TO, confirm: true })).toMatchObject({ gate: 'confirm' });
    expect(await client.start({ to: TO, confirm: false })).toMatchObject({ gate: 'key' });
  });

  it.each([
    ['wait_for_tone', {}, 'wait_for_tone'],
    ['wait_for_tone', { gate: {} }, 'speak'],
    ['hangup', { gate: {} }, 'hangup'],
    ['hangup', { voicemail: 'ignore' }, undefined],
    ['ignore', { voicemail: 'speak' }, 'speak'],
  ] as const)('with the rule %s and %j listens so: %s', async (rule, more, onMachine) => {
    await startWith({ voicemail: { rule } });
    await client.start({ to: TO, ...more });
    expect((await client.leg()).leg.detection?.onMachine).toBe(onMachine);
  });

  it('fails a verification whose gate stayed shut, and only tells of its keys how many there were', async () => {
    const verification = await client.start({ to: TO, code: CODE, gate: {} });
    const leg = await client.leg();
    leg.ring().answer().press('5').press('8').end(NO_KEY, { promptSentMs: 0 });
    const call = await client.ended(verification);
    expect(call).toMatchObject({
      disposition: 'no_key',
      blame: 'callee',
      hungUpBy: 'us',
      promptFinished: false,
      attempts: [{ billable: true, delivered: { characters: 0, codes: 0, keys: 2 } }],
    });
    expect(await client.read(verification)).toMatchObject({ status: 'failed', approvedBy: null });
    expect((await client.check(verification, { code: CODE })).status).toBe(409);
    const timeline = call['timeline'] as { type: string; detail: object }[];
    expect(timeline.filter(({ type }) => type === 'dtmf').map(({ detail }) => detail)).toEqual([
      { durationMs: 100 },
      { durationMs: 100 },
    ]);
  });

  it('leaves one pending that was told after its key', async () => {
    const verification = await client.start({ to: TO, code: CODE, gate: {} });
    (await client.leg()).ring().answer().press('1').openGate().finishPrompt();
    const call = await client.ended(verification);
    expect(JSON.stringify(call['timeline'])).toContain('gate_opened');
    expect((await client.check(verification, { code: CODE })).body).toMatchObject({ approved: true });
    expect(await client.read(verification)).toMatchObject({ approvedBy: 'code' });
  });
});

describe('confirm', () => {
  const wish = { to: TO, code: CODE, confirm: true };

  it('shows the code in the answer to the request alone, and says none', async () => {
    const verification = await client.start(wish);
    expect(verification).toMatchObject({ confirmCode: CODE, gate: 'confirm', status: 'pending' });
    expect((await client.leg()).leg.gate?.keys.reveal()).toBe(CODE);
    client.answers = '';
    await client.read(verification);
    await client.ask('GET', `/v1/calls/${String(verification['callId'])}`);
    await client.ask('GET', '/v1/calls');
    expect(client.answers + service.log()).not.toContain(CODE);
    const made = await client.start({ to: TO, confirm: true, codeLength: 8 });
    expect(made['confirmCode']).toMatch(/^\d{8}$/);
  });

  it('approves when the keys were pressed, and has nothing to check', async () => {
    const verification = await client.start(wish);
    const leg = await client.leg();
    leg.ring().answer();
    expect(await client.check(verification, { code: CODE })).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringMatching(/keyed in/) } },
    });
    leg.press('4').openGate();
    await eventually(async () =>
      expect(await client.read(verification)).toMatchObject({
        status: 'approved',
        approvedBy: 'keys',
        checks: 1,
      }),
    );
    leg.finishPrompt();
    expect(await client.ended(verification)).toMatchObject({ disposition: 'answered' });
    const { body: page } = await service.api.inject('/metrics');
    expect(page).toContain('voice_otp_verifications_ended_total{status="approved"} 1');
    expect(page).not.toContain('{status="failed"}');
    expect(service.faults()).toEqual([]);
  });

  it('counts one that was approved and hung up at once as approved alone', async () => {
    const verification = await client.start(wish);
    (await client.leg())
      .ring()
      .answer()
      .openGate()
      .end({ kind: 'hung_up', by: 'callee', why: 'peer' }, { promptSentMs: 0 });
    await client.ended(verification);
    expect(await client.read(verification)).toMatchObject({ status: 'approved', approvedBy: 'keys' });
    const { body: page } = await service.api.inject('/metrics');
    expect(page).toContain('voice_otp_verifications_ended_total{status="approved"} 1');
    expect(page).not.toContain('voice_otp_verifications_ended_total{status="failed"}');
  });

  it('gives the code again to a repeated request as long as it is waited for, and not after that', async () => {
    const first = await client.post(wish, key);
    expect((await client.post(wish, key)).body).toEqual(first.body);
    const leg = await client.leg();
    leg.ring().answer().end(NO_KEY, { promptSentMs: 0 });
    await client.ended(first.body);
    const late = await client.post(wish, key);
    const { confirmCode, ...rest } = first.body;
    expect([late.status, late.body]).toEqual([201, rest]);
    expect(confirmCode).toBe(CODE);
    expect(service.engine.legs).toHaveLength(1);
  });

  it('gives it no more when the time is over', async () => {
    await client.post({ ...wish, ttlSeconds: 30 }, key);
    // The call is up, and the code is still needed for it.
    (await client.leg()).ring().answer();
    service.passTime(30_000);
    expect((await client.post({ ...wish, ttlSeconds: 30 }, key)).body['confirmCode']).toBeUndefined();
  });

  it('gives it to no other client, and refuses another code', async () => {
    await client.post(wish, key);
    const other = await client.post({ ...wish, code: '111111' }, key);
    expect(other.status).toBe(422);
    expect(JSON.stringify(other.body)).not.toContain(CODE);
  });

  it('leaves no code in the file of the store', async () => {
    await client.post(wish, key);
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
    for (const suffix of ['', '-wal']) {
      const bytes = await readFile(`${service.storePath}${suffix}`);
      expect(bytes.includes(CODE), suffix).toBe(false);
    }
  });
});

describe('auto', () => {
  const trunks = [
    {
      id: 'carrier',
      host: 'sip.carrier.example',
      cli: '+493098765432',
      flashPool: [{ first: '+498990007100', last: '+498990007299' }],
    },
  ];

  it('takes what both ways need, and ends with a call that asks for a key', async () => {
    await startWith({ trunks });
    const wish = { to: TO, channel: 'auto', code: CODE, gate: {}, ringHoldMs: 900, repeatKey: '0' };
    const verification = await client.start(wish);
    expect(verification).toMatchObject({
      channel: 'auto',
      gate: 'key',
      codeLength: 6,
      maxChecks: 3,
      flash: { ringHoldMs: 900 },
    });
    (await client.leg()).end({ kind: 'no_ring' });
    const voice = await client.leg(1);
    expect(voice.leg.gate?.keys.reveal()).toBe('1');
    expect(voice.leg.flash).toBeUndefined();
    voice.ring().answer().openGate().end(DONE);
    const call = await client.ended(verification);
    expect(call['attempts']).toMatchObject([
      { channel: 'flash', cli: '+49899000••••', disposition: 'no_ring' },
      { channel: 'voice', cli: '+493098765432', disposition: 'answered' },
    ]);
    expect((await client.check(verification, { code: CODE })).body).toMatchObject({ approved: true });
  });

  it('with confirm is approved by the number that called, or by the keys', async () => {
    await startWith({ trunks });
    const wish = { to: TO, channel: 'auto', confirm: true };
    const first = await client.start(wish);
    expect(first['confirmCode']).toMatch(/^\d{6}$/);
    expect((await client.check(first, { callerId: await client.shownBy() })).body).toMatchObject({
      approved: true,
    });
    (await client.leg()).ring().end({ kind: 'rang' });
    await client.ended(first);
    const second = await client.start(wish);
    (await client.leg(1)).end({ kind: 'diverted' });
    (await client.leg(2)).ring().answer().openGate().finishPrompt();
    await client.ended(second);
    expect(await client.read(second)).toMatchObject({ status: 'approved', approvedBy: 'keys' });
    expect(service.engine.legs).toHaveLength(3);
  });
});
