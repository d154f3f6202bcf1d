import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKey } from '../../../src/clients/keys.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

const shop = createKey('shop', randomBytes);
const bank = createKey('bank', randomBytes);
const keys = [shop, bank].map(({ id, hash }) => ({ id, hash }));
const TO = '+4930123456';

let service: Service;
afterEach(() => service.close());

function as({ key }: { key: string }): { authorization: string } {
  return { authorization: `Bearer ${key}` };
}

async function start(
  client: { key: string },
  headers: Record<string, string> = {},
): Promise<{ id: string; callId: string }> {
  const reply = await service.api.inject({
    method: 'POST',
    url: '/v1/verifications',
    headers: { ...as(client), ...headers },
    payload: { to: TO },
  });
  expect(reply.statusCode).toBe(201);
  return reply.json<{ id: string; callId: string }>();
}

describe('with API keys', () => {
  beforeEach(async () => {
    service = await startService({ api: { host: '0.0.0.0', keys } });
  });

  it.each<[string, Record<string, string>]>([
    ['no key', {}],
    ['an empty one', { authorization: 'Bearer ' }],
    ['another', { authorization: `Bearer ${createKey('x', randomBytes).key}` }],
    ['a cut one', { authorization: `Bearer ${shop.key.slice(0, -1)}` }],
    ['the hash', { authorization: `Bearer ${shop.hash}` }],
    ['basic authentication', { authorization: `Basic ${shop.key}` }],
    ['the key alone', { authorization: shop.key }],
    ['a huge one', { authorization: `Bearer ${'x'.repeat(8000)}` }],
  ])('%s opens nothing', async (_what, headers) => {
    for (const [method, url] of [
      ['POST', '/v1/verifications'],
      ['GET', '/v1/verifications/ver_x'],
      ['POST', '/v1/verifications/ver_x/check'],
      ['DELETE', '/v1/verifications/ver_x'],
      ['GET', '/v1/calls'],
      ['GET', '/v1/calls/call_x'],
      ['GET', '/v1/calls/call_x/events'],
      ['DELETE', '/v1/calls/call_x'],
      ['POST', '/v1/calls'],
      ['POST', '/v1/prompts/preview'],
      ['GET', '/v1/cdrs'],
      ['GET', '/v1/cdrs/verify'],
      ['GET', '/metrics'],
    ] as const) {
      const reply = await service.api.inject({
        method,
        url,
        // Not read before the key is: neither its size nor its syntax matters.
        headers: { ...headers, ...(method === 'POST' ? { 'content-type': 'application/json' } : {}) },
        ...(method === 'POST' ? { payload: '{'.repeat(20_000) } : {}),
      });
      expect([url, reply.statusCode, reply.headers['www-authenticate']]).toEqual([url, 401, 'Bearer']);
      expect(reply.json()).toMatchObject({ error: { code: 'unauthorized' } });
    }
    expect([await service.playlists(), service.tts.asked]).toEqual([[], []]);
  });

  it.each(['/healthz', '/readyz', '/openapi.json', '/docs/'])('%s is open', async (url) => {
    expect((await service.api.inject(url)).statusCode).toBe(200);
  });

  it('takes the scheme in any case, from any host', async () => {
    const reply = await service.api.inject({
      url: '/v1/calls',
      headers: { authorization: `bearer ${shop.key}`, host: 'otp.example' },
    });
    expect(reply.statusCode).toBe(200);
  });

  it('shows a client only what is its own', async () => {
    const { id, callId } = await start(shop);
    for (const [method, url] of [
      ['GET', `/v1/verifications/${id}`],
      ['DELETE', `/v1/verifications/${id}`],
      ['POST', `/v1/verifications/${id}/check`],
      ['GET', `/v1/calls/${callId}`],
      ['GET', `/v1/calls/${callId}/events`],
      ['DELETE', `/v1/calls/${callId}`],
    ] as const) {
      const reply = await service.api.inject({
        method,
        url,
        headers: as(bank),
        ...(method === 'POST' ? { payload: { code: '000000' } } : {}),
      });
      expect([method, url, reply.statusCode]).toEqual([method, url, 404]);
    }
    const calls = async (client: { key: string }): Promise<number> =>
      (await service.api.inject({ url: '/v1/calls', headers: as(client) })).json<{ calls: [] }>().calls
        .length;
    expect([await calls(shop), await calls(bank)]).toEqual([1, 0]);
    const own = await service.api.inject({ url: `/v1/verifications/${id}`, headers: as(shop) });
    expect(own.json()).toMatchObject({ status: 'pending', checks: 0 });
  });

  it('keeps the Idempotency-Keys of two clients apart', async () => {
    const first = await start(shop, { 'idempotency-key': 'same' });
    const second = await start(bank, { 'idempotency-key': 'same' });
    expect(second.id).not.toBe(first.id);
    expect(service.dialer.active()).toBe(2);
  });
});

describe('without API keys', () => {
  beforeEach(async () => {
    service = await startService();
  });

  it.each(['localhost', 'localhost:8080', '127.0.0.1:8080', '127.1.2.3', '[::1]:8080', 'LOCALHOST'])(
    'answers for %s',
    async (host) => {
      expect((await service.api.inject({ url: '/v1/calls', headers: { host } })).statusCode).toBe(200);
    },
  );

  it.each([
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
  ])('refuses a page that calls itself %s', async (host) => {
    const reply = await service.api.inject({ url: '/v1/calls', headers: { host } });
    expect(reply.statusCode).toBe(400);
    expect(reply.json()).toMatchObject({ error: { message: expect.stringMatching(/^headers\.host: /) } });
  });

  it('gives other web pages nothing to read or to send', async () => {
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
    const preflight = await service.api.inject({ method: 'OPTIONS', url: '/v1/verifications', headers });
    expect(preflight.statusCode).toBe(405);
    expect(preflight.headers['access-control-allow-origin']).toBeUndefined();
    // What a form can send without asking first.
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ]) {
      const reply = await service.api.inject({
        method: 'POST',
        url: '/v1/verifications',
        headers: { 'content-type': type },
        payload: JSON.stringify({ to: TO }),
      });
      expect(reply.statusCode).toBe(415);
    }
    expect(service.dialer.active()).toBe(0);
  });

  it.each<[string, Record<string, string>]>([
    ['says so', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['is old', { origin: 'https://evil.example' }],
    ['hides where it is', { origin: 'null' }],
  ])('takes no form of another page from a browser that %s', async (_how, headers) => {
    for (const [method, url, type, status] of [
      ['POST', '/v1/verifications', 'application/json', 403],
      ['POST', '/restcomm/2012-04-24/Accounts/shop/Calls', 'application/x-www-form-urlencoded', 403],
      // MessageBird has no other status for what a key does not open.
      ['POST', '/verify', 'application/x-www-form-urlencoded', 401],
    ] as const) {
      const reply = await service.api.inject({
        method,
        url,
        headers: { host: 'localhost:8080', ...headers, 'content-type': type },
        payload:
          type === 'application/json' ? JSON.stringify({ to: TO }) : `To=${TO}&From=${TO}&recipient=${TO}`,
      });
      expect([url, reply.statusCode]).toEqual([url, status]);
    }
    expect((await service.api.inject({ url: '/v1/calls', headers })).json()).toMatchObject({ calls: [] });
    // A page of the service itself, or a program.
    const own = { host: 'localhost:8080', origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' };
    for (const said of [own, {}]) {
      const reply = await service.api.inject({
        method: 'POST',
        url: '/v1/verifications',
        headers: said,
        payload: { to: TO },
      });
      expect(reply.statusCode).toBe(201);
    }
  });
});

describe('the rate limit', () => {
  beforeEach(async () => {
    service = await startService({ api: { keys, rateLimit: { max: 3, windowSeconds: 60 } } });
  });

  it('counts each client by itself, and says when to come back', async () => {
    for (let n = 0; n < 3; n++) {
      expect((await service.api.inject({ url: '/v1/calls', headers: as(shop) })).statusCode).toBe(200);
    }
    const refused = await service.api.inject({ url: '/v1/calls', headers: as(shop) });
    expect(refused.statusCode).toBe(429);
    expect(refused.json()).toEqual({
      error: {
        code: 'too_many_requests',
        message: 'Too many requests.',
        requestId: refused.headers['x-request-id'],
      },
    });
    const wait = Number(refused.headers['retry-after']);
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(60);
    expect((await service.api.inject({ url: '/v1/calls', headers: as(bank) })).statusCode).toBe(200);
  });

  it('limits those who guess keys and paths by their address', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 3; n++) {
      const reply = await service.api.inject({ url: '/v1/calls', headers: as(createKey('x', randomBytes)) });
      statuses.push(reply.statusCode);
    }
    statuses.push((await service.api.inject('/v1/calls')).statusCode);
    statuses.push((await service.api.inject('/nowhere')).statusCode);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
  });

  it('does not believe X-Forwarded-For from anybody', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 4; n++) {
      const headers = { 'x-forwarded-for': `192.0.2.${n}` };
      statuses.push((await service.api.inject({ url: '/v1/calls', headers })).statusCode);
    }
    expect(statuses).toEqual([401, 401, 401, 429]);
  });

  it('leaves the health checks alone', async () => {
    for (let n = 0; n < 10; n++) {
      expect((await service.api.inject('/healthz')).statusCode).toBe(200);
    }
  });
});

describe('behind a proxy that is trusted', () => {
  it('counts by the address that the proxy tells', async () => {
    service = await startService({
      api: { keys, trustProxy: ['127.0.0.0/8'], rateLimit: { max: 1, windowSeconds: 60 } },
    });
    const statuses: number[] = [];
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1']) {
      const headers = { 'x-forwarded-for': address };
      statuses.push((await service.api.inject({ url: '/v1/calls', headers })).statusCode);
    }
    expect(statuses).toEqual([401, 401, 429]);
  });
});
