import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const CODE = '482913';
const TO = '+4930123456';

let service: Service;
beforeEach(async () => {
  service = await startService();
});
afterEach(() => service.close());

describe('errors', () => {
  const json = { 'content-type': 'application/json' };
  it.each<
    [
      string,
      {
        method: 'GET' | 'POST' | 'PUT' | 'DELETE';
        url: string;
        headers?: Record<string, string>;
        payload?: string;
      },
      number,
      string,
    ]
  >([
    [
      'JSON that is cut off',
      { method: 'POST', url: '/v1/verifications', headers: json, payload: `{"code":"${CODE}` },
      400,
      'invalid_request',
    ],
    [
      'an empty body',
      { method: 'POST', url: '/v1/verifications', headers: json, payload: '' },
      400,
      'invalid_request',
    ],
    [
      'null',
      { method: 'POST', url: '/v1/verifications', headers: json, payload: 'null' },
      400,
      'invalid_request',
    ],
    [
      '__proto__',
      {
        method: 'POST',
        url: '/v1/verifications',
        headers: json,
        payload: `{"to":"${TO}","__proto__":{"code":"${CODE}"}}`,
      },
      400,
      'invalid_request',
    ],
    [
      'constructor.prototype',
      {
        method: 'POST',
        url: '/v1/verifications',
        headers: json,
        payload: `{"constructor":{"prototype":{"x":"${CODE}"}}}`,
      },
      400,
      'invalid_request',
    ],
    [
      'a large body',
      { method: 'POST', url: '/v1/verifications', headers: json, payload: `{"to":"${CODE.repeat(12_000)}"}` },
      413,
      'body_too_large',
    ],
    [
      'another type',
      { method: 'POST', url: '/v1/verifications', headers: { 'content-type': 'text/xml' }, payload: CODE },
      415,
      'unsupported_media_type',
    ],
    [
      'no type',
      { method: 'POST', url: '/v1/verifications', headers: {}, payload: CODE },
      415,
      'unsupported_media_type',
    ],
    ['an unknown path', { method: 'GET', url: `/v2/${CODE}` }, 404, 'not_found'],
    ['a broken path', { method: 'GET', url: `/v1/calls/%E0%A4%A` }, 400, 'invalid_request'],
    [
      'an unknown file of the page',
      { method: 'GET', url: '/docs/static/../../package.json' },
      404,
      'not_found',
    ],
    [
      'another method',
      { method: 'PUT', url: '/v1/verifications', headers: { 'content-type': 'text/plain' }, payload: CODE },
      405,
      'method_not_allowed',
    ],
    [
      'another method of one resource',
      { method: 'POST', url: '/v1/calls/call_x' },
      405,
      'method_not_allowed',
    ],
  ])('%s', async (_what, request, status, code) => {
    const reply = await service.api.inject(request);
    expect(reply.statusCode).toBe(status);
    expect(reply.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(reply.json()).toEqual({
      error: { code, message: expect.stringMatching(/./), requestId: reply.headers['x-request-id'] },
    });
    expect(reply.body).not.toContain(CODE);
    expect(service.log()).not.toContain(CODE);
    expect(Object.getPrototypeOf({})).not.toHaveProperty('code');
  });

  it('names the methods that a path has', async () => {
    const reply = await service.api.inject({ method: 'PATCH', url: '/v1/verifications/ver_x' });
    expect(reply.headers['allow']).toBe('GET, DELETE');
  });

  it('lets HEAD ask for the health, and for nothing else', async () => {
    expect((await service.api.inject({ method: 'HEAD', url: '/healthz' })).statusCode).toBe(200);
    expect((await service.api.inject({ method: 'HEAD', url: '/v1/calls' })).statusCode).toBe(405);
  });

  it('takes a DELETE whose empty body is said to be JSON', async () => {
    const reply = await service.api.inject({
      method: 'DELETE',
      url: '/v1/verifications/ver_x',
      headers: json,
    });
    expect(reply.statusCode).toBe(404);
  });

  it('says nothing of a fault of its own, and logs it with its stack', async () => {
    service.engine.missing = () => {
      throw new TypeError('cannot read details');
    };
    const reply = await service.api.inject('/readyz');
    expect(reply.statusCode).toBe(500);
    expect(reply.json()).toMatchObject({
      error: { code: 'internal', message: 'Something went wrong on our side.' },
    });
    expect(reply.body).not.toContain('details');
    const line =
      service
        .log()
        .split('\n')
        .find((one) => one.includes('cannot read details')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({
      level: 'error',
      err: { type: 'TypeError', stack: expect.stringContaining('server.test') },
      requestId: reply.headers['x-request-id'],
    });
  });

  it('is 503 when the store is gone', async () => {
    await service.store.close();
    const reply = await service.api.inject('/v1/calls');
    expect(reply.statusCode).toBe(503);
    expect(reply.json()).toMatchObject({ error: { code: 'store_unavailable' } });
  });
});

describe('health', () => {
  it('lives and is ready', async () => {
    expect((await service.api.inject('/healthz')).json()).toEqual({ status: 'ok' });
    expect((await service.api.inject('/readyz')).json()).toEqual({ status: 'ok' });
  });

  it('names what is missing, and lives all the same', async () => {
    service.engine.lacks = ['sip transport'];
    await service.store.close();
    const reply = await service.api.inject('/readyz');
    expect(reply.statusCode).toBe(503);
    expect(reply.json()).toMatchObject({
      error: { code: 'not_ready', message: 'Missing: sip transport, store.' },
    });
    expect(reply.headers['retry-after']).toBe('5');
    expect((await service.api.inject('/healthz')).statusCode).toBe(200);
  });
});

describe('a service that is shutting down', () => {
  it('is not ready and takes no call, while one is still up', async () => {
    const payload = { to: TO };
    const post = () => service.api.inject({ method: 'POST', url: '/v1/verifications', payload });
    await post();
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
    const drained = service.dialer.drain(new AbortController().signal);
    const reply = await service.api.inject('/readyz');
    expect(reply.statusCode).toBe(503);
    expect(reply.json()).toMatchObject({ error: { code: 'not_ready', message: 'Missing: draining.' } });
    expect((await service.api.inject('/healthz')).statusCode).toBe(200);
    expect((await post()).json()).toMatchObject({ error: { code: 'capacity' } });
    service.engine.legs[0]?.answer().finishPrompt();
    await drained;
  });
});

describe('an engine that lacks something', () => {
  const key = { 'idempotency-key': 'order-7' };
  const post = (to: string) =>
    service.api.inject({ method: 'POST', url: '/v1/verifications', headers: key, payload: { to } });

  it('has new calls refused and nothing stored, until it is back', async () => {
    service.engine.lacks = ['drachtio', 'media server'];
    const refused = await post(TO);
    expect(refused.statusCode).toBe(503);
    expect(refused.headers['retry-after']).toBe('5');
    expect(refused.json()).toEqual({
      error: {
        code: 'engine_unavailable',
        message: 'Calls cannot be carried at the moment. Missing: drachtio, media server.',
        requestId: refused.headers['x-request-id'],
      },
    });
    expect((await post('+49')).statusCode).toBe(400);
    expect(await service.store.calls({ limit: 1 })).toEqual([]);
    expect(service.dialer.active()).toBe(0);
    service.engine.lacks = [];
    expect((await post(TO)).statusCode).toBe(201);
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
  });

  it('has what was accepted before answered as the first time, and lets its call end', async () => {
    const first = await post(TO);
    service.engine.lacks = ['drachtio'];
    const again = await post(TO);
    expect([again.statusCode, again.headers['idempotency-replayed']]).toEqual([201, 'true']);
    expect(again.json()).toEqual(first.json());
    expect((await post('+4930123457')).statusCode).toBe(422);
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
    service.engine.legs[0]?.end({ kind: 'failed', detail: 'the drachtio server is gone' });
    const { id, callId } = first.json<{ id: string; callId: string }>();
    await eventually(async () => {
      expect((await service.api.inject(`/v1/calls/${callId}`)).json()).toMatchObject({
        state: 'ended',
        disposition: 'failed',
        blame: 'us',
      });
    });
    expect((await service.api.inject(`/v1/verifications/${id}`)).json()).toMatchObject({ status: 'failed' });
    expect(service.engine.legs).toHaveLength(1);
  });
});

describe('metrics', () => {
  it('counts verifications, calls and requests', async () => {
    service.engine.script = (leg) => leg.ring().answer().finishPrompt();
    const start = async (to: string): Promise<string> => {
      const payload = { to, code: CODE };
      return (await service.api.inject({ method: 'POST', url: '/v1/verifications', payload })).json<{
        id: string;
      }>().id;
    };
    const check = (id: string, code: string) =>
      service.api.inject({ method: 'POST', url: `/v1/verifications/${id}/check`, payload: { code } });
    const approved = await start(TO);
    await eventually(() => expect(service.dialer.active()).toBe(0));
    await check(approved, '0000');
    await check(approved, CODE);
    await check(approved, CODE);
    service.engine.script = (leg) => leg.end({ kind: 'rejected', sip: { status: 486, reason: 'Busy Here' } });
    await start(TO);
    await eventually(() => expect(service.dialer.active()).toBe(0));
    service.engine.script = () => undefined;
    const canceled = await start(TO);
    await service.api.inject({ method: 'DELETE', url: `/v1/verifications/${canceled}` });
    await service.api.inject({ method: 'DELETE', url: `/v1/verifications/${canceled}` });
    await eventually(() => expect(service.dialer.active()).toBe(0));
    await start(TO);

    const { body, headers } = await service.api.inject('/metrics');
    expect(headers['content-type']).toContain('text/plain');
    for (const line of [
      'voice_otp_verifications_started_total 4',
      'voice_otp_verifications_ended_total{status="approved"} 1',
      'voice_otp_verifications_ended_total{status="failed"} 1',
      'voice_otp_verifications_ended_total{status="canceled"} 1',
      'voice_otp_calls_total{disposition="answered"} 1',
      'voice_otp_calls_total{disposition="busy"} 1',
      'voice_otp_calls_total{disposition="canceled"} 1',
      'voice_otp_active_calls 1',
      'voice_otp_post_dial_delay_seconds_count 1',
      'voice_otp_http_request_duration_seconds_count{method="POST",route="/v1/verifications",status="201"} 4',
      'voice_otp_http_request_duration_seconds_count{method="POST",route="/v1/verifications/:id/check",status="409"} 1',
    ]) {
      expect(body.split('\n')).toContain(line);
    }
    expect(body).toContain('process_cpu_seconds_total');
    expect(body).not.toMatch(/482913|30123456|ver_|call_[0-9a-f]/);
  });
});

describe('the log', () => {
  it('has one line a request, without bodies, numbers or queries', async () => {
    await service.api.inject({ method: 'POST', url: '/v1/verifications', payload: { to: TO, code: CODE } });
    await service.api.inject(`/v1/calls?limit=${CODE}`);
    await service.api.inject(`/nowhere/${CODE}`);
    await eventually(() => expect(service.engine.legs).toHaveLength(1));
    const requests = service
      .log()
      .split('\n')
      .filter((line) => line.includes('"msg":"request"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(requests).toMatchObject([
      {
        method: 'POST',
        route: '/v1/verifications',
        status: 201,
        ms: expect.any(Number),
        requestId: expect.any(String),
      },
      { method: 'GET', route: '/v1/calls', status: 400 },
      { method: 'GET', route: 'unknown', status: 404 },
    ]);
    expect(service.log()).not.toMatch(/482913|30123456/);
  });
});

async function send(text: string): Promise<string> {
  await service.api.listen({ host: '127.0.0.1', port: 0 });
  const { port } = service.api.server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.once('close', () => resolve(answer));
    socket.once('error', reject);
  });
}

describe('a raw connection', () => {
  it.each([
    ['is not HTTP', `${CODE}\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [
      'has huge headers',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 /,
    ],
    ['has a huge URL', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, /^HTTP\/1\.1 431 /],
    [
      'has two lengths',
      'POST /v1/verifications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
      /^HTTP\/1\.1 400 /,
    ],
  ])('that %s gets the documented shape', async (_what, text, status) => {
    const answer = await send(text);
    expect(answer).toMatch(status);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))).toEqual({
      error: {
        code: 'invalid_request',
        message: expect.any(String),
        requestId: expect.stringMatching(/^req_/),
      },
    });
  });
});

describe('security headers', () => {
  it('are set', async () => {
    const { headers } = await service.api.inject('/v1/calls');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['x-powered-by']).toBeUndefined();
  });
});
