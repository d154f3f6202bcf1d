import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const TO = '+4930123456';
const CODE = '482913';

let service: Service;
beforeEach(async () => {
  service = await startService({ verification: { sipTargets: ['pbx.example'] } });
});
afterEach(() => service.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

async function request(
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const reply = await service.api.inject({
    method,
    url,
    headers,
    ...(body === undefined ? {} : { payload: body }),
  });
  return { status: reply.statusCode, headers: reply.headers, body: reply.json<Record<string, unknown>>() };
}

async function start(more: object = {}): Promise<string> {
  const { status, body } = await request('POST', '/v1/verifications', { to: TO, code: CODE, ...more });
  expect(status).toBe(201);
  return String(body['id']);
}

function check(id: string, code: string): Promise<Answer> {
  return request('POST', `/v1/verifications/${id}/check`, { code });
}

describe('POST /v1/verifications', () => {
  it('answers 201 with the verification, before anything is dialled', async () => {
    const before = Date.now();
    const { statusCode, headers, body } = await service.api.inject({
      method: 'POST',
      url: '/v1/verifications',
      payload: { to: '+49 30 123-456' },
    });
    const legsAtAnswer = service.engine.legs.length;
    const verification = JSON.parse(body) as Record<string, unknown>;
    expect(statusCode).toBe(201);
    expect(legsAtAnswer).toBe(0);
    expect(verification).toEqual({
      id: expect.stringMatching(/^ver_/),
      status: 'pending',
      to: TO,
      locale: 'en-US',
      codeLength: 6,
      repeat: 2,
      sayAs: 'digits',
      channel: 'voice',
      flash: null,
      template: null,
      gate: 'none',
      approvedBy: null,
      checks: 0,
      maxChecks: 5,
      checksLeft: 5,
      reference: null,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      expiresAt: expect.any(String),
      endedAt: null,
      callId: expect.stringMatching(/^call_/),
    });
    const { createdAt, expiresAt } = verification;
    expect(Date.parse(String(expiresAt)) - Date.parse(String(createdAt))).toBe(600_000);
    expect(Date.parse(String(createdAt))).toBeGreaterThanOrEqual(before);
    expect(headers['location']).toBe(`/v1/verifications/${String(verification['id'])}`);
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
    expect(service.engine.legs[0]?.leg.requestUri).toContain('+4930123456@sip.carrier.example');
  });

  it('takes every option', async () => {
    const { status, body } = await request('POST', '/v1/verifications', {
      to: 'sip:alice@pbx.example',
      locale: 'en-us',
      code: '0123456789',
      sayAs: 'pairs',
      gender: 'male',
      ttlSeconds: 60,
      maxChecks: 1,
      repeat: 5,
      reference: 'order 7 – été',
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      to: 'sip:alice@pbx.example',
      locale: 'en-US',
      codeLength: 10,
      maxChecks: 1,
      checksLeft: 1,
      repeat: 5,
      sayAs: 'pairs',
      reference: 'order 7 – été',
    });
  });

  it('takes a code with letters that is spelled out, and approves it in either case', async () => {
    const { status, body } = await request('POST', '/v1/verifications', {
      to: TO,
      code: 'Kx4829Qp',
      sayAs: 'nato',
    });
    expect([status, body['sayAs'], body['codeLength']]).toEqual([201, 'nato', 8]);
    expect((await check(String(body['id']), 'kX4829qP')).body).toMatchObject({ approved: true });
    expect(JSON.stringify(body) + service.log()).not.toMatch(/x4829q/i);
  });

  it('makes codes with letters where they are spelled out', async () => {
    const { body } = await request('POST', '/v1/verifications', { to: TO, sayAs: 'nato', codeLength: 10 });
    expect(body).toMatchObject({ sayAs: 'nato', codeLength: 10 });
    expect((await check(String(body['id']), 'AAAAAAAAAA')).body).toMatchObject({ approved: false });
  });

  it.each<[string, unknown, string, RegExp]>([
    ['no body', undefined, 'invalid_request', /^body: required/],
    ['no number', {}, 'invalid_request', /^body\.to: required/],
    ['a number as a number', { to: 4930123456 }, 'invalid_request', /^body\.to: expected string/],
    ['a list', [], 'invalid_request', /^body: expected object/],
    [
      'a mistyped key',
      { to: TO, ttlSecond: 60 },
      'invalid_request',
      /^body: has a key that is not known: ttlSecond/,
    ],
    ['a code as a key', { to: TO, [CODE]: 1 }, 'invalid_request', /^body: has a key that is not known$/],
    [
      'a code of three digits',
      { to: TO, code: '123' },
      'invalid_request',
      /^body\.code: expected 4 to 10 digits/,
    ],
    [
      'letters in the code',
      { to: TO, code: `${CODE}x` },
      'invalid_request',
      /^code must have 4 to 10 digits .*nato/,
    ],
    [
      'a dash in the code',
      { to: TO, code: '482-913', sayAs: 'nato' },
      'invalid_request',
      /^body\.code: expected 4 to 10 digits/,
    ],
    ['another way to say it', { to: TO, sayAs: 'backwards' }, 'invalid_request', /^body\.sayAs: /],
    ['another gender', { to: TO, gender: 'x' }, 'invalid_request', /^body\.gender: /],
    ['a code of another length', { to: TO, code: CODE, codeLength: 5 }, 'invalid_request', /codeLength/],
    ['a length of eleven', { to: TO, codeLength: 11 }, 'invalid_request', /^body\.codeLength: /],
    ['half a second', { to: TO, ttlSeconds: 60.5 }, 'invalid_request', /^body\.ttlSeconds: /],
    ['more than the allowed time', { to: TO, ttlSeconds: 601 }, 'invalid_request', /ttlSeconds must be/],
    ['a line break in the reference', { to: TO, reference: 'a\nb' }, 'invalid_request', /^body\.reference: /],
    ['a number that is none', { to: '+49' }, 'invalid_number', /E\.164/],
    ['a national number', { to: '030123456' }, 'invalid_number', /E\.164/],
    ['a foreign SIP host', { to: 'sip:a@evil.example' }, 'target_not_allowed', /evil\.example/],
    ['a language without sounds', { to: TO, locale: 'tlh' }, 'unsupported_locale', /language/],
  ])('refuses %s', async (_what, body, code, message) => {
    const reply = await request('POST', '/v1/verifications', body as object | undefined);
    expect(reply.status).toBe(400);
    expect(reply.body).toEqual({
      error: { code, message: expect.stringMatching(message), requestId: reply.headers['x-request-id'] },
    });
    expect(JSON.stringify(reply.body)).not.toContain(CODE);
    expect(await service.store.calls({ limit: 10 })).toEqual([]);
  });

  it('says when all lines are in use, and frees a line whose request is refused', async () => {
    const small = await startService({ calls: { maxConcurrent: 1 } });
    const post = (to: string) =>
      small.api.inject({ method: 'POST', url: '/v1/verifications', payload: { to } });
    expect((await post('+49')).statusCode).toBe(400);
    expect((await post(TO)).statusCode).toBe(201);
    const refused = await post(TO);
    expect(refused.statusCode).toBe(503);
    expect(refused.json()).toMatchObject({ error: { code: 'capacity' } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    await small.close();
  });
});

describe('Idempotency-Key', () => {
  const key = { 'idempotency-key': 'order-7' };

  it('gives the first answer again and places one call', async () => {
    const first = await request('POST', '/v1/verifications', { to: TO, repeat: 1 }, key);
    const again = await request('POST', '/v1/verifications', { repeat: 1, to: TO }, key);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.status).toBe(201);
    expect(again.body).toEqual(first.body);
    expect(again.headers['location']).toBe(first.headers['location']);
    expect(await service.store.calls({ limit: 10 })).toHaveLength(1);
  });

  it('places one call for twenty requests at once', async () => {
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => request('POST', '/v1/verifications', { to: TO, code: CODE }, key)),
    );
    expect(new Set(replies.map(({ body }) => body['id'])).size).toBe(1);
    expect(replies.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
    expect(service.dialer.active()).toBe(1);
  });

  it.each([{ to: '+4930123457' }, { to: TO, code: '1234' }])('refuses another body: %j', async (body) => {
    await request('POST', '/v1/verifications', { to: TO }, key);
    const reply = await request('POST', '/v1/verifications', body, key);
    expect(reply.status).toBe(422);
    expect(reply.body).toMatchObject({ error: { code: 'idempotency_key_reused' } });
    expect(await service.store.calls({ limit: 10 })).toHaveLength(1);
  });

  it.each(['x'.repeat(256), 'a\tb', 'ä'])('refuses the key %j', async (bad) => {
    const reply = await request('POST', '/v1/verifications', { to: TO }, { 'idempotency-key': bad });
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({
      error: { message: expect.stringMatching(/^headers\.idempotency-key: /) },
    });
  });

  it.each(['x', 'x'.repeat(255), '{"a": 1}'])('takes the key %j', async (good) => {
    expect((await request('POST', '/v1/verifications', { to: TO }, { 'idempotency-key': good })).status).toBe(
      201,
    );
  });
});

describe('POST /v1/verifications/:id/check', () => {
  it('approves the right code once', async () => {
    const id = await start();
    expect((await check(id, CODE)).body).toEqual({ id, status: 'approved', approved: true, checksLeft: 0 });
    const second = await check(id, CODE);
    expect(second.status).toBe(409);
    expect(second.body).toMatchObject({
      error: { code: 'not_pending', message: expect.stringContaining('approved') },
    });
    expect((await request('GET', `/v1/verifications/${id}`)).body).toMatchObject({
      status: 'approved',
      approvedBy: 'code',
      checks: 1,
      endedAt: expect.any(String),
    });
  });

  it('answers a wrong code with 200, and counts it until none is left', async () => {
    const id = await start({ maxChecks: 2 });
    expect(await check(id, '000000')).toMatchObject({
      status: 200,
      body: { id, status: 'pending', approved: false, checksLeft: 1 },
    });
    expect(await check(id, '000000')).toMatchObject({
      status: 200,
      body: { id, status: 'max_checks_reached', approved: false, checksLeft: 0 },
    });
    const late = await check(id, CODE);
    expect(late.status).toBe(409);
    expect(late.body).toMatchObject({ error: { message: expect.stringContaining('max_checks_reached') } });
  });

  it('does not count what is no code', async () => {
    const id = await start({ maxChecks: 1 });
    for (const body of [{ code: '12' }, { code: 482913 }, { code: `${CODE}\n` }, {}, { code: CODE, x: 1 }]) {
      expect((await request('POST', `/v1/verifications/${id}/check`, body)).status).toBe(400);
    }
    expect((await check(id, CODE)).body['approved']).toBe(true);
  });

  it('approves nothing after the time is over', async () => {
    const id = await start({ ttlSeconds: 30 });
    service.passTime(30_000);
    const late = await check(id, CODE);
    expect(late.status).toBe(409);
    expect(late.body).toMatchObject({ error: { message: expect.stringContaining('expired') } });
    expect((await request('GET', `/v1/verifications/${id}`)).body).toMatchObject({
      status: 'expired',
      checksLeft: 0,
    });
  });

  it('approves one of fifty at once', async () => {
    const id = await start();
    const replies = await Promise.all(Array.from({ length: 50 }, () => check(id, CODE)));
    const withStatus = (wanted: number): number => replies.filter(({ status }) => status === wanted).length;
    expect([withStatus(200), withStatus(409)]).toEqual([1, 49]);
  });
});

describe('DELETE /v1/verifications/:id', () => {
  it('cancels and hangs up', async () => {
    const id = await start();
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
    const canceled = await request('DELETE', `/v1/verifications/${id}`);
    expect(canceled.status).toBe(200);
    expect(canceled.body).toMatchObject({ id, status: 'canceled', endedAt: expect.any(String) });
    await eventually(async () => {
      const { body } = await request('GET', `/v1/calls/${String(canceled.body['callId'])}`);
      expect(body).toMatchObject({ state: 'ended', disposition: 'canceled' });
    });
    expect((await check(id, CODE)).status).toBe(409);
  });

  it('leaves one that is approved as it is, and hangs up all the same', async () => {
    const id = await start();
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
    await check(id, CODE);
    expect((await request('DELETE', `/v1/verifications/${id}`)).body).toMatchObject({ status: 'approved' });
    await eventually(() => expect(service.dialer.active()).toBe(0));
  });
});

describe('an id', () => {
  it.each([
    ['unknown', 'ver_0123456789', 404, 'not_found'],
    ['of another kind', 'call_0123456789', 400, 'invalid_request'],
    ['with a path in it', 'ver_%2e%2e%2fx', 400, 'invalid_request'],
    ['that is too long', `ver_${'x'.repeat(200)}`, 404, 'not_found'],
    ['with a NUL', 'ver_%00', 400, 'invalid_request'],
  ])('%s', async (_what, id, status, code) => {
    for (const [method, url] of [
      ['GET', `/v1/verifications/${id}`],
      ['DELETE', `/v1/verifications/${id}`],
      ['POST', `/v1/verifications/${id}/check`],
    ] as const) {
      const reply = await request(method, url, method === 'POST' ? { code: CODE } : undefined);
      expect([method, reply.status, reply.body]).toEqual([
        method,
        status,
        { error: { code, message: expect.any(String), requestId: expect.stringMatching(/^req_/) } },
      ]);
    }
  });
});
